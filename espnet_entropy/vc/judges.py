"""Recognisers that write down what they hear, and were not trained on what is converted."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

SAMPLE_RATE = 16000


def whisper_judge(path: Path | str) -> Callable[[np.ndarray], str]:
    """A Whisper model of CTranslate2 by faster-whisper.

    Where the units are of the same model's encoder, it hears what they kept better than a stranger
    to them would; `sphinx_judge` shares nothing with them.

    Args:
        path: its folder; English.

    Raises:
        ValueError: there is no such model.
    """
    path = Path(path)
    if not (path / "model.bin").is_file():
        raise ValueError(f"{path} holds no model.bin; a judge is a Whisper model of CTranslate2")
    from faster_whisper import WhisperModel

    logging.getLogger("faster_whisper").setLevel(logging.ERROR)
    try:
        model = WhisperModel(
            str(path), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True
        )
    except Exception as error:  # its readers raise all kinds on files that are none of theirs
        raise ValueError(f"the judge {path} cannot be loaded: {error}") from error

    def hear(wave: np.ndarray) -> str:
        segments, _ = model.transcribe(
            wave.astype(np.float32),
            language="en",
            beam_size=5,
            # One attempt: hotter ones are random, and take several times as long where little
            # can be understood.
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text for segment in segments)

    return hear


def sphinx_judge() -> Callable[[np.ndarray], str]:
    """PocketSphinx with the English models inside its package: old, weak, and independent."""
    from pocketsphinx import Decoder

    decoder = Decoder(loglevel="FATAL")

    def hear(wave: np.ndarray) -> str:
        # It wants some quiet at both ends.
        padded = np.pad(np.clip(wave, -1.0, 1.0), round(0.3 * SAMPLE_RATE))
        decoder.start_utt()
        decoder.process_raw((padded * 32767).astype(np.int16).tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return hear


_DIGITS = "zero one two three four five six seven eight nine".split()


def normalize(text: str) -> str:
    """Lower case, digits as words one by one, letters and apostrophes alone."""
    text = re.sub(r"\d", lambda digit: f" {_DIGITS[int(digit[0])]} ", text.lower())
    return " ".join(re.sub(r"[^a-z' ]", " ", text).split())
