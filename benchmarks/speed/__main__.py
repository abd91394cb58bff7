"""python -m benchmarks.speed [--device cuda] [--quick] [--only cale assign] [--output FILE]

Writes one block of benchmarks/RESULTS.md. --quick only checks, at small sizes, that what would be
timed computes the right thing; it times and writes nothing.
"""

import argparse
import os
from pathlib import Path

# Before torch: one thread, whose seconds are counted, so that other work on the machine counts
# little.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402

from benchmarks.speed import (  # noqa: E402
    asr_rates,
    assign,
    cale,
    entropy_pass,
    lm_training,
    segmentation,
    streams,
    units,
)
from benchmarks.speed.measure import Row, not_run, time_of  # noqa: E402
from espnet_entropy.results_page import insert, provenance, table  # noqa: E402

# In the order of the report, with the names that stand there for what was not run at all.
PARTS = {
    "units": (units, "waveform to units, one pass"),
    "assign": (assign, "k-means assignment and learning"),
    "entropy_pass": (entropy_pass, "entropy pass, paper's LM"),
    "lm_training": (lm_training, "unit LM training, paper's shape, bf16"),
    "cale": (cale, "CALE forward and backward"),
    "asr_rates": (asr_rates, "ASR at 15 Hz from a dump"),
    "segmentation": (segmentation, "segmentation and calibration of 1M units"),
    "streams": (streams, "streaming"),
}
HEADER = ["what", "against", "limit", "ratio", "verdict", "sizes, medians (ours against it)",
          "checked against, largest difference"]  # fmt: skip


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--quick", action="store_true", help="only check, at small sizes")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    default = Path(__file__).resolve().parents[1] / "RESULTS.md"
    parser.add_argument("--output", type=Path, default=default)
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(1)
    if args.quick:
        for name in args.only:
            for line in PARTS[name][0].quick(args.device):
                print(f"{name}: {line}", flush=True)
        return
    there = args.device == "cpu" or torch.cuda.is_available()
    found: list[Row] = []
    for name in args.only:
        part, title = PARTS[name]
        if not there:
            found.append(not_run(title, "–", "no GPU here"))
            continue
        torch.manual_seed(0)
        sec = time_of(lambda part=part: found.extend(part.rows(args.device)), args.device)
        print(f"{name}: {sec:.0f} s", flush=True)
        if args.device == "cuda":
            torch.cuda.empty_cache()
    text = report(args, found)
    insert(args.output, f"speed-{args.device}", text)
    print(text)


def report(args: argparse.Namespace, found: list[Row]) -> str:
    """The block: how it was made, and the table."""
    command = "python -m benchmarks.speed"
    command += f" --device {args.device}" if args.device != "cpu" else ""
    if len(args.only) < len(PARTS):
        command += f" --only {' '.join(args.only)}"
    where = provenance(command, [0], []).replace(" no epochs of training,", "")
    if args.device == "cpu":
        how = "One thread; seconds are those the process computed (CPU time)."
    else:
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: nothing run"
        how = f"{name}; wall clock."
    heading = f"## {'CPU' if args.device == 'cpu' else 'GPU'}"
    lines = [
        heading,
        "",
        f"{where} torch {torch.__version__}. {how}",
        "Both sides take turns in one process; a ratio is the median over the turns. Where the",
        "limit is ≥, it says how many times faster ours is (or which share it reaches).",
        "",
        table([HEADER, *(row.cells() for row in found)]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
