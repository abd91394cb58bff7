"""python -m benchmarks.speed [--device cuda] [--quick] [--only cale assign] [--output FILE]

Writes a block of benchmarks/RESULTS.md a part. --quick only checks, at small sizes, that what would
be timed computes the right thing; it times and writes nothing.
"""

import argparse
import os
import time
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
    shares,
    streams,
    units,
)
from benchmarks.speed.measure import Row, not_run  # noqa: E402
from espnet_entropy.report.results_page import insert, provenance  # noqa: E402

# In the order of the report, with the names that stand there for what was not run at all.
PARTS = {
    "shares": (shares, "profile: where the time of wav to text goes"),
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


TITLE = """# Speed

Written by `make bench` and `make bench-gpu`. Both sides of a ratio take turns in one process; the
ratio is the median over the turns. Where the limit is ≥, it says how many times faster ours is, or
which share it reaches. What is timed is compared in the same run with float64, with plain loops or
with offline; a row whose result is wrong ends the run.
"""


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
    keep_places(args.output, args.device)
    for name in args.only:
        part, title = PARTS[name]
        begin = time.monotonic()
        if there:
            torch.manual_seed(0)
            found = part.rows(args.device)
        else:
            found = [not_run(title, "–", "no GPU here")]
        # Part by part, so that an interrupted run keeps what it has.
        text = insert(args.output, f"{args.device}-{name}", *report(args.device, name, found))
        print(text, f"\n({time.monotonic() - begin:.0f} s)\n", flush=True)
        if there and args.device == "cuda":
            torch.cuda.empty_cache()


def keep_places(output: Path, device: str) -> None:
    """Blocks for all parts, in their order, whichever is run first."""
    text = output.read_text(encoding="utf-8") if output.is_file() else ""
    if not text:
        output.write_text(TITLE, encoding="utf-8")
    for name, (_, title) in PARTS.items():
        if f"<!-- {device}-{name}: begin -->" not in text:
            row = not_run(
                title, "–", f"`python -m benchmarks.speed{options(device, name)}` does it"
            )
            insert(output, f"{device}-{name}", *block(device, name, [], [row]))


def options(device: str, name: str) -> str:
    """Of the command that makes one block."""
    return (f" --device {device}" if device != "cpu" else "") + f" --only {name}"


def report(device: str, name: str, found: list[Row]) -> list:
    """Parts of a block: how it was made, and the table."""
    where = provenance(f"python -m benchmarks.speed{options(device, name)}", [0])
    if device == "cpu":
        how = "one thread, seconds of CPU time."
    else:
        how = f"{torch.cuda.get_device_name()}, wall clock." if torch.cuda.is_available() else ""
    return block(device, name, [f"{where} torch {torch.__version__}, {how}".rstrip()], found)


def block(device: str, name: str, made: list[str], found: list[Row]) -> list:
    """Heading, provenance, table."""
    heading = f"### {PARTS[name][1]} ({device.upper().replace('CUDA', 'GPU')})"
    return [heading, *made, [HEADER, *(row.cells() for row in found)]]


if __name__ == "__main__":
    main()
