#!/usr/bin/env python
"""How split.tsv was made. Every recipe uses the committed list; nobody needs to run this."""

import argparse
import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

from flac import write_atomically
from normalize import LANGS
from packages import find_language
from prepare_data import HERE, SETS, Prompt, usable_prompts

MIN_WORDS, MAX_WORDS = 3, 40  # of every English member of a held-out group


class Groups:
    """Union-find over hashable items."""

    def __init__(self):
        self.parent: dict = {}

    def find(self, item):
        self.parent.setdefault(item, item)
        while self.parent[item] != item:
            self.parent[item] = self.parent[self.parent[item]]
            item = self.parent[item]
        return item

    def join(self, one, other):
        self.parent[self.find(other)] = self.find(one)


def contained_pairs(prompts: list[Prompt]) -> list[tuple[str, str]]:
    """Prompt names (inner, outer): the inner text, of three words or more, stands in the outer."""
    padded = [(p.name, f" {p.text} ") for p in prompts]
    inner = [(name, text) for name, text in padded if len(text.split()) >= MIN_WORDS]
    return [(a, b) for a, x in inner for b, y in padded if a != b and len(x) < len(y) and x in y]


def make_groups(by_lang: dict[str, list[Prompt]], near: bool) -> list[list[str]]:
    """Prompt names that must stay together: equal text in any language, `near`: also contained."""
    groups = Groups()
    for lang, prompts in by_lang.items():
        for prompt in prompts:
            groups.join(("name", prompt.name), (lang, prompt.text))
        for one, other in contained_pairs(prompts) if near else ():
            groups.join(("name", one), ("name", other))
    members = defaultdict(set)
    for prompts in by_lang.values():
        for prompt in prompts:
            members[groups.find(("name", prompt.name))].add(prompt.name)
    return sorted(sorted(names) for names in members.values())


def choose(groups: list[list[str]], words: dict[str, int], sizes: dict, seed: int) -> dict:
    """`{name: set}`. `words` are the English word counts, `sizes` the English prompts wanted.

    Raises:
        ValueError: if the groups that may be held out do not suffice.
    """
    split = {name: "train" for names in groups for name in names}
    candidates = []
    for names in groups:
        counts = [words[name] for name in names if name in words]
        if counts and MIN_WORDS <= min(counts) and max(counts) <= MAX_WORDS:
            candidates.append((names, len(counts)))
    random.Random(seed).shuffle(candidates)
    for set_name, wanted in sizes.items():
        got = 0
        while got < wanted:
            if not candidates:
                raise ValueError(
                    f"only {got} of {wanted} English prompts for {set_name}; ask for fewer"
                )
            names, count = candidates.pop()
            split.update(dict.fromkeys(names, set_name))
            got += count
    return split


def near_leaks(prompts: list[Prompt], split: dict[str, str]) -> int:
    """Pairs across sets of which one text contains the other and one at least is held out."""
    return sum(split[one] != split[other] for one, other in contained_pairs(prompts))


def print_table(by_lang: dict[str, list[Prompt]], split: dict[str, str]) -> None:
    print("lang set    utterances  minutes  words  types  OOV words %")
    for lang, prompts in by_lang.items():
        sets = {s: [p for p in prompts if split[p.name] == s] for s in SETS}
        known = {word for p in sets["train"] for word in p.text.split()}
        for set_name, members in sets.items():
            words = [word for p in members for word in p.text.split()]
            oov = 100 * sum(word not in known for word in words) / max(1, len(words))
            minutes = sum(p.seconds for p in members) / 60
            print(
                f"{lang:4} {set_name:6} {len(members):10} {minutes:8.2f} {len(words):6} "
                f"{len(set(words)):6} {oov:12.1f}"
            )


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="unpacked packages")
    parser.add_argument("--output", type=Path, default=HERE / "split.tsv")
    parser.add_argument("--test", type=int, default=105, help="English test prompts, at least")
    parser.add_argument("--dev", type=int, default=60, help="English dev prompts, at least")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(cmd)
    by_lang = {la: usable_prompts(*find_language(args.source, la), la)[0] for la in LANGS}
    words = {p.name: len(p.text.split()) for p in by_lang["en"]}
    groups = make_groups(by_lang, near=True)
    split = choose(groups, words, {"test": args.test, "dev": args.dev}, args.seed)
    langs = defaultdict(list)
    for lang, prompts in by_lang.items():
        for prompt in prompts:
            langs[prompt.name].append(lang)
    rows = (f"{name}\t{split[name]}\t{','.join(langs[name])}\n" for name in sorted(split))
    write_atomically(args.output, "".join(rows))
    print_table(by_lang, split)
    sizes = Counter(map(len, groups))
    print(f"groups by size: {dict(sorted(sizes.items()))}")
    near = {lang: near_leaks(prompts, split) for lang, prompts in by_lang.items()}
    print(f"near leaks (texts contained in texts of another set): {near}")
    utterances = sum(map(len, by_lang.values()))
    hours = sum(p.seconds for prompts in by_lang.values() for p in prompts) / 3600
    print(
        f"make_split.py: {len(split)} prompts, {utterances} utterances, {hours:.2f} hours "
        f"-> {args.output}"
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"make_split.py: {problem}")
