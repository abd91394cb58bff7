"""The one text normaliser of LibriTTS, applied once, when the data are prepared."""

import re


def normalize(text: str) -> str:
    """Small letters, apostrophes and blanks alone; the corpus has numbers spelled out already."""
    return " ".join(re.sub(r"[^a-z' ]", " ", text.lower().replace("’", "'")).split())
