#!/usr/bin/env python
"""The table of run_rates.sh, written into RESULTS.md, and the segmenter that it recommends.

What has not been trained and scored yet is marked so; the rest does not wait for it.
"""

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

from measure import decoding_seconds, load_score, reached_rate_hz, training_minutes
from results import insert, provenance, table

from espnet_entropy.data import read_yaml

# Those that a rate is reached with by entropies.
ENTROPY_SEGMENTERS = ("global", "relative", "combined", "peaks", "dp")


@dataclass(frozen=True)
class System:
    name: str
    models: dict[str, Path]  # seed -> exp/asr_TAG, of those that have run to the end

    @property
    def config(self) -> dict:
        return read_yaml(next(iter(self.models.values())) / "config.yaml")

    def wer(self, set_name: str, seeds: list[str]) -> list[float]:
        return [load_score(self.models[seed], set_name)["wer"]["percent"] for seed in seeds]


def find_system(name: str, args: argparse.Namespace) -> System:
    models = {}
    for seed in args.seeds:
        model = args.expdir / f"asr_rates_{name}_seed{seed}"
        made = [model / args.model_file, *(model / f"decode_{s}" / "score.json" for s in args.sets)]
        if all(path.is_file() for path in made):
            models[seed] = model
    return System(name, models)


def spread(values: list[float], digits: int) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def row(system: System, args: argparse.Namespace) -> list[str]:
    models = list(system.models.values())
    if not models:
        return [system.name, "not run"] + [""] * (3 * len(args.sets) + 2)
    cells = [system.name, str(len(models))]
    for set_name in args.sets:
        scores = [load_score(model, set_name) for model in models]
        for rate in ("wer", "cer"):
            cells.append(spread([score[rate]["percent"] for score in scores], 1))
        # The segmenter does not depend on the seed.
        dump = args.dumpdir / "raw" / set_name
        cells.append(f"{reached_rate_hz(models[0], args.model_file, dump):.1f}")
    cells.append(spread([training_minutes(model) for model in models], 1))
    return cells + [spread([decoding_seconds(model) for model in models], 1)]


def by_entropy(system: System, rate_hz: float) -> bool:
    conf = system.config["frontend_conf"]
    return conf.get("segmenter") in ENTROPY_SEGMENTERS and conf.get("rate") == rate_hz


def recommendation(systems: list[System], args: argparse.Namespace) -> str:
    """The entropy segmenter with the lowest mean WER on the first set, against dense on the last.

    Means are over the seeds that all of the compared systems have.
    """
    dev, test = args.sets[0], args.sets[-1]
    ran = [system for system in systems if system.models]
    candidates = [system for system in ran if by_entropy(system, args.rate)]
    seeds = [s for s in args.seeds if all(s in system.models for system in candidates)]
    what = f"entropy segmenter at {args.rate:g} Hz"
    if not candidates or not seeds:
        return f"Recommended {what}: open, no seed has been run for comparison."
    best = min(candidates, key=lambda system: statistics.mean(system.wer(dev, seeds)))
    mean = statistics.mean(best.wer(dev, seeds))
    names = ", ".join(system.name for system in candidates)
    text = (
        f"Recommended {what}, chosen on {dev}: **{best.name}**, the lowest mean WER there "
        f"({mean:.1f} %) of those that have run ({names}; {len(seeds)} of {len(args.seeds)} seeds)."
    )
    dense = next((s for s in ran if s.config["frontend_conf"].get("segmenter") == "dense"), None)
    seeds = [seed for seed in args.seeds if dense and seed in dense.models and seed in best.models]
    if not seeds:
        return f"{text} No seed of dense has been run to compare it with."
    pairs = zip(best.wer(test, seeds), dense.wer(test, seeds), strict=True)
    differences = [own - other for own, other in pairs]
    mean = statistics.mean(differences)
    single = ", ".join(f"seed {s} {d:+.1f}" for s, d in zip(seeds, differences, strict=True))
    verdict = "no worse than dense" if mean <= 0 else "worse than dense"
    return (
        f"{text} Its WER on {test} less that of {dense.name}, in points: {single}; mean "
        f"{mean:+.2f}, so by mean {verdict}."
    )


def block(args: argparse.Namespace) -> str:
    systems = [find_system(name, args) for name in args.systems]
    header = ["system", "seeds"]
    for name in args.sets:
        header += [f"{name} WER %", f"{name} CER %", f"{name} segments/s"]
    header += ["training min", "decoding s"]
    epochs = sorted({system.config["max_epoch"] for system in systems if system.models})
    return "\n".join(
        [
            provenance(args.command, args.seeds, epochs)
            + " Mean ± standard deviation over the seeds that have run; a training runs on one "
            "thread; decoding is of all these sets, without loading.",
            "",
            table([header, *(row(system, args) for system in systems)]),
            "",
            recommendation(systems, args),
        ]
    )


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, default=Path("exp"))
    parser.add_argument("--dumpdir", type=Path, default=Path("dump"))
    parser.add_argument("--systems", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument(
        "--sets", nargs="+", required=True, help="the first is to choose on, the last to compare on"
    )
    parser.add_argument("--rate", type=float, default=15, help="Hz, of what is recommended")
    parser.add_argument("--model_file", default="valid.cer_ctc.ave.pth")
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    text = block(args)
    insert(args.output, "run_rates", text)
    print(text)


if __name__ == "__main__":
    main()
