"""Trained systems compared: means over seeds as a table in RESULTS.md, and a picture by rate.

What has not been trained and scored yet is marked so; the rest does not wait for it.
"""

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.espnet.settings import Settings
from espnet_entropy.espnet.trained import read_settings
from espnet_entropy.evaluate.outcome import (
    decoding_seconds,
    load_score,
    reached_rate_hz,
    training_minutes,
)
from espnet_entropy.evaluate.verdicts import FEWEST_SEEDS
from espnet_entropy.report.plot_systems import plot_rates
from espnet_entropy.report.results_page import insert, provenance, table
from espnet_entropy.segment.segmenters import SEGMENTERS

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
        return score[self.keys[0]][self.keys[1]]

    def best(self, values):
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
    def config(self) -> dict:
        return read_yaml(next(iter(self.models.values())) / "config.yaml")

    @property
    def settings(self) -> Settings:
        return read_settings(next(iter(self.models.values())) / "config.yaml")

    @property
    def segmenter(self) -> str:
        return self.settings.segmenter

    @property
    def aggregator(self) -> str:
        return self.settings.aggregator

    def scores(self, metric: Metric, set_name: str, seeds=None) -> list[float]:
        """One score per seed."""
        models = self.models if seeds is None else {seed: self.models[seed] for seed in seeds}
        return [metric.of(load_score(model, set_name)) for model in models.values()]


@dataclass(frozen=True)
class Row:
    """A system in numbers: by set, and for all."""

    system: System
    scores: dict[str, dict[str, list[float]]]  # set -> metric -> one a seed
    rates_hz: dict[str, float]  # the segmenter does not depend on the seed
    training_min: list[float]
    decoding_sec: list[float]


def find_system(name: str, args: argparse.Namespace) -> System:
    """The models whose every set is scored."""
    models = {}
    for seed in args.seeds:
        model = Path(args.models.replace("%system%", name).replace("%seed%", seed))
        made = [model / args.model_file, *(model / f"decode_{s}" / "score.json" for s in args.sets)]
        if all(path.is_file() for path in made):
            models[seed] = model
    return System(name, models)


def measure(system: System, args: argparse.Namespace) -> Row:
    """All that the table and the picture say of a system that has run."""
    models = list(system.models.values())
    dump = Path(args.stored_dump if system.segmenter == "stored" else args.dump)
    return Row(
        system,
        {s: {m: system.scores(METRICS[m], s) for m in args.metrics} for s in args.sets},
        {s: reached_rate_hz(models[0], args.model_file, dump / s) for s in args.sets},
        [training_minutes(model) for model in models],
        [decoding_seconds(model) for model in models],
    )


def spread(values: list[float], digits: int) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def cells(row: Row, args: argparse.Namespace) -> list[str]:
    """The row in Markdown's cells."""
    made = [row.system.name, str(len(row.system.models))]
    for set_name in args.sets:
        made += [spread(row.scores[set_name][metric], 1) for metric in args.metrics]
        made.append(f"{row.rates_hz[set_name]:.1f}")
    return [*made, spread(row.training_min, 1), spread(row.decoding_sec, 1)]


def of_rate(system: System, rate_hz: float) -> bool:
    """Whether a system was trained for this rate, or its segmenter has no rate to choose."""
    if not SEGMENTERS[system.segmenter].has_rate:
        return True
    return system.settings.rate == rate_hz


def by_entropy(system: System, rate_hz: float) -> bool:
    """Whether a system has an entropy segmenter at this rate."""
    return bool(SEGMENTERS[system.segmenter].thresholds) and of_rate(system, rate_hz)


def shared_seeds(systems: list[System], args: argparse.Namespace) -> list[str]:
    """The seeds with which all of these systems have run."""
    return [seed for seed in args.seeds if all(seed in system.models for system in systems)]


def dev_mean(system: System, seeds: list[str], args: argparse.Namespace) -> float:
    """Mean of the first metric on the first set, on which systems are chosen."""
    return statistics.mean(system.scores(METRICS[args.metrics[0]], args.sets[0], seeds))


def best_on_dev(systems: list[System], seeds: list[str], args: argparse.Namespace) -> System:
    """The system with the best `dev_mean`; of equal ones the first by name, in any order given."""
    means = {system.name: dev_mean(system, seeds, args) for system in systems}
    best = METRICS[args.metrics[0]].best(means.values())
    return min((s for s in systems if means[s.name] == best), key=lambda s: s.name)


def seed_count(seeds: list[str], args: argparse.Namespace) -> str:
    """`2 of 3 seeds`, with a remark if these are too few."""
    count = f"{len(seeds)} of {len(args.seeds)} seeds"
    few = f"; fewer than {FEWEST_SEEDS} are too few to decide"
    return count + (few if len(seeds) < FEWEST_SEEDS else "")


def recommendation(systems: list[System], args: argparse.Namespace) -> str:
    """Choose the best entropy system on the first set, and compare it with baselines on the last.

    Means are over the seeds that all of the compared systems have.
    """
    metric = METRICS[args.metrics[0]]
    name, dev, test = metric.label.removesuffix(" %"), args.sets[0], args.sets[-1]
    ran = sorted((system for system in systems if system.models), key=lambda s: s.name)
    candidates = [system for system in ran if by_entropy(system, args.rate)]
    what = f"Recommended system with an entropy segmenter at {args.rate:g} Hz"
    if not candidates:
        return f"{what}: open, since none has run."
    names = ", ".join(system.name for system in candidates)
    seeds = shared_seeds(candidates, args)
    if not seeds:
        return f"{what}: open, since no seed has run with all of {names}."
    best = best_on_dev(candidates, seeds, args)
    lines = [
        f"{what}, chosen on {dev}: **{best.name}**, the best mean {name} there "
        f"({metric.written(dev_mean(best, seeds, args))}) of those that have run ({names}; "
        f"{seed_count(seeds, args)}). On {test} it is compared with one system of each kind of "
        f"baseline: the best one on {dev} of those with the same aggregator ({best.aggregator}), "
        "or of all systems of that kind if none has this aggregator.",
        "",
    ]
    for kind in BASELINES.values():
        rivals = [s for s in ran if BASELINES.get(s.segmenter) == kind and of_rate(s, args.rate)]
        lines.append(f"- {kind}: {comparison(best, rivals, args)}.")
    return "\n".join(lines)


def comparison(best: System, rivals: list[System], args: argparse.Namespace) -> str:
    """Compare the recommended system with the best baseline of one kind, if any has run."""
    if not rivals:
        return "not run"
    alike = [system for system in rivals if system.aggregator == best.aggregator]
    choice_seeds = shared_seeds([best, *(alike or rivals)], args)
    if not choice_seeds:
        names = ", ".join(system.name for system in (best, *(alike or rivals)))
        return f"open, since no seed has run with all of {names}"
    rival = best_on_dev(alike or rivals, choice_seeds, args)
    seeds = shared_seeds([best, rival], args)
    metric, test = METRICS[args.metrics[0]], args.sets[-1]
    ours, theirs = (system.scores(metric, test, seeds) for system in (best, rival))
    gaps = [own - other for own, other in zip(ours, theirs, strict=True)]
    single = ", ".join(f"seed {seed} {gap:+.1f}" for seed, gap in zip(seeds, gaps, strict=True))
    why = "the same aggregator" if alike else "none with the same aggregator has run"
    return (
        f"{rival.name} ({rival.aggregator}, {why}) has {metric.written(statistics.mean(theirs))} "
        f"and {best.name} {metric.written(statistics.mean(ours))}, "
        f"{rank(statistics.mean(gaps), metric)} ({single}; {seed_count(seeds, args)})"
    )


def rank(gap: float, metric: Metric) -> str:
    """A mean difference in words about the recommended system."""
    if f"{abs(gap):.1f}" == "0.0":
        return "the same by mean"
    better = (gap > 0) == metric.more_is_better
    return f"{abs(gap):.1f} points {'better' if better else 'worse'} by mean"


def block(rows: dict[str, Row], systems: list[System], args: argparse.Namespace) -> str:
    """The table between what made it and what follows from it."""
    header = ["system", "seeds"]
    for name in args.sets:
        header += [f"{name} {METRICS[metric].label}" for metric in args.metrics]
        header.append(f"{name} segments/s")
    header += ["training min", "decoding s"]
    lines = [
        cells(rows[s.name], args)
        if s.name in rows
        else [s.name, "not run"] + [""] * (len(header) - 2)
        for s in systems
    ]
    epochs = sorted({row.system.config["max_epoch"] for row in rows.values()})
    text = [
        provenance(args.command, args.seeds, epochs)
        + " Mean ± standard deviation over the seeds that have run; decoding is of all these sets, "
        "without loading.",
        "",
        table([header, *lines]),
    ]
    if "bleu" in args.metrics and rows:
        score = load_score(
            next(iter(next(iter(rows.values())).system.models.values())), args.sets[0]
        )
        text += ["", *(f"{METRICS[m].label}: `{score[m]['signature']}`  " for m in args.metrics)]
    if args.rate is not None:
        text += ["", recommendation(systems, args)]
    if args.picture and len(rows) > 1:
        text += ["", f"![score by rate]({Path(args.picture).name})"]
    return "\n".join(text)


def draw(rows: dict[str, Row], args: argparse.Namespace) -> None:
    """Scores of all systems by the rate that they reach."""
    name = args.metrics[0]
    sets = {
        s: {system: (row.rates_hz[s], row.scores[s][name]) for system, row in rows.items()}
        for s in args.sets
    }
    plot_rates(args.picture, sets, label=METRICS[name].label)


def get_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument(
        "--models", required=True, help="a model's folder, with %%system%% and %%seed%% in its name"
    )
    parser.add_argument("--systems", nargs="+", required=True, help="rows, e.g. dense dp15")
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument(
        "--sets", nargs="+", required=True, help="the first is to choose on, the last to compare on"
    )
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=["wer", "cer"])
    parser.add_argument("--dump", default="dump/raw", help="folder of the sets' dumps")
    parser.add_argument(
        "--stored_dump",
        default="dump/bpe/raw",
        help="the same with stored boundaries, for `stored`",
    )
    parser.add_argument("--rate", type=float, help="Hz, of a segmenter to be recommended")
    parser.add_argument(
        "--model_file", default="valid.cer_ctc.ave.pth", help="the checkpoint's name"
    )
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--block", default="run_rates", help="name of the block in RESULTS.md")
    parser.add_argument("--picture", help="PNG to draw beside it")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args: argparse.Namespace) -> None:
    """Measure, draw, write the block, print it."""
    systems = [find_system(name, args) for name in args.systems]
    rows = {system.name: measure(system, args) for system in systems if system.models}
    # A single system is no comparison.
    if args.picture and len(rows) > 1:
        draw(rows, args)
    text = block(rows, systems, args)
    insert(args.output, args.block, text)
    print(text)


if __name__ == "__main__":
    main()
