#!/usr/bin/env python
"""Mboshi recordings with transcripts, French translations and alignments, in Kaldi form.

The corpus (github.com/besacier/mboshi-french-parallel-corpus) has the recordings
`full_corpus_newsplit/{train,dev}/NAME.wav` with `NAME.mb` and `NAME.fr`, and forced alignments in
`ZRC_scoring/mboshi/in/NAME.{wrd,phn}_orig`. The published dev set is the test set here; a part of
the published training set, chosen by its texts, is the dev set.
"""

import argparse
import hashlib
import sys
from collections import Counter
from pathlib import Path

import soundfile
from normalize import normalize

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "TEMPLATE/utils"))

from corpus import Clip, run, write_set  # noqa: E402

from espnet_entropy.evaluate.alignment import Interval, check_alignments, write_ctm  # noqa: E402

PUBLISHED = {"train": 4616, "dev": 514}  # utterances, table 1 of the LREC 2018 paper
TEXTS = "full_corpus_newsplit"
ALIGNMENTS = "ZRC_scoring/mboshi/in"
LEVELS = {"words": ".wrd_orig", "phones": ".phn_orig"}
DEV_SHARE = 10  # one of so many texts of the training set is kept back
COMPLETE = "the copy is incomplete: clone or unpack the repository again"


def find_corpus(data_dir: Path) -> Path:
    """The corpus, `data_dir` itself or a folder in it, such as an unpacked archive has."""
    for folder in (data_dir, *sorted(data_dir.glob("mboshi-french-parallel-corpus*"))):
        if (folder / TEXTS).is_dir():
            return folder
    raise ValueError(
        f"{data_dir} has no {TEXTS}, itself or in mboshi-french-parallel-corpus*; give the clone "
        "of github.com/besacier/mboshi-french-parallel-corpus"
    )


def read_set(corpus: Path, name: str) -> dict[str, dict]:
    """Paths and texts of a published set by its utterances' names.

    Raises:
        ValueError: there are not as many recordings as published, one has no transcript or
            translation, or is no WAV file of 16 kHz with one channel.
    """
    folder = corpus / TEXTS / name
    sounds = sorted(folder.glob("*.wav"))
    if len(sounds) != PUBLISHED[name]:
        raise ValueError(
            f"{folder} has {len(sounds)} recordings, the published set {PUBLISHED[name]}; "
            f"{COMPLETE}"
        )
    return {path.stem: _read_utterance(path) for path in sounds}


def _read_utterance(path: Path) -> dict:
    texts = {}
    for ending in (".mb", ".fr"):
        source = path.with_suffix(ending)
        try:
            texts[ending] = normalize(source.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{source} cannot be read ({error}); {COMPLETE}") from error
        if not texts[ending]:
            raise ValueError(f"{source} has no words; {COMPLETE}")
    try:
        sound = soundfile.info(path)
    except (soundfile.LibsndfileError, OSError) as error:
        raise ValueError(f"{path} cannot be read ({error}); {COMPLETE}") from error
    if (sound.format, sound.samplerate, sound.channels) != ("WAV", 16000, 1):
        raise ValueError(
            f"{path} is {sound.format} of {sound.samplerate} Hz with {sound.channels} channels, "
            "the published recordings are WAV of 16000 Hz with 1; this is another version of the "
            "corpus"
        )
    return {"path": path, "seconds": sound.duration, "mb": texts[".mb"], "fr": texts[".fr"]}


def read_alignments(corpus: Path, ending: str) -> dict[str, Counter]:
    """Lines `start end label` of each utterance.

    The published files were cut out of one list by the beginning of a name, so that `..._1` also
    holds the lines of `..._10` to `..._199`; these are taken out again.

    Raises:
        ValueError: no alignments, or a file lacks the lines of an utterance whose name begins as
            its own does.
    """
    folder = corpus / ALIGNMENTS
    found = {}
    for path in folder.glob(f"*{ending}"):
        try:
            found[path.name.removesuffix(ending)] = Counter(path.read_text("utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read ({error}); {COMPLETE}") from error
    if not found:
        raise ValueError(f"{folder} has no *{ending}; {COMPLETE}")
    lines: dict[str, Counter] = {}
    # Longer names first: what they begin with comes after them.
    for name in sorted(found, key=lambda name: (-len(name), name)):
        own = found[name].copy()
        for other in lines:
            if other.startswith(name):
                own.subtract(lines[other])
        if min(own.values(), default=0) < 0:
            raise ValueError(
                f"{folder / name}{ending} lacks lines of the utterances whose names begin as its "
                "own; this is another version of the alignments, or was cut off"
            )
        lines[name] = +own
    return lines


def intervals_of(lines: Counter, path: Path) -> list[Interval]:
    """Intervals in order, from lines of one file."""
    intervals = []
    for line in lines.elements():
        try:
            start, end, label = line.split()
            intervals.append(Interval(float(start), float(end), label))
        except ValueError:
            raise ValueError(f"{path}: {line!r} is not `start end label`; {COMPLETE}") from None
    return sorted(intervals)


def is_kept_back(text: str) -> bool:
    """Whether a transcript of the training set is in the dev set: the same text, the same set."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % DEV_SHARE == 0


def utterance_id(name: str) -> str:
    """`abiayi_2015-...` -> `abiayi-2015-...`: the speaker and a hyphen come first."""
    return name.replace("_", "-", 1)


def write(
    folder: Path, utterances: dict[str, dict], alignments: dict, corpus: Path, nj: int
) -> None:
    """One set with `words.ctm` and `phones.ctm`."""
    clips = [
        Clip(
            utterance_id(name),
            name.partition("_")[0],
            entry["path"],
            {"text": entry["mb"], "text.tc.fr": entry["fr"]},
            entry["seconds"],
        )
        for name, entry in utterances.items()
    ]
    durations = {clip.utt: clip.seconds for clip in clips}
    checked = {}
    for level, ending in LEVELS.items():
        files = {name: corpus / ALIGNMENTS / f"{name}{ending}" for name in utterances}
        found = {
            utterance_id(name): intervals_of(alignments[level][name], path)
            for name, path in files.items()
            if name in alignments[level]
        }
        checked[level] = check_alignments(found, durations, min_cover=0.0)
    write_set(folder, clips, Counter(), nj=nj)
    for level, of_set in checked.items():
        write_ctm(folder / f"{level}.ctm", of_set)


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data_dir", type=Path, required=True, help="folder with the corpus")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="files that are read at a time")
    args = parser.parse_args(cmd)
    corpus = find_corpus(args.data_dir)
    published = {name: read_set(corpus, name) for name in PUBLISHED}
    alignments = {level: read_alignments(corpus, ending) for level, ending in LEVELS.items()}
    sets: dict[str, dict] = {"train": {}, "dev": {}, "test": published["dev"]}
    for name, entry in published["train"].items():
        sets["dev" if is_kept_back(entry["mb"]) else "train"][name] = entry
    heard = {entry["mb"] for entry in published["train"].values()}
    shared = sorted(entry["mb"] for entry in published["dev"].values() if entry["mb"] in heard)
    if shared:
        raise ValueError(
            f"{len(shared)} texts of {TEXTS}/dev are also in {TEXTS}/train ({shared[0]!r}, ...); "
            "the published sets share none: this is another version of the corpus"
        )
    for name, utterances in sets.items():
        write(args.output / name, utterances, alignments, corpus, args.nj)


if __name__ == "__main__":
    run(main)
