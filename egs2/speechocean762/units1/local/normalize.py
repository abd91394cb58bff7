"""The one text normaliser of speechocean762, applied once, when the data are prepared."""

import re


def normalize(text: str) -> str:
    """The corpus writes capitals, apostrophes and blanks alone; capitals become small letters.

    Raises:
        ValueError: the text has another character, such as a digit, or no letter.
    """
    words = " ".join(text.lower().split())
    if not re.fullmatch(r"[a-z' ]*[a-z][a-z' ]*", words):
        raise ValueError(
            f"expected words in capitals, found {text!r}; take the published edition of the texts"
        )
    return words
