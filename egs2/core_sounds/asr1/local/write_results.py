#!/usr/bin/env python
"""The table of run_rates.sh, written into RESULTS.md between two markers."""

import argparse
import os
import platform
import statistics
import subprocess
from datetime import date
from pathlib import Path

from measure import decoding_seconds, load_score, reached_rate_hz, training_minutes

BEGIN, END = "<!-- run_rates: begin -->", "<!-- run_rates: end -->"


def cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Short commit, with a `+` where tracked files differ from it."""
    git = ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def spread(values: list[float], digits: int) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def row(system: str, models: list[Path], args: argparse.Namespace) -> list[str]:
    cells = [system]
    for set_name in args.sets:
        scores = [load_score(model, set_name) for model in models]
        for rate in ("wer", "cer"):
            cells.append(spread([score[rate]["percent"] for score in scores], 1))
        # The segmenter does not depend on the seed.
        dump = args.dumpdir / "raw" / set_name
        cells.append(f"{reached_rate_hz(models[0], args.model_file, dump):.1f}")
    cells.append(spread([training_minutes(model) for model in models], 1))
    return cells + [spread([decoding_seconds(model) for model in models], 1)]


def table(args: argparse.Namespace) -> str:
    header = ["system"]
    for name in args.sets:
        header += [f"{name} WER %", f"{name} CER %", f"{name} segments/s"]
    header += ["training min", "decoding s"]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for system in args.systems:
        models = [args.expdir / f"asr_rates_{system}_seed{seed}" for seed in args.seeds]
        lines.append(row(system, models, args))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "\n".join(
        [
            f"`{args.command}`, commit {commit()}, seeds {' '.join(args.seeds)}, {cpu_model()}, "
            f"{cores} cores, {date.today().isoformat()}. Mean ± standard deviation over seeds; "
            "a training runs on one thread; decoding is of all these sets, without loading.",
            "",
            *("| " + " | ".join(cells) + " |" for cells in lines),
        ]
    )


def insert(path: Path, text: str) -> None:
    """Replace what stands between the markers; a file without them gets both at its end."""
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Results\n"
    if BEGIN in old and END in old:
        before, after = old.partition(BEGIN)[0], old.partition(END)[2]
    else:
        before, after = old.rstrip("\n") + "\n\n", "\n"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    partial.replace(path)


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, default=Path("exp"))
    parser.add_argument("--dumpdir", type=Path, default=Path("dump"))
    parser.add_argument("--systems", nargs="+", required=True)
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--model_file", default="valid.cer_ctc.ave.pth")
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    text = table(args)
    insert(args.output, text)
    print(text)


if __name__ == "__main__":
    main()
