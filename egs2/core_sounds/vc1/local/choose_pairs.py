#!/usr/bin/env python
"""What is converted into whose voice: recordings of one part alone, prompts included.

English prompts of three words and more into every other voice, and a few of every other language
into all voices but their own. A voice's prompts are recordings of 2 to 8 seconds, in turn.
"""

import argparse
import sys
from pathlib import Path

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.vc.pairs import Pair, write_pairs

PROMPT_SEC = (2.0, 8.0)


def read_set(folder: Path) -> dict[str, tuple[str, str, str, float]]:
    """Utterance -> sound file, text, voice, seconds of a language's set."""
    tables = [read_table(folder / name) for name in ("wav.scp", "text", "utt2spk", "utt2dur")]
    wavs, texts, voices, seconds = tables
    return {utt: (wavs[utt], texts[utt], voices[utt], float(seconds[utt])) for utt in wavs}


def choose(source: Path, part: str, *, most: int, most_others: int) -> list[Pair]:
    """The pairs; see above."""
    sets = {folder.name[-2:]: read_set(folder) for folder in sorted(source.glob(f"{part}_??"))}
    langs = list(sets)
    prompts: dict[str, list[str]] = {}
    for lang in langs:
        for wav, _, voice, seconds in sets[lang].values():
            if PROMPT_SEC[0] <= seconds <= PROMPT_SEC[1]:
                prompts.setdefault(voice, []).append(wav)
    pairs = []
    for lang in langs:
        wanted = most if lang == "en" else most_others
        if not wanted:
            continue
        items = [item for item in sorted(sets[lang].items()) if len(item[1][1].split()) >= 3]
        # Evenly over the names, which begin alike where prompts do.
        items = items[:: max(1, len(items) // wanted)][:wanted]
        for voice in sorted(prompts):
            for index, (utt, (wav, text, own, _)) in enumerate(items):
                if voice == own:
                    continue
                target = prompts[voice][index % len(prompts[voice])]
                name = f"{utt}_to_{voice}"
                # The judges know English.
                pairs.append(Pair(name, wav, target, own, voice, text if lang == "en" else ""))
    if not pairs:
        raise ValueError(
            f"{source}/{part}_LANG have no prompt of three words and another voice of "
            f"{PROMPT_SEC[0]:g} to {PROMPT_SEC[1]:g} s"
        )
    return pairs


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="data folder of units1")
    parser.add_argument("--output", type=Path, required=True, help="table to write")
    parser.add_argument("--part", default="test", help="of the data that is converted")
    parser.add_argument("--most", type=int, default=40, help="English prompts")
    parser.add_argument("--most_others", type=int, default=5, help="of every other language")
    args = parser.parse_args(cmd)
    others = min(args.most, args.most_others)
    pairs = choose(args.source, args.part, most=args.most, most_others=others)
    write_pairs(args.output, pairs)
    judged = sum(bool(pair.text) for pair in pairs)
    print(f"choose_pairs.py: {len(pairs)} pairs, {judged} of them English")


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"choose_pairs.py: {problem}")
