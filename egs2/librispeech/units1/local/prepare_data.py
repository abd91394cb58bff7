#!/usr/bin/env python
"""LibriSpeech's parts -> data folders in Kaldi form.

A part is a folder such as `LibriSpeech/train-clean-100/SPEAKER/CHAPTER/` with
`SPEAKER-CHAPTER-NUMBER.flac` and `SPEAKER-CHAPTER.trans.txt`. Sound files of other formats are
taken too, whatever their names end in.
"""

import argparse
import csv
import sys
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import MAX_MISSING, Clip, read_lines, run, write_set  # noqa: E402
from tqdm import tqdm  # noqa: E402

from espnet_entropy.data.audio import SoundWarning, read_audio  # noqa: E402

RATE = 16000  # Hz
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
        chapter = transcript.name.removesuffix(".trans.txt")
        # FLAC comes last, so that it is taken where a file of another format is beside it.
        files = sorted(transcript.parent.glob(f"{chapter}-*"), key=lambda p: p.suffix == ".flac")
        sounds = {path.stem: path for path in files}
        for line in read_lines(transcript):
            utt, text = [*line.split(maxsplit=1), ""][:2]
            speaker, hyphen, _ = utt.partition("-")
            if not hyphen or not speaker.isdigit():
                raise ValueError(f"{transcript}: expected 'SPEAKER-CHAPTER-NUMBER text': {line!r}")
            audio = sounds.pop(utt, transcript.parent / f"{utt}.flac")
            if normalize(text):
                clips.append(Clip(utt, speaker, audio, {"text": normalize(text)}))
            else:
                left_out["empty text"] += 1
        left_out["clip without text"] += len(sounds)
    return clips, left_out


def read_speakers(path: Path) -> dict[str, dict[str, int]]:
    """Set -> speaker -> number of utterances, from a table with these columns."""
    sets: dict[str, dict[str, int]] = {}
    with open(path, encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            sets.setdefault(row["set"], {})[row["speaker"]] = int(row["utterances"])
    return sets


def of_speakers(clips: list[Clip], expected: dict[str, int], part: str) -> list[Clip]:
    """The clips of some speakers, with their durations.

    Raises:
        ValueError: a transcript is missing, or a recording is not whole.
    """
    chosen = [clip for clip in clips if clip.speaker in expected]
    found = Counter(clip.speaker for clip in chosen)
    for speaker, number in expected.items():
        if found[speaker] != number:
            raise ValueError(
                f"{part}: the transcripts have {found[speaker]} utterances of speaker {speaker}, "
                f"the published ones {number}; the copy is incomplete: unpack {part}.tar.gz again"
            )
    shown = tqdm(chosen, desc="decoding", file=sys.stderr, mininterval=10)
    return [replace(c, seconds=seconds_of(c)) if c.audio.is_file() else c for c in shown]


def seconds_of(clip: Clip) -> float:
    """The duration of a recording, which is decoded to its end: a header may promise more."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", SoundWarning)
            return len(read_audio(clip.audio, RATE)) / RATE
    except (ValueError, SoundWarning) as error:
        raise ValueError(f"utt {clip.utt}: {error}; unpack its archive again") from error


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with LibriSpeech")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--sets", required=True, help="SET=PART+PART,SET=PART, e.g. dev=dev-clean+dev-other"
    )
    parser.add_argument(
        "--speakers", type=Path, help="table with the columns speaker, set and utterances"
    )
    args = parser.parse_args(cmd)
    speakers = read_speakers(args.speakers) if args.speakers else {}
    for item in args.sets.split(","):
        name, _, parts = item.partition("=")
        clips: list[Clip] = []
        left_out: Counter = Counter()
        for part in parts.split("+"):
            if part not in PARTS:
                raise ValueError(f"--sets {item}: no part {part!r}; there are {', '.join(PARTS)}")
            found, others = read_part(find_part(args.data_dir, part))
            if speakers:
                found = of_speakers(found, speakers[name], part)
            elif len(found) != PARTS[part]:
                print(
                    f"prepare_data.py: warning: {part} has {len(found)} utterances, the published "
                    f"one {PARTS[part]}",
                    file=sys.stderr,
                )
            clips += found
            left_out += others
        max_missing = 0 if speakers else MAX_MISSING
        write_set(args.output / name, clips, left_out, max_missing=max_missing)


if __name__ == "__main__":
    run(main)
