"""Pairs of a recording's transcript and its translation: which of them can be learned from."""

import unicodedata
from typing import NamedTuple

# How Unicode begins the names of a script's letters. A language that is not here is not checked.
SCRIPTS = {
    "LATIN": "ca cs da de en es et fi fr hr hu it lt lv nl no pl pt ro sk sl sv tr".split(),
    "CYRILLIC": "bg mk ru uk".split(),
    "CJK UNIFIED": ["zh"],
    "ARABIC": "ar fa".split(),
    "HANGUL": ["ko"],
    "GREEK": ["el"],
}


class Pairs(NamedTuple):
    """Translations by utterance, and why the others have been left out."""

    kept: dict[str, str]
    left_out: dict[str, str]


def script_of(lang: str) -> str | None:
    """The script a language is written in, as Unicode begins its letters' names; None: unknown."""
    return next((script for script, langs in SCRIPTS.items() if lang in langs), None)


def in_script(text: str, script: str) -> bool:
    """Whether at least half of a text's letters are of the script; names may be of another."""
    letters = [unicodedata.name(c, "") for c in text if c.isalpha()]
    return 2 * sum(name.startswith(script) for name in letters) >= len(letters)


def select_pairs(utts: list[str], translations: dict[str, str], lang: str) -> Pairs:
    """Utterances whose translation can be learned from.

    Args:
        utts: all utterances of a set.
        translations: text by utterance; some may lack, others may be of no utterance.
        lang: the translations' language, as ISO 639-1 has it.
    """
    script = script_of(lang)
    kept: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for utt in utts:
        text = " ".join(translations.get(utt, "").split())
        if utt not in translations:
            left_out[utt] = f"no text in {lang}"
        elif not text:
            left_out[utt] = f"empty text in {lang}"
        elif not any(c.isalpha() for c in text):
            left_out[utt] = f"no letter in: {text}"
        elif script is not None and not in_script(text, script):
            left_out[utt] = f"not in the script of {lang}: {text}"
        else:
            kept[utt] = text
    return Pairs(kept, left_out)
