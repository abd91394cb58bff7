#!/usr/bin/env python
"""The table of run_variants.sh, written into RESULTS.md."""

import argparse
from pathlib import Path

from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.evaluate.training_log import training_minutes
from espnet_entropy.report.results_page import insert, provenance, spread
from espnet_entropy.vc.pairs import read_pairs
from espnet_entropy.vc.summary import Summary, summarize

NAMES = {
    "base": "conf/train_vc.yaml",
    "noprosody": "without prosody",
    "nopositions": "without positions",
    "units": "units past the segments",
    "flowalone": "flow without regression",
    "peaks": "peaks",
    "dp15": "one rate, dp",
    "onchange15": "one rate, global with on_change",
}
RATES = ("50", "15", "7")


def block(args: argparse.Namespace) -> list:
    pairs = read_pairs(args.pairs)
    header = ["variant", "seeds"]
    header += [f"WER % (Whisper) at {rate} Hz" for rate in RATES]
    header += ["closer to target % at 15 Hz", "pitch correlation at 15 Hz", "training min"]
    rows, epochs, converted = [header], set(), {}
    for system in args.systems:
        folders = [args.expdir / f"vc_variant_{system}_seed{seed}" for seed in args.seeds]
        folders = [folder for folder in folders if (folder / "converted/listen.html").is_file()]
        epochs |= {read_yaml(folder / "config.yaml")["max_epoch"] for folder in folders}
        for folder in folders:
            converted |= _summaries(folder, ("source", "copy"), pairs)
        rows.append([NAMES[system], str(len(folders) or "not run"), *_cells(folders, pairs)])
    for name, label in (("source", "source recordings"), ("copy", "copy-synthesis")):
        if name in converted:
            wer = f"{converted[name].wer['whisper']:.1f}"
            rows.append([label, "-", wer, *["-"] * (len(header) - 3)])
    judged = sum(bool(pair.text) for pair in pairs)
    note = f"{len(pairs)} pairs of dev prompts, {judged} of them judged."
    return [f"{provenance(args.command, args.seeds, sorted(epochs))} {note}", rows]


def _summaries(folder: Path, systems: tuple[str, ...], pairs) -> dict[str, Summary]:
    root = folder / "converted"
    return {
        s: summarize(root / s, s, pairs) for s in systems if (root / s / "scores.tsv").is_file()
    }


def _cells(folders: list[Path], pairs) -> list[str]:
    found = [_summaries(folder, RATES, pairs) for folder in folders]
    if not found:
        return ["-"] * (len(RATES) + 3)
    cells = []
    for rate in RATES:
        wers = [of[rate].wer["whisper"] for of in found if rate in of]
        cells.append(spread(wers, 1) if wers else "-")
    cells.append(spread([of["15"].closer for of in found], 0))
    cells.append(spread([of["15"].pitch_correlation for of in found], 2))
    return [*cells, spread([training_minutes(folder) for folder in folders], 1)]


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="what was converted")
    parser.add_argument("--systems", nargs="+", choices=NAMES, required=True)
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args(cmd)
    print(insert(args.output, "run_variants", *block(args)))


if __name__ == "__main__":
    main()
