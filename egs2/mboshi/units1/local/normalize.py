"""The one text normaliser of this corpus, applied once, when the data are prepared."""

import unicodedata

APOSTROPHES = str.maketrans("’ʼ`´", "''''")


def normalize(text: str) -> str:
    """Mboshi or French in small letters: words of letters with their accents, digits, - and '.

    Accents are composed (NFC); other punctuation goes, and so do hyphens and apostrophes that are
    not part of a word.
    """
    text = unicodedata.normalize("NFC", text).lower().translate(APOSTROPHES)
    kept = "".join(c if c.isalnum() or c in "'-" else " " for c in text)
    words = (word.strip("-").lstrip("'") for word in kept.split())
    return " ".join(word for word in words if word.strip("'"))
