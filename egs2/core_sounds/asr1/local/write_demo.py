#!/usr/bin/env python
"""The block of demo.sh in RESULTS.md: error rates, rates reached, times of the stages."""

import argparse
import re
from pathlib import Path

from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.evaluate.outcome import load_score, reached_rate_hz
from espnet_entropy.report.results_page import insert, provenance

# What run_stage prints at the end of a stage, run now or "done before".
STAGE = re.compile(r"stage (\d+): ([^:]+): .*?(?:(\d+) min )?(\d+) s")


def stage_times(log: Path) -> dict[str, int]:
    """`{"3 units": seconds}` of what a recipe has printed."""
    found = (STAGE.fullmatch(line) for line in log.read_text(encoding="utf-8").splitlines())
    return {f"{m[1]} {m[2]}": 60 * int(m[3] or 0) + int(m[4]) for m in found if m}


def duration(seconds: int) -> str:
    return f"{seconds // 60} min {seconds % 60} s"


def rates_row(set_name: str, args: argparse.Namespace) -> list[str]:
    rate_hz = reached_rate_hz(args.model, args.model_file, args.dumpdir / "raw" / set_name)
    cells = [set_name, "", "", f"{rate_hz:.2f}"]
    if set_name in args.sets:
        score = load_score(args.model, set_name)
        cells[1:3] = (
            f"{r['percent']:.1f} ({r['low']:.1f} to {r['high']:.1f})"
            for r in (score["wer"], score["cer"])
        )
    return cells


def block(args: argparse.Namespace) -> list:
    config = read_yaml(args.model / "config.yaml")
    sets = [rates_row(name, args) for name in (args.train_set, *args.sets)]
    times = {
        f"{log.stem} {stage}": seconds
        for log in args.logs
        for stage, seconds in stage_times(log).items()
    }
    made = provenance(args.command, [config["seed"]], [config["max_epoch"]])
    return [
        f"{made} The 95 % intervals are in brackets.",
        [["set", "WER %", "CER %", "segments/s"], *sets],
        [
            ["stage", "time"],
            *([stage, duration(seconds)] for stage, seconds in times.items()),
            ["all", duration(sum(times.values()))],
        ],
        "A stage that was interrupted counts from its last start.",
    ]


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="exp/asr_TAG")
    parser.add_argument("--model_file", default="valid.cer_ctc.ave.pth")
    parser.add_argument("--dumpdir", type=Path, default=Path("dump"))
    parser.add_argument("--train_set", default="train_en_sp", help="its rate alone is reported")
    parser.add_argument("--sets", nargs="+", required=True, help="decoded sets")
    parser.add_argument(
        "--logs", type=Path, nargs="+", required=True, help="what units1, asr1 have printed"
    )
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    insert(args.output, "demo", *block(args))


if __name__ == "__main__":
    main()
