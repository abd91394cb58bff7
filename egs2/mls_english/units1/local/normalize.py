"""The one text normaliser of Multilingual LibriSpeech, applied once, when the data are prepared."""


def normalize(text: str) -> str:
    """The corpus writes small letters, apostrophes and hyphens; hyphens become blanks."""
    return " ".join(text.lower().replace("-", " ").split())
