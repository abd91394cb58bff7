#!/usr/bin/env python
"""Asterisk core sounds -> data folders in Kaldi form (see data.sh for the whole way)."""

import argparse
import hashlib
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from flac import RATE, is_current, total_samples, write_atomically, write_flac
from normalize import LANGS, normalize, strip_annotations
from packages import find_language, parse_transcript, read_transcript, verify_checksums

HERE = Path(__file__).resolve().parent
SETS = ("train", "dev", "test")
SAMPLES_PER_BYTE = 2  # G.722 at 64 kbit/s: 8,000 bytes and 16,000 samples a second
MAX_LETTERS_PER_SEC = 40  # the fastest clip has 30; more means that it was cut off
MAX_MISSING = 0.05
# The same woman reads English and Spanish. The ids start with the speaker, and the letters
# follow the languages' order, so that joined folders stay sorted in both columns of utt2spk.
VOICES = {"en": "voice-a", "es": "voice-a", "fr": "voice-b", "it": "voice-c", "ru": "voice-d"}
REDUCED = {"train": 60, "dev": 12, "test": 12}
# Tones and silence carry no brackets in some languages, so they are known by name.
NON_SPEECH = re.compile(
    r"silence/.*|beep|beeperr|(a|de)scending-2tone|confbridge-(join|leave)|tt-monkeys"
)


@dataclass(frozen=True)
class Prompt:
    name: str  # "digits/1"; the same name is the same prompt in every language
    audio: Path  # raw G.722
    spoken: str  # case and punctuation kept
    text: str  # normalised

    @property
    def seconds(self) -> float:
        return self.audio.stat().st_size * SAMPLES_PER_BYTE / RATE


def usable_prompts(audio: Path, transcript: Path, lang: str) -> tuple[list[Prompt], Counter]:
    """Prompts with speech and text, sorted by name, and how many others there were, by reason."""
    texts, faults = parse_transcript(read_transcript(transcript), lang)
    prompts, dropped = [], Counter({f"{k} (repaired)": n for k, n in faults.items()})
    clips = {p.relative_to(audio).as_posix()[:-5]: p for p in audio.rglob("*.g722")}
    dropped["audio without text"] = len(clips.keys() - texts.keys())
    for name, raw in sorted(texts.items()):
        spoken = strip_annotations(raw)
        text = normalize(spoken, lang)
        if NON_SPEECH.fullmatch(name) or (raw and not text):
            dropped["non-speech"] += 1
        elif not text:
            dropped["empty text"] += 1
        elif name not in clips:
            dropped["text without audio"] += 1
        else:
            prompt = Prompt(name, clips[name], spoken, text)
            if len(text) > MAX_LETTERS_PER_SEC * prompt.seconds:
                dropped["audio too short for its text (cut off?)"] += 1
            else:
                prompts.append(prompt)
    return prompts, +dropped


def read_split(path: Path) -> dict[str, tuple[str, set[str]]]:
    """`{prompt name: (train|dev|test, languages that have it)}`."""
    split = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fields = line.split("\t")
        if len(fields) != 3 or fields[1] not in SETS or fields[0] in split:
            raise ValueError(
                f"{path}:{number}: expected a new 'name<TAB>train|dev|test<TAB>"
                f"languages', got {line!r}; restore it from git"
            )
        split[fields[0]] = (fields[1], set(fields[2].split(",")))
    return split


def assign(prompts: list[Prompt], lang: str, split: dict) -> tuple[dict[str, list], Counter]:
    """Prompts by set; names the split does not know are left out and counted.

    Raises:
        ValueError: if more than 5 % of the language's split entries are missing.
    """
    sets: dict[str, list[Prompt]] = {name: [] for name in SETS}
    dropped: Counter = Counter()
    for prompt in prompts:
        if prompt.name in split:
            sets[split[prompt.name][0]].append(prompt)
        else:
            dropped["prompt not in split.tsv"] += 1
    expected = {name for name, (_, langs) in split.items() if lang in langs}
    missing = sorted(expected - {prompt.name for prompt in prompts})
    if len(missing) > MAX_MISSING * len(expected):
        raise ValueError(
            f"language '{lang}': {len(missing)} of {len(expected)} split.tsv prompts are missing "
            f"({', '.join(missing[:5])}, ...). Complete the copy given with --data_dir, or omit "
            f"--data_dir to download asterisk-core-sounds-{lang} and its -g722 package"
        )
    dropped["split entry missing on disk"] = len(missing)
    return sets, +dropped


def check_leaks(sets: dict[str, list[Prompt]], lang: str) -> None:
    """No normalised text may stand in two sets of a language."""
    owner: dict[str, tuple[str, str]] = {}
    for set_name, prompts in sets.items():
        for prompt in prompts:
            other = owner.setdefault(prompt.text, (set_name, prompt.name))
            if other[0] != set_name:
                raise ValueError(
                    f"text overlap in '{lang}': {set_name} has '{prompt.name}' and {other[0]} has "
                    f"'{other[1]}', both '{prompt.text}'. The transcripts differ from those the "
                    f"split was made on: use the packages of data.sh, or run make_split.py"
                )


def reduce_sets(by_lang: dict[str, dict[str, list[Prompt]]]) -> dict:
    """A small subset for quick tests: prompts that all languages have, in order of a hash."""
    reduced: dict = {lang: {} for lang in by_lang}
    for set_name, size in REDUCED.items():
        short = [{p.name for p in sets[set_name] if p.seconds <= 8} for sets in by_lang.values()]
        order = sorted(set.intersection(*short), key=lambda n: hashlib.sha256(n.encode()).digest())
        for lang, sets in by_lang.items():
            chosen = set(order[:size])
            reduced[lang][set_name] = [p for p in sets[set_name] if p.name in chosen]
    return reduced


def decode(job: tuple[Path, Path]) -> int:
    """G.722 -> 16 kHz mono FLAC unless that is there and current; returns the samples."""
    source, target = job
    samples = source.stat().st_size * SAMPLES_PER_BYTE
    if is_current(target, source, samples):
        return samples
    try:
        with av.open(str(source), format="g722") as container:
            frames = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        wave = np.concatenate(frames)
    except (av.FFmpegError, ValueError) as error:
        raise ValueError(f"{source}: cannot be decoded ({error}); fetch it again") from error
    if len(wave) != samples:
        raise ValueError(
            f"{source}: {len(wave)} samples decoded, {samples} expected; fetch it again"
        )
    write_flac(target, wave)
    return samples


def utterance_id(name: str, lang: str) -> str:
    return f"{VOICES[lang]}-{lang}-{name.replace('/', '_')}"


def write_set(folder: Path, prompts: list[Prompt], lang: str, audio: Path) -> None:
    """wav.scp, text, text.tc, utt2spk, spk2utt, utt2dur, utt2prompt, sorted as in the C locale."""
    rows = {utterance_id(p.name, lang): p for p in prompts}
    if len(rows) != len(prompts):
        raise ValueError(f"{folder}: two prompts share an utterance id; rename one on disk")
    folder.mkdir(parents=True, exist_ok=True)
    ids = sorted(rows, key=str.encode)
    columns = {
        "text": lambda p: p.text,
        "text.tc": lambda p: p.spoken,
        "utt2spk": lambda p: VOICES[lang],
        "utt2dur": lambda p: f"{p.seconds:.3f}",
        "utt2prompt": lambda p: p.name,
        "wav.scp": lambda p: f"{audio / lang / p.name}.flac",
    }
    write_atomically(folder / "spk2utt", f"{VOICES[lang]} {' '.join(ids)}\n")
    for file, column in columns.items():
        write_atomically(folder / file, "".join(f"{i} {column(rows[i])}\n" for i in ids))


def print_counts(counts: Counter, lang: str) -> None:
    for reason, count in sorted(counts.items()):
        print(f"{lang}: {count} x {reason}", file=sys.stderr)


def load_language(lang: str, args, split: dict) -> dict[str, list[Prompt]]:
    audio, transcript = find_language(args.source, lang)
    if not args.skip_checksums:
        verify_checksums(audio, transcript, lang, args.checksums)
    prompts, dropped = usable_prompts(audio, transcript, lang)
    print_counts(dropped, lang)  # before `assign`, which may stop because of them
    sets, left_out = assign(prompts, lang, split)
    print_counts(left_out, lang)
    check_leaks(sets, lang)
    return sets


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="unpacked packages")
    parser.add_argument("--output", type=Path, default=Path("data"), help="data folder to write")
    parser.add_argument("--langs", nargs="+", default=list(LANGS), choices=LANGS)
    parser.add_argument("--split", type=Path, default=HERE / "split.tsv", help="committed split")
    parser.add_argument("--checksums", type=Path, default=HERE / "checksums.sha256")
    parser.add_argument("--skip_checksums", action="store_true", help="take changed content")
    parser.add_argument("--reduced", action="store_true", help=f"small subset: {REDUCED}")
    parser.add_argument("--nj", type=int, default=2, help="decoding processes")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    split = read_split(args.split)
    by_lang = {lang: load_language(lang, args, split) for lang in args.langs}
    if args.reduced:
        by_lang = reduce_sets(by_lang)
    audio = args.output / "audio"
    jobs = [
        (p.audio, Path(f"{audio / lang / p.name}.flac"))
        for lang, sets in by_lang.items()
        for prompts in sets.values()
        for p in prompts
    ]
    samples = total_samples(decode, jobs, args.nj, "decoding")
    for lang, sets in by_lang.items():
        for set_name, prompts in sets.items():
            write_set(args.output / f"{set_name}_{lang}", prompts, lang, audio)
    print(
        f"prepare_data.py: {len(jobs)} utterances, {samples / RATE / 3600:.2f} hours, "
        f"languages {' '.join(by_lang)} -> {args.output}"
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"prepare_data.py: {problem}")
