"""The one text normaliser of LibriSpeech, applied once, when the data are prepared."""


def normalize(text: str) -> str:
    """The corpus writes capitals, apostrophes and blanks alone; capitals become small letters."""
    return " ".join(text.lower().split())
