"""Trained systems compared over seeds: a table, a recommendation, and the data of a picture.

Systems that have not been trained and scored yet are marked; the others are compared without them.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from espnet_entropy.espnet.settings import Settings
from espnet_entropy.espnet.trained import read_settings
from espnet_entropy.evaluate.outcome import decoding_seconds, load_score, reached_rate_hz
from espnet_entropy.evaluate.training_log import training_minutes
from espnet_entropy.report.results_page import spread
from espnet_entropy.segment.segmenters import SEGMENTERS

# Fewer seeds than this decide nothing.
FEWEST_SEEDS = 3
# Segmenters that do not use entropies -> kind of baseline.
BASELINES = {
    "dense": "dense",
    "dedup": "dedup",
    "uniform": "uniform",
    "fixed": "fixed",
    "random": "random",
    "stored": "bpe",
}


@dataclass(frozen=True)
class Metric:
    """What is read out of a score.json, and whether more of it is better."""

    label: str
    keys: tuple[str, str]
    more_is_better: bool

    def written(self, value: float) -> str:
        """A value with its unit, for a sentence."""
        return f"{value:.1f} %" if self.label.endswith("%") else f"{value:.1f}"

    def of(self, score: dict) -> float:
        """Its value in the content of a score.json."""
        return score[self.keys[0]][self.keys[1]]

    def best(self, values) -> float:
        """The best of some values."""
        return max(values) if self.more_is_better else min(values)


METRICS = {
    "wer": Metric("WER %", ("wer", "percent"), False),
    "cer": Metric("CER %", ("cer", "percent"), False),
    "bleu": Metric("BLEU", ("bleu", "score"), True),
    "chrf": Metric("chrF", ("chrf", "score"), True),
}


@dataclass(frozen=True)
class System:
    """Its models by seed, of those that have run to the end."""

    name: str
    models: dict[str, Path]

    @property
    def config(self) -> Path:
        """`config.yaml` of its first model."""
        return next(iter(self.models.values())) / "config.yaml"

    @cached_property
    def settings(self) -> Settings:
        """The frontend's settings of its first model."""
        return read_settings(self.config)

    @property
    def segmenter(self) -> str:
        """Name of its segmenter."""
        return self.settings.segmenter

    @property
    def aggregator(self) -> str:
        """Name of its aggregator."""
        return self.settings.aggregator

    def scores(self, metric: Metric, set_name: str, seeds=None) -> list[float]:
        """One score per seed."""
        models = self.models if seeds is None else {seed: self.models[seed] for seed in seeds}
        return [metric.of(load_score(model, set_name)) for model in models.values()]

    def has_rate(self, rate_hz: float) -> bool:
        """Whether it was trained for this rate, or its segmenter has no rate to choose."""
        if not SEGMENTERS[self.segmenter].has_rate:
            return True
        return self.settings.rate == rate_hz

    def by_entropy(self, rate_hz: float) -> bool:
        """Whether it has an entropy segmenter at this rate."""
        return bool(SEGMENTERS[self.segmenter].thresholds) and self.has_rate(rate_hz)


@dataclass(frozen=True)
class Comparison:
    """Systems that are compared.

    Attributes:
        models: path of a model's folder, with %system% and %seed% in it.
        names: of the systems.
        seeds: of their trainings.
        sets: decoded sets, or SET/GROUP for a group of one (see `bin/score`), whose segments per
            second are not measured; systems are chosen on the first and compared on the last.
        metrics: keys of METRICS; systems are chosen by the first.
        model_file: the checkpoint's name.
    """

    models: str
    names: Sequence[str]
    seeds: Sequence[str]
    sets: Sequence[str]
    metrics: Sequence[str]
    model_file: str

    @cached_property
    def systems(self) -> list[System]:
        """All systems, each with those of its models that are scored on all sets."""
        return [System(name, self._models_of(name)) for name in self.names]

    @property
    def ran(self) -> list[System]:
        """Systems with at least one model that is scored on all sets."""
        return [system for system in self.systems if system.models]

    @property
    def metric(self) -> Metric:
        """The metric by which systems are chosen."""
        return METRICS[self.metrics[0]]

    def _models_of(self, name: str) -> dict[str, Path]:
        models = {}
        for seed in self.seeds:
            model = Path(self.models.replace("%system%", name).replace("%seed%", seed))
            scores = (model / f"decode_{set_name}" / "score.json" for set_name in self.sets)
            if all(path.is_file() for path in (model / self.model_file, *scores)):
                models[seed] = model
        return models

    def rates_hz(self, system: System, dump: Path, stored_dump: Path) -> dict[str, float]:
        """Set -> segments per second, but of the groups of sets; they do not depend on the seed.

        Args:
            system: one that has run.
            dump: folder of the sets' dumps.
            stored_dump: the same with stored boundaries.
        """
        folder = stored_dump if system.segmenter == "stored" else dump
        model = next(iter(system.models.values()))
        sets = (s for s in self.sets if "/" not in s)
        return {s: reached_rate_hz(model, self.model_file, folder / s) for s in sets}

    def rows(self, rates_hz: dict[str, dict[str, float]]) -> list[list[str]]:
        """The table: means over the seeds, with standard deviations.

        Args:
            rates_hz: system -> set -> segments per second.
        """
        header = ["system", "seeds"]
        for name in self.sets:
            header += [f"{name} {METRICS[metric].label}" for metric in self.metrics]
            if "/" not in name:
                header.append(f"{name} segments/s")
        rows = [[*header, "training min", "decoding s"]]
        for system in self.systems:
            if not system.models:
                rows.append([system.name, "not run"] + [""] * len(header))
                continue
            cells = [system.name, str(len(system.models))]
            for name in self.sets:
                cells += [spread(system.scores(METRICS[m], name), 1) for m in self.metrics]
                if name in rates_hz[system.name]:
                    cells.append(f"{rates_hz[system.name][name]:.1f}")
            models = system.models.values()
            cells.append(spread([training_minutes(model) for model in models], 1))
            rows.append([*cells, spread([decoding_seconds(model) for model in models], 1)])
        return rows

    def points(self, rates_hz: dict[str, dict[str, float]]) -> dict:
        """What `plot_systems.plot_rates` draws: set -> system -> rate, scores."""
        return {
            name: {s.name: (rates_hz[s.name][name], s.scores(self.metric, name)) for s in self.ran}
            for name in self.sets
        }

    def shared_seeds(self, systems: Sequence[System]) -> list[str]:
        """The seeds with which all of these systems have run."""
        return [seed for seed in self.seeds if all(seed in system.models for system in systems)]

    def chosen(self, systems: Sequence[System], seeds: Sequence[str]) -> tuple[System, float]:
        """The system with the best mean on the first set (by name if equal), and this mean."""
        means = {
            s.name: statistics.mean(s.scores(self.metric, self.sets[0], seeds)) for s in systems
        }
        best = self.metric.best(means.values())
        return min((s for s in systems if means[s.name] == best), key=lambda s: s.name), best

    def recommendation(self, rate_hz: float) -> str:
        """Choose the best entropy system, and compare it with the best baseline of each kind.

        Means are over the seeds that all of the compared systems have.

        Args:
            rate_hz: rate of the entropy systems.
        """
        metric, dev = self.metric, self.sets[0]
        candidates = sorted((s for s in self.ran if s.by_entropy(rate_hz)), key=lambda s: s.name)
        what = f"Recommended system with an entropy segmenter at {rate_hz:g} Hz"
        if not candidates:
            return f"{what}: open, since none has run."
        names = ", ".join(system.name for system in candidates)
        seeds = self.shared_seeds(candidates)
        if not seeds:
            return f"{what}: open, since no seed has run with all of {names}."
        best, mean = self.chosen(candidates, seeds)
        lines = [
            f"{what}, chosen on {dev}: **{best.name}**, the best mean "
            f"{metric.label.removesuffix(' %')} there ({metric.written(mean)}) of those that have "
            f"run ({names}; {self._count(seeds)}). On {self.sets[-1]} it is compared with one "
            f"system of each kind of baseline: the best one on {dev} of those with the same "
            f"aggregator ({best.aggregator}), or of all systems of that kind if none has this "
            "aggregator.",
            "",
        ]
        for kind in BASELINES.values():
            rivals = [
                s for s in self.ran if BASELINES.get(s.segmenter) == kind and s.has_rate(rate_hz)
            ]
            lines.append(f"- {kind}: {self._against(best, rivals)}.")
        return "\n".join(lines)

    def _against(self, best: System, rivals: Sequence[System]) -> str:
        """The recommended system beside the best baseline of one kind, if any has run."""
        if not rivals:
            return "not run"
        alike = [system for system in rivals if system.aggregator == best.aggregator]
        compared = sorted(alike or rivals, key=lambda s: s.name)
        choice_seeds = self.shared_seeds([best, *compared])
        if not choice_seeds:
            names = ", ".join(system.name for system in (best, *compared))
            return f"open, since no seed has run with all of {names}"
        rival, _ = self.chosen(compared, choice_seeds)
        seeds = self.shared_seeds([best, rival])
        ours, theirs = (s.scores(self.metric, self.sets[-1], seeds) for s in (best, rival))
        gaps = [own - other for own, other in zip(ours, theirs, strict=True)]
        single = ", ".join(f"seed {seed} {gap:+.1f}" for seed, gap in zip(seeds, gaps, strict=True))
        why = "the same aggregator" if alike else "none with the same aggregator has run"
        written = self.metric.written
        return (
            f"{rival.name} ({rival.aggregator}, {why}) has {written(statistics.mean(theirs))} "
            f"and {best.name} {written(statistics.mean(ours))}, "
            f"{self._rank(statistics.mean(gaps))} ({single}; {self._count(seeds)})"
        )

    def _count(self, seeds: Sequence[str]) -> str:
        """`2 of 3 seeds`, with a remark if these are too few."""
        few = f"; fewer than {FEWEST_SEEDS} are too few to decide"
        return f"{len(seeds)} of {len(self.seeds)} seeds" + (
            few if len(seeds) < FEWEST_SEEDS else ""
        )

    def _rank(self, gap: float) -> str:
        """A mean difference in words about the recommended system."""
        if f"{abs(gap):.1f}" == "0.0":
            return "the same by mean"
        better = (gap > 0) == self.metric.more_is_better
        return f"{abs(gap):.1f} points {'better' if better else 'worse'} by mean"
