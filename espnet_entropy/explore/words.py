"""When the words of a known English text are spoken."""

import re

import numpy as np

SAMPLE_RATE = 16000
FRAME_SEC = 0.01
# The aligner wants some quiet at both ends, and no digital silence.
EDGE_SEC = 0.3
EDGE_LEVEL = 3


def align_words(waveform: np.ndarray, text: str) -> list[tuple[float, float, str]]:
    """Align a text with its sound, with PocketSphinx and the English model in its package.

    Args:
        waveform: (N,) float32 in [-1, 1] at 16 kHz.
        text: what is said, in English.

    Returns:
        (start, end, word) in seconds, in order; pauses stand between them.

    Raises:
        ValueError: pocketsphinx is not installed, the text has no words or some that are not in its
            dictionary, or the text does not fit the sound.
    """
    words = re.findall(r"[a-z']+", text.lower())
    if not words:
        raise ValueError("the text has no words of the letters a to z; write what is said")
    decoder = _decoder()
    unknown = sorted({word for word in words if decoder.lookup_word(word) is None})
    if unknown:
        raise ValueError(
            f"not in the English dictionary: {', '.join(unknown)}; spell numbers out, or write "
            "words that sound alike"
        )
    try:
        decoder.set_align_text(" ".join(words))
        decoder.start_utt()
        decoder.process_raw(_padded(waveform).tobytes(), full_utt=True)
        decoder.end_utt()
        found = [(seg.word, seg.start_frame, seg.end_frame + 1) for seg in decoder.seg() or ()]
    except RuntimeError as error:
        raise ValueError(f"the text could not be aligned: {error}") from error
    return _spoken(found, words, len(waveform) / SAMPLE_RATE)


def _decoder():
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ValueError("words need pocketsphinx: pip install pocketsphinx") from error
    wide = dict(beam=1e-100, wbeam=1e-80, pbeam=1e-100)
    # Normalised over the whole sound, so that equal sounds have equal words.
    return Decoder(lm=None, bestpath=False, cmn="batch", loglevel="FATAL", **wide)


def _padded(waveform: np.ndarray) -> np.ndarray:
    """(N,) int16 with faint noise at both ends."""
    edge = np.random.default_rng(0).normal(0, EDGE_LEVEL, round(EDGE_SEC * SAMPLE_RATE))
    sound = np.clip(waveform, -1.0, 1.0) * 32767
    return np.concatenate((edge, sound, edge)).astype(np.int16)


def _spoken(found, words, duration_sec) -> list[tuple[float, float, str]]:
    """Words without the aligner's fillers, `<sil>` and `[NOISE]`, and without `(2)` behind them."""
    spoken = []
    for word, start, end in found:
        if word[0] in "<[":
            continue
        times = (frame * FRAME_SEC - EDGE_SEC for frame in (start, end))
        start_sec, end_sec = (min(max(time, 0.0), duration_sec) for time in times)
        spoken.append((start_sec, end_sec, re.sub(r"\(\d+\)$", "", word)))
    if [word for *_, word in spoken] != words:
        raise ValueError("the text does not fit the sound; write all that is said, and no more")
    return spoken
