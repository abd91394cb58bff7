#!/usr/bin/env python
"""The one text normaliser of this corpus.

It is applied once, when the data are prepared; scoring never normalises again.
"""

import argparse
import re
import sys
import unicodedata

# [tones], (notes of the translators) and <beeps> are not spoken.
ANNOTATION = re.compile(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>")
NUMBER = re.compile(r"\d+(?:[.,]\d+)?")

DIGITS = {
    "en": "zero one two three four five six seven eight nine",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf",
    "it": "zero uno due tre quattro cinque sei sette otto nove",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
}
# Menus are read as "press one", extensions as "five zero zero"; a few numbers are read whole.
WHOLE_NUMBERS = {
    ("en", "28.8"): "twenty eight point eight",
    ("es", "28.8"): "veintiocho punto ocho",
    ("fr", "28.8"): "vingt huit point huit",
    ("fr", "23"): "vingt trois",
    ("it", "28"): "ventotto",
    ("ru", "28,8"): "двадцать восемь и восемь",
}
# Keys of the telephone, where a transcript writes them as symbols.
SYMBOLS = {"en": {"*": "star", "#": "pound"}, "fr": {"*": "étoile", "#": "dièse"}}
DOTS = {"en": "dot", "es": "punto", "fr": "point", "it": "punto", "ru": "точка"}
WEB_ADDRESS = re.compile(r"\bwww(?:\.\w+)+")
# Latin letters that were typed for Cyrillic ones of the same shape.
CYRILLIC_WORD = re.compile(r"\w*[а-яё]\w*")
LOOKALIKES = str.maketrans("aceopxy", "асеорху")

LANGS = tuple(DIGITS)


def strip_annotations(text: str) -> str:
    """Remove bracketed non-speech; case and punctuation stay. Empty if nothing is spoken."""
    text = unicodedata.normalize("NFKC", text)
    text = ANNOTATION.sub(" ", text).replace("“", '"').replace("”", '"')
    if text.count('"') % 2:  # some French lines end in a quotation mark that nothing opens
        text = text.replace('"', " ")
    return " ".join(text.split())


def _spell(match: re.Match, lang: str) -> str:
    number = match.group()
    digits = DIGITS[lang].split()
    if (lang, number) in WHOLE_NUMBERS:
        words = WHOLE_NUMBERS[lang, number]
    else:
        words = " ".join(digits[int(c)] for c in number if c.isdigit())
    # Italian l'1234 is one word with its article; 3D is two words.
    elided = match.string[: match.start()].endswith(("'", "’"))
    return f"{'' if elided else ' '}{words} "


def normalize(text: str, lang: str) -> str:
    """Text as it is spoken: lower case, words separated by one space.

    Unicode NFKC, annotations removed, digits and telephone keys as words, punctuation removed
    except apostrophes inside a word, hyphens as spaces, dots of web addresses as words. Russian
    "ё" becomes "е", because the transcripts mix the two, and Latin letters inside Cyrillic words
    become Cyrillic. Returns "" if nothing is spoken.

    Raises:
        ValueError: for a language without a table.
    """
    if lang not in DIGITS:
        raise ValueError(f"no normaliser for language '{lang}'; known: {' '.join(LANGS)}")
    text = strip_annotations(text)
    for symbol, word in SYMBOLS.get(lang, {}).items():
        text = text.replace(symbol, f" {word} ")
    text = WEB_ADDRESS.sub(lambda match: match.group().replace(".", f" {DOTS[lang]} "), text)
    text = NUMBER.sub(lambda match: _spell(match, lang), text).lower().replace("’", "'")
    if lang == "ru":
        text = text.replace("ё", "е")
        text = CYRILLIC_WORD.sub(lambda match: match.group().translate(LOOKALIKES), text)
    kept = (c if c == "'" or unicodedata.category(c)[0] in "LMN" else " " for c in text)
    words = (word.strip("'") for word in "".join(kept).split())
    return " ".join(word for word in words if word)


def main(cmd=None):
    parser = argparse.ArgumentParser(description="Normalise lines from stdin to stdout.")
    parser.add_argument("--lang", required=True, choices=LANGS, help="language of the text")
    args = parser.parse_args(cmd)
    count = 0
    for line in sys.stdin:
        print(normalize(line, args.lang))
        count += 1
    print(f"normalize.py: {count} lines ({args.lang})", file=sys.stderr)


if __name__ == "__main__":
    main()
