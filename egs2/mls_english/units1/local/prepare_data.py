#!/usr/bin/env python
"""Multilingual LibriSpeech in one language -> data folders in Kaldi form.

A part (train, dev, test) has `audio/SPEAKER/BOOK/SPEAKER_BOOK_NUMBER.flac` (or `.opus`),
`transcripts.txt` (`id<TAB>text`) and `segments.txt` (`id<TAB>address<TAB>begin<TAB>end`, seconds).
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import MAX_MISSING, Clip, read_lines, run, write_set  # noqa: E402

# Lines of each part's transcripts.txt; another number is told.
PARTS = {"train": 10_808_037, "dev": 3807, "test": 3769}
SUFFIXES = (".flac", ".opus")


def read_durations(path: Path) -> dict[str, float]:
    """Seconds by id. Millions of files' headers need not be read for them."""
    durations = {}
    for line in read_lines(path):
        fields = line.split("\t")
        try:
            durations[fields[0]] = float(fields[3]) - float(fields[2])
        except (IndexError, ValueError) as error:
            raise ValueError(f"{path}: expected 'id, address, begin, end': {line!r}") from error
    return durations


def read_part(folder: Path) -> tuple[list[Clip], Counter]:
    """Clips with a text, and how many others there are."""
    durations = read_durations(folder / "segments.txt")
    clips: list[Clip] = []
    left_out: Counter = Counter()
    suffix = None
    for line in read_lines(folder / "transcripts.txt"):
        name, tab, text = line.partition("\t")
        parts = name.split("_")
        if not tab or len(parts) != 3:
            raise ValueError(
                f"{folder / 'transcripts.txt'}: expected 'SPEAKER_BOOK_NUMBER<TAB>text': {line!r}"
            )
        if name not in durations:
            left_out["not in segments.txt"] += 1
        elif not normalize(text):
            left_out["empty text"] += 1
        else:
            audio = folder / "audio" / parts[0] / parts[1] / name
            # All clips are of one edition; the first that is there tells which.
            suffix = suffix or next((s for s in SUFFIXES if Path(f"{audio}{s}").is_file()), None)
            audio = audio.with_name(f"{name}{suffix or SUFFIXES[0]}")
            # '_' stands behind the digits in the C locale, '-' before them: speakers stay sorted.
            texts = {"text": normalize(text)}
            clips.append(Clip("-".join(parts), parts[0], audio, texts, durations[name]))
    return clips, left_out


def find_corpus(data_dir: Path) -> Path:
    """The folder with train, dev and test."""
    for folder in (data_dir, *sorted(data_dir.glob("mls_english*"))):
        if all((folder / part / "transcripts.txt").is_file() for part in PARTS):
            return folder
    raise ValueError(
        f"{data_dir} has no {{train,dev,test}}/transcripts.txt, itself or in mls_english*; unpack "
        "mls_english.tar.gz or mls_english_opus.tar.gz there"
    )


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with the corpus")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument(
        "--max_missing",
        type=float,
        default=MAX_MISSING,
        help="share of a part's clips that may be missing",
    )
    args = parser.parse_args(cmd)
    corpus = find_corpus(args.data_dir)
    for part, published in PARTS.items():
        clips, left_out = read_part(corpus / part)
        lines = len(clips) + left_out.total()
        if lines != published:
            print(
                f"prepare_data.py: warning: {part} has {lines} transcripts, the published one "
                f"{published}",
                file=sys.stderr,
            )
        write_set(args.output / part, clips, left_out, max_missing=args.max_missing)


if __name__ == "__main__":
    run(main)
