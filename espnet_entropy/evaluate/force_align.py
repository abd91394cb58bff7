"""Forced alignment: what is known to be said, put to the times at which it is said.

Two aligners that share nothing, both for English: PocketSphinx (Gaussian mixtures; phones and
words) and a Whisper decoder's attention (words). How far they agree is `compare_words`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from espnet_entropy.evaluate.alignment import Alignments, Interval

SAMPLE_RATE = 16000
# PocketSphinx wants some quiet around speech; recordings cut close to it have none. Two units of
# 16-bit sound, because the logarithm of digital silence says nothing.
_PAD_SEC = 0.3
_NOISE = 2.0
_FRAME_SEC = 0.01
# Wide, so that the one path asked for is not lost for one that is not there.
_BEAMS = dict(beam=1e-100, wbeam=1e-80, pbeam=1e-100)
_VARIANT = re.compile(r"\(\d+\)$")


class Aligned(NamedTuple):
    """An utterance's words, and its phones where the aligner knows them."""

    words: list[Interval]
    phones: list[Interval]


Aligner = Callable[[np.ndarray, str], Aligned]


def sphinx_aligner(*, guess_words: bool = False) -> Aligner:
    """PocketSphinx with the English model and dictionary inside its package.

    Args:
        guess_words: words that are not in the dictionary get the pronunciation that the neural
            model of g2p_en guesses; otherwise they are refused.

    Returns:
        (waveform (N,) float32 in [-1, 1] at 16 kHz, words) -> words and phones, silences among
        them, from 0 to the end of the sound, in steps of 10 ms. It raises ValueError for words
        that are not in the dictionary and for sound in which no path is found. What it returns
        does not depend on what it has aligned before.

    Raises:
        ValueError: pocketsphinx is not installed.
    """
    try:
        from pocketsphinx import Decoder
    except ImportError as error:
        raise ValueError(
            "PocketSphinx, which aligns words, is not installed: pip install pocketsphinx"
        ) from error

    decoder = Decoder(lm=None, bestpath=False, cmn="batch", loglevel="FATAL", **_BEAMS)
    guess = _guesser() if guess_words else None

    def align(waveform: np.ndarray, text: str) -> Aligned:
        words = text.lower().split()
        if not words:
            raise ValueError("there is no text to align")
        unknown = sorted({word for word in words if decoder.lookup_word(word) is None})
        if guess:
            for word in unknown:
                decoder.add_word(word, guess(word), True)
        elif unknown:
            raise ValueError(
                f"not in the dictionary: {' '.join(unknown)}; spell numbers out, or "
                "write words that sound alike"
            )
        samples = _padded(waveform)
        try:
            decoder.set_align_text(" ".join(words))
            _decode(decoder, samples)
        except RuntimeError as error:
            raise ValueError(f"the words could not be aligned: {error}") from error
        if decoder.hyp() is None:
            raise ValueError("no path through the words is found in the sound")
        decoder.set_alignment()
        _decode(decoder, samples)
        # Entries are pointers into the alignment: they must neither outlive it nor its iterators.
        alignment = decoder.get_alignment()
        words, phones = [], []
        for word in alignment.words():
            words.append((word.name, word.start, word.duration))
            phones += [(phone.name, phone.start, phone.duration) for phone in word]
        return Aligned(*(_intervals(tier, len(waveform)) for tier in (words, phones)))

    return align


def _guesser() -> Callable[[str], str]:
    """Pronunciations, such as `V ER L AA K`, of English words without a dictionary."""
    from types import SimpleNamespace
    from unittest.mock import patch

    try:
        # It would fetch a tagger and CMUdict, which its model of single words does not use.
        with patch("nltk.download"):
            from g2p_en import G2p
        with patch("g2p_en.g2p.cmudict", SimpleNamespace(dict=dict)):
            model = G2p()
    except ImportError as error:
        raise ValueError(
            "g2p_en, which guesses pronunciations, is not installed: pip install espnet_g2p_en"
        ) from error

    def guess(word: str) -> str:
        phones = [phone.rstrip("012") for phone in model.predict(word)]
        if not phones:
            raise ValueError(f"no pronunciation of {word!r} is guessed; spell it differently")
        return " ".join(phones)

    return guess


def in_noise(align: Aligner, snr_db: float) -> Aligner:
    """An aligner that hears white noise beside the speech.

    Args:
        align: what aligns.
        snr_db: mean power of the recording over that of the noise, in dB. Recordings of one length
            get the same noise.
    """

    def align_in_noise(waveform: np.ndarray, text: str) -> Aligned:
        noise = np.random.default_rng(0).standard_normal(len(waveform))
        level = np.sqrt(np.mean(waveform.astype(np.float64) ** 2)) * 10 ** (-snr_db / 20)
        return align((waveform + level * noise).astype(np.float32), text)

    return align_in_noise


def _padded(waveform: np.ndarray) -> bytes:
    """16-bit sound between two stretches of faint noise, the same ones each time."""
    pad = round(_PAD_SEC * SAMPLE_RATE)
    samples = np.pad(np.clip(waveform, -1.0, 1.0) * 32000, pad)
    samples += _NOISE * np.random.default_rng(0).standard_normal(len(samples))
    return samples.astype(np.int16).tobytes()


def _decode(decoder, samples: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(samples, full_utt=True)
    decoder.end_utt()


def _intervals(entries: list[tuple[str, int, int]], num_samples: int) -> list[Interval]:
    """Of (name, start, frames) of padded sound, without what lies in the padding alone."""
    seconds = num_samples / SAMPLE_RATE
    intervals = []
    for name, first, frames in entries:
        start = first * _FRAME_SEC - _PAD_SEC
        end = start + frames * _FRAME_SEC
        start, end = (round(min(max(t, 0.0), seconds), 4) for t in (start, end))
        if start < end:
            intervals.append(Interval(start, end, _VARIANT.sub("", name)))
    return intervals


def whisper_aligner(path: Path | str) -> Aligner:
    """The cross-attention of a Whisper model of CTranslate2 (by faster-whisper), for words.

    Args:
        path: its folder; English.

    Returns:
        (waveform (N,) float32 at 16 kHz, words) -> words in steps of 20 ms, no phones. It raises
        ValueError for sound of more than 30 s, which the model does not take at once, and
        for words that its tokens do not give back.

    Raises:
        ValueError: there is no such model.
    """
    path = Path(path)
    if not (path / "model.bin").is_file():
        raise ValueError(f"{path} holds no model.bin; it wants a Whisper model of CTranslate2")
    from faster_whisper import WhisperModel
    from faster_whisper.audio import pad_or_trim
    from faster_whisper.tokenizer import Tokenizer

    model = WhisperModel(
        str(path), device="cpu", compute_type="float32", cpu_threads=1, local_files_only=True
    )
    tokenizer = Tokenizer(
        model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language="en"
    )

    def align(waveform: np.ndarray, text: str) -> Aligned:
        words = text.lower().split()
        if not words:
            raise ValueError("there is no text to align")
        if len(waveform) > 30 * SAMPLE_RATE:
            raise ValueError(f"{len(waveform) / SAMPLE_RATE:.1f} s: Whisper takes 30 s at most")
        features = model.feature_extractor(waveform.astype(np.float32))
        encoded = model.encode(pad_or_trim(features))
        tokens = tokenizer.encode(" " + " ".join(words))
        (found,) = model.find_alignment(tokenizer, [tokens], encoded, features.shape[-1])
        # The end of the text is an entry of its own.
        made = [entry for entry in found if entry["word"].strip() in words]
        if [entry["word"].strip() for entry in made] != words:
            raise ValueError(f"the model's tokens give other words back than {text!r}")
        return Aligned(
            [Interval(float(e["start"]), float(e["end"]), e["word"].strip()) for e in made], []
        )

    return align


@dataclass(frozen=True)
class Agreement:
    """How far two alignments of the same words lie apart; seconds.

    Attributes:
        num_words: compared.
        num_left_out: utterances that only one of the two has.
        start_median_sec, start_p90_sec: of the absolute differences of the words' starts.
        start_bias_sec: median of second minus first.
        start_spread_sec: median absolute difference from that bias.
        end_median_sec, end_p90_sec, end_bias_sec, end_spread_sec: the same of their ends.
    """

    num_words: int
    num_left_out: int
    start_median_sec: float
    start_p90_sec: float
    start_bias_sec: float
    start_spread_sec: float
    end_median_sec: float
    end_p90_sec: float
    end_bias_sec: float
    end_spread_sec: float


def compare_words(first: Alignments, second: Alignments) -> Agreement:
    """Compare two alignments of the same words, silences left out.

    Raises:
        ValueError: they share no utterance, or an utterance has other words in each.
    """
    shared = sorted(first.keys() & second.keys())
    differences = []
    for utt in shared:
        one, other = (
            [interval for interval in alignments[utt] if not interval.is_silence]
            for alignments in (first, second)
        )
        words = [[word.label.lower() for word in side] for side in (one, other)]
        if words[0] != words[1]:
            raise ValueError(
                f"utt {utt}: one alignment has {' '.join(words[0])!r}, the other "
                f"{' '.join(words[1])!r}; compare alignments of one text"
            )
        differences += [
            (b.start_sec - a.start_sec, b.end_sec - a.end_sec)
            for a, b in zip(one, other, strict=True)
        ]
    if not differences:
        raise ValueError(
            f"{len(first)} and {len(second)} aligned utterances have no word in common; compare "
            "alignments of the same set"
        )
    starts, ends = np.array(differences).T
    return Agreement(
        len(differences),
        len(first.keys() ^ second.keys()),
        *(_spread(starts)),
        *(_spread(ends)),
    )


def _spread(differences: np.ndarray) -> tuple[float, float, float, float]:
    sizes, bias = np.abs(differences), np.median(differences)
    return (
        float(np.median(sizes)),
        float(np.percentile(sizes, 90)),
        float(bias),
        float(np.median(np.abs(differences - bias))),
    )
