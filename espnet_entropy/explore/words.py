"""When the words of an English text are spoken: `force_align`, for what people type."""

import re

import numpy as np

from espnet_entropy.evaluate.force_align import sphinx_aligner


def align_words(waveform: np.ndarray, text: str) -> list[tuple[float, float, str]]:
    """Align a text with its sound.

    Args:
        waveform: (N,) float32 in [-1, 1] at 16 kHz.
        text: what is said, in English; anything but letters and apostrophes is taken for a blank.

    Returns:
        (start, end, word) in seconds, in order; pauses stand between them.

    Raises:
        ValueError: pocketsphinx is not installed, the text has no words or some that are not in its
            dictionary, or the text does not fit the sound.
    """
    words = re.findall(r"[a-z']+", text.lower())
    if not words:
        raise ValueError("the text has no words of the letters a to z; write what is said")
    found = sphinx_aligner()(waveform, " ".join(words)).words
    spoken = [tuple(interval) for interval in found if not interval.is_silence]
    if [word for *_, word in spoken] != words:
        raise ValueError("the text does not fit the sound; write all that is said, and no more")
    return spoken
