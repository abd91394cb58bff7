"""The one text normaliser of this corpus, applied once, when the data are prepared.

Translations keep case and punctuation: they are what is scored, as they are.
"""

import unicodedata


def normalize_source(text: str) -> str:
    """English as it is spoken: small letters, apostrophes inside words, nothing else."""
    text = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    kept = "".join(c if c.isalnum() or c == "'" else " " for c in text)
    return " ".join(word.strip("'") for word in kept.split() if word.strip("'"))
