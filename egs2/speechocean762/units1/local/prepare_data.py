#!/usr/bin/env python
"""speechocean762 -> data folders in Kaldi form: train, dev, test.

The corpus has two Kaldi folders, `train` and `test`, whose wav.scp names files in `WAVE`. Every
eighth speaker of `train`, sorted by name, is kept back as dev.

`utt2groups` tells for each utterance of dev and test in which groups it is scored: `child` or
`adult` by its speaker's age, `seen` or `unseen` by whether train has the same sentence.
"""

import argparse
import sys
import wave
from collections import Counter
from pathlib import Path

from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import Clip, run, write_set  # noqa: E402

from espnet_entropy.data.kaldi import read_table  # noqa: E402

TABLES = ("wav.scp", "text", "utt2spk")  # by utterance; spk2age is by speaker
UTTERANCES, SPEAKERS = 2500, 125  # of train, and of test
DEV_STEP = 8
# The corpus says that half of its speakers are children and does not name an age. None is 16 to 18
# years old, and 122 of 250 are younger.
OLDEST_CHILD = 15


def find_corpus(data_dir: Path) -> Path:
    """The corpus's folder, `data_dir` itself or `speechocean762` in it."""
    for folder in (data_dir, data_dir / "speechocean762"):
        if (folder / "train").is_dir() and (folder / "test").is_dir():
            return folder
    raise ValueError(
        f"{data_dir} has no folders train and test, itself or in speechocean762; give the folder "
        "of the unpacked corpus with --data_dir, or download it with --download true"
    )


def read_part(corpus: Path, part: str) -> tuple[list[Clip], dict[str, int]]:
    """All clips of `train` or `test`, and the ages of its speakers."""
    folder = corpus / part
    names = [name for name in (*TABLES, "spk2age") if not (folder / name).is_file()]
    if names:
        raise ValueError(f"{folder} lacks {', '.join(names)}; unpack the archive again")
    recordings, texts, speakers = (read_table(folder / name) for name in TABLES)
    for name, table in (("text", texts), ("utt2spk", speakers)):
        differing = sorted(recordings.keys() ^ table.keys())
        if differing:
            raise ValueError(
                f"{folder}: wav.scp and {name} differ in {len(differing)} utterances "
                f"({differing[0]}, ...); unpack the archive again"
            )
    found = len(recordings), len(set(speakers.values()))
    if found != (UTTERANCES, SPEAKERS):
        raise ValueError(
            f"{folder} has {found[0]} utterances of {found[1]} speakers, the published {part} "
            f"{UTTERANCES} of {SPEAKERS}; take the whole corpus in its published edition "
            "(openslr.org/101)"
        )
    clips = []
    for utt, path in recordings.items():
        try:
            text = normalize(texts[utt])
        except ValueError as error:
            raise ValueError(f"{folder}/text, utt {utt}: {error}") from None
        speaker, audio = speakers[utt], corpus / path
        seconds = seconds_of(audio) if audio.is_file() else None  # write_set counts missing ones
        clips.append(Clip(f"{speaker}-{utt}", speaker, audio, {"text": text}, seconds))
    return clips, read_ages(folder / "spk2age", set(speakers.values()))


def read_ages(path: Path, speakers: set[str]) -> dict[str, int]:
    """Age in years of each speaker."""
    ages = read_table(path)
    wrong = sorted(name for name in speakers if not ages.get(name, "").isdigit())
    if wrong:
        raise ValueError(
            f"{path} has no age in years of {len(wrong)} speakers ({wrong[0]}, ...); unpack the "
            "archive again"
        )
    return {name: int(age) for name, age in ages.items()}


def seconds_of(path: Path) -> float:
    """Length of a WAV file in s by its header, of which all samples have to be there."""
    try:
        with wave.open(str(path)) as file:
            frames, rate = file.getnframes(), file.getframerate()
            size = frames * file.getnchannels() * file.getsampwidth()
    except (wave.Error, EOFError) as error:
        reason = str(error) or "it ends in its header"
        raise ValueError(
            f"{path} is no WAV file that can be read ({reason}); unpack the archive again"
        ) from None
    if not frames or path.stat().st_size < size:
        raise ValueError(
            f"{path} is cut off: its header states {size} bytes of samples, and the whole file has "
            f"{path.stat().st_size} bytes; unpack the archive again"
        )
    return frames / rate


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder of the corpus")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(cmd)
    corpus = find_corpus(args.data_dir)
    (train, ages), (test, ages_of_test) = (read_part(corpus, part) for part in ("train", "test"))
    ages |= ages_of_test
    kept_back = sorted({clip.speaker for clip in train})[::DEV_STEP]
    sets = {
        "train": [clip for clip in train if clip.speaker not in kept_back],
        "dev": [clip for clip in train if clip.speaker in kept_back],
        "test": test,
    }
    sentences = {clip.texts["text"] for clip in sets["train"]}
    for name in ("dev", "test"):
        for clip in sets[name]:
            age = "child" if ages[clip.speaker] <= OLDEST_CHILD else "adult"
            clip.texts["utt2groups"] = (
                f"{age} {'seen' if clip.texts['text'] in sentences else 'unseen'}"
            )
    for name, clips in sets.items():
        write_set(args.output / name, clips, Counter(), max_missing=0)
        groups = Counter(
            group for clip in clips for group in clip.texts.get("utt2groups", "").split()
        )
        if groups:
            print(", ".join(f"{count} {group}" for group, count in sorted(groups.items())))


if __name__ == "__main__":
    run(main)
