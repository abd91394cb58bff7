#!/usr/bin/env python
"""One training and one validation set of all languages: a voice is what they are told apart by."""

import argparse
import sys
from pathlib import Path

from espnet_entropy.data.kaldi import read_table, write_table

TABLES = ("wav.scp", "text", "utt2spk", "utt2dur")


def join(source: Path, output: Path, name: str) -> str:
    """The sets `NAME_LANG` as one; what to say about it."""
    folders = sorted(source.glob(f"{name}_??"))
    if not folders:
        raise ValueError(f"{source} has no sets {name}_LANG; run the data stage of units1")
    (output / name).mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        rows: dict[str, str] = {}
        for folder in folders:
            rows |= read_table(folder / table)
        write_table(output / name / table, rows)
    speakers = set(read_table(output / name / "utt2spk").values())
    return f"{name}: {len(rows)} utterances, {len(speakers)} voices"


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="data folder of units1")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(cmd)
    for name in ("train", "dev"):
        print(f"join_sets.py: {join(args.source, args.output, name)}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"join_sets.py: {problem}")
