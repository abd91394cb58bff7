#!/usr/bin/env python
"""LibriSpeech's parts -> data folders in Kaldi form.

A part is a folder such as `LibriSpeech/train-clean-100/SPEAKER/CHAPTER/` with
`SPEAKER-CHAPTER-NUMBER.flac` and `SPEAKER-CHAPTER.trans.txt`.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import Clip, read_lines, run, write_set  # noqa: E402

# Utterances of each part (openslr.org/12, counted in many recipes): another number is told.
PARTS = {
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
}


def find_part(data_dir: Path, part: str) -> Path:
    """The part's folder below `data_dir`, with or without `LibriSpeech` between."""
    for folder in (data_dir / "LibriSpeech" / part, data_dir / part):
        if folder.is_dir():
            return folder
    raise ValueError(
        f"{data_dir} has neither LibriSpeech/{part} nor {part}; unpack {part}.tar.gz there, or "
        "omit --data_dir to download it"
    )


def read_part(folder: Path) -> tuple[list[Clip], Counter]:
    """Clips with a text, and how many others there are."""
    clips: list[Clip] = []
    left_out: Counter = Counter()
    transcripts = sorted(folder.glob("*/*/*.trans.txt"))
    if not transcripts:
        raise ValueError(f"{folder} has no SPEAKER/CHAPTER/*.trans.txt; is it LibriSpeech?")
    for transcript in transcripts:
        names = set()
        for line in read_lines(transcript):
            utt, text = [*line.split(maxsplit=1), ""][:2]
            speaker, hyphen, _ = utt.partition("-")
            if not hyphen or not speaker.isdigit():
                raise ValueError(f"{transcript}: expected 'SPEAKER-CHAPTER-NUMBER text': {line!r}")
            names.add(utt)
            if normalize(text):
                audio = transcript.parent / f"{utt}.flac"
                clips.append(Clip(utt, speaker, audio, {"text": normalize(text)}))
            else:
                left_out["empty text"] += 1
        others = {path.stem for path in transcript.parent.glob("*.flac")} - names
        left_out["clip without text"] += len(others)
    return clips, left_out


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with LibriSpeech")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--sets", required=True, help="SET=PART+PART,SET=PART, e.g. dev=dev-clean+dev-other"
    )
    args = parser.parse_args(cmd)
    for item in args.sets.split(","):
        name, _, parts = item.partition("=")
        clips: list[Clip] = []
        left_out: Counter = Counter()
        for part in parts.split("+"):
            if part not in PARTS:
                raise ValueError(f"--sets {item}: no part {part!r}; there are {', '.join(PARTS)}")
            found, others = read_part(find_part(args.data_dir, part))
            if len(found) != PARTS[part]:
                print(
                    f"prepare_data.py: warning: {part} has {len(found)} utterances, the published "
                    f"one {PARTS[part]}",
                    file=sys.stderr,
                )
            clips += found
            left_out += others
        write_set(args.output / name, clips, left_out)


if __name__ == "__main__":
    run(main)
