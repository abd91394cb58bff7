#!/usr/bin/env python
"""What a Whisper model itself hears in a data folder's recordings: `id text` lines, normalised.

Its word error rate (python -m espnet_entropy.bin.score) is the ceiling of recognisers whose units
come from the same model's encoder.
"""

import argparse
import sys
from pathlib import Path

from normalize import normalize

from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.running import progress
from espnet_entropy.vc.judges import SAMPLE_RATE, whisper_judge


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with wav.scp")
    parser.add_argument("--model", type=Path, required=True, help="Whisper as CTranslate2 has it")
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    hear = whisper_judge(args.model)
    recordings = read_recordings(args.data / "wav.scp")
    texts = {
        utt: normalize(hear(recordings[utt].samples(SAMPLE_RATE)), "en")
        for utt in progress(list(recordings), "heard")
    }
    write_table(args.output, texts)


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"whisper_text.py: {problem}")
