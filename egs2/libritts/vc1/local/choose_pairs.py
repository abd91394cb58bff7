#!/usr/bin/env python
"""What is converted into whose voice: clips of the test set, each into the voice of the next one.

Sources and prompts are of 3 to 10 seconds and of different speakers, none of whom was trained on.
"""

import argparse
import sys
from pathlib import Path

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.vc.pairs import Pair, write_pairs

SECONDS = (3.0, 10.0)


def choose(folder: Path, most: int) -> list[Pair]:
    """At most so many pairs, evenly over the set."""
    wavs, texts, voices, seconds = (
        read_table(folder / name) for name in ("wav.scp", "text", "utt2spk", "utt2dur")
    )
    utts = [utt for utt in sorted(wavs) if SECONDS[0] <= float(seconds[utt]) <= SECONDS[1]]
    utts = utts[:: max(1, len(utts) // most)][:most]
    pairs = []
    for index, utt in enumerate(utts):
        # Half way round the list, and on to the first of another speaker.
        order = [utts[(index + len(utts) // 2 + step) % len(utts)] for step in range(len(utts))]
        target = next((other for other in order if voices[other] != voices[utt]), None)
        if target is None:
            raise ValueError(f"{folder} has one speaker alone; a conversion needs another voice")
        name = f"{utt}_to_{target}"
        pairs.append(Pair(name, wavs[utt], wavs[target], voices[utt], voices[target], texts[utt]))
    if not pairs:
        raise ValueError(f"{folder} has no clip of {SECONDS[0]:g} to {SECONDS[1]:g} s")
    return pairs


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--set", type=Path, required=True, help="data folder of the test set")
    parser.add_argument("--output", type=Path, required=True, help="table to write")
    parser.add_argument("--most", type=int, default=300, help="pairs")
    args = parser.parse_args(cmd)
    pairs = choose(args.set, args.most)
    write_pairs(args.output, pairs)
    print(f"choose_pairs.py: {len(pairs)} pairs")


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"choose_pairs.py: {problem}")
