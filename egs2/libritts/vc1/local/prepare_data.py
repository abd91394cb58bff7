#!/usr/bin/env python
"""LibriTTS's parts -> data folders in Kaldi form.

A part is a folder such as `LibriTTS/train-clean-100/SPEAKER/CHAPTER/` with
`SPEAKER_CHAPTER_PARAGRAPH_SENTENCE.wav` and, beside it, `.normalized.txt`.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))
from corpus import Clip, read_lines, run, write_set  # noqa: E402


def read_part(folder: Path, left_out: Counter) -> list[Clip]:
    """The clips of a part that have a text."""
    clips = []
    for audio in sorted(folder.glob("*/*/*.wav")):
        transcript = audio.with_suffix(".normalized.txt")
        if not transcript.is_file():
            left_out["clips without text"] += 1
            continue
        text = normalize(" ".join(read_lines(transcript)))
        if not text:
            left_out["empty texts"] += 1
            continue
        # With hyphens speakers sort as their utterances do: 103 before 1034.
        clips.append(
            Clip(audio.stem.replace("_", "-"), audio.stem.split("_")[0], audio, {"text": text})
        )
    if not clips:
        raise ValueError(f"{folder} holds no SPEAKER/CHAPTER/*.wav with texts; is it LibriTTS?")
    return clips


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="unpacked, with LibriTTS/")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--sets", required=True, help="SET=PART+PART,SET=PART")
    args = parser.parse_args(cmd)
    root = args.data_dir
    if (root / "LibriTTS").is_dir():
        root = root / "LibriTTS"
    for item in args.sets.split(","):
        name, _, parts = item.partition("=")
        if not name or not parts:
            raise ValueError(f"--sets: {item!r} is not SET=PART+PART")
        left_out: Counter = Counter()
        clips = [clip for part in parts.split("+") for clip in read_part(root / part, left_out)]
        write_set(args.output / name, clips, left_out)


if __name__ == "__main__":
    run(main)
