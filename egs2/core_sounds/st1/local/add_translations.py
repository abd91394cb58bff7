#!/usr/bin/env python
"""English sets with translations: what the prompts of the same name say in other languages.

Not every prompt exists in every language: `text.tc.LANG` has a line for those that do.
"""

import argparse
import shutil
import sys
from pathlib import Path

from espnet_entropy.data.kaldi import read_table, write_table

SETS = ("train", "dev", "test")
COPIED = ("text", "utt2spk", "spk2utt", "utt2dur", "utt2prompt", "wav.scp")


def translations(folder: Path, english: dict[str, str]) -> dict[str, str]:
    """Texts of one language's set, by English utterance.

    Args:
        folder: the set in the other language, with `text.tc` and `utt2prompt`.
        english: prompt by English utterance.
    """
    texts = read_table(folder / "text.tc")
    by_prompt = {prompt: texts[utt] for utt, prompt in read_table(folder / "utt2prompt").items()}
    return {utt: by_prompt[prompt] for utt, prompt in english.items() if prompt in by_prompt}


def add(source: Path, output: Path, set_name: str) -> str:
    """One English set; what it says about it."""
    english, target = source / f"{set_name}_en", output / f"{set_name}_en"
    target.mkdir(parents=True, exist_ok=True)
    prompts = read_table(english / "utt2prompt")
    counts = []
    for folder in sorted(source.glob(f"{set_name}_??")):
        lang = folder.name[-2:]
        if lang != "en":
            pairs = translations(folder, prompts)
            write_table(target / f"text.tc.{lang}", pairs)
            counts.append(f"{len(pairs)} {lang}")
    if english.resolve() != target.resolve():
        for name in COPIED:
            shutil.copyfile(english / name, target / name)
    return f"{set_name}_en: {len(prompts)} utterances, translations: {', '.join(counts)}"


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=Path, required=True, help="data folder of units1")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(cmd)
    for set_name in SETS:
        print(f"add_translations.py: {add(args.source, args.output, set_name)}")


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"add_translations.py: {problem}")
