"""How a converted recording compares with its source and with the voice it was to have."""

from dataclasses import dataclass

import numpy as np

from espnet_entropy.vc import speaker
from espnet_entropy.vc.mel import MelConfig, log_mel
from espnet_entropy.vc.pitch import track_pitch

# Frames that are voiced in both recordings; fewer say nothing of a correlation.
FEWEST_FRAMES = 10


@dataclass(frozen=True)
class Voice:
    """What is measured of one recording.

    Attributes:
        embedding: (256,) float32 of length 1, Resemblyzer's.
        spectrum: (n_mels,) float32, the mean log10 mel spectrum of voiced frames less its own mean;
            another measure of a voice, which no model was trained with.
        pitch: (M,) float32, natural logarithm of Hz, 0 where unvoiced.
    """

    embedding: np.ndarray
    spectrum: np.ndarray
    pitch: np.ndarray


def measure_voice(wave: np.ndarray, config: MelConfig) -> Voice:
    """Listen to a recording.

    Args:
        wave: (N,) float32 at the config's rate, which is the embedding's too.
        config: of the spectrum.

    Raises:
        ValueError: another sample rate.
    """
    if config.sample_rate != speaker.SAMPLE_RATE:
        raise ValueError(f"voices are measured at {speaker.SAMPLE_RATE} Hz")
    pitch = track_pitch(wave, config.sample_rate, config.hop_size)
    mel = log_mel(wave, config)[: len(pitch)]
    voiced = pitch > 0
    spectrum = mel[voiced if voiced.any() else slice(None)].mean(0)
    return Voice(speaker.embed_speaker(wave), spectrum - spectrum.mean(), pitch)


def speaker_similarity(a: Voice, b: Voice) -> float:
    """Cosine of the embeddings."""
    return float(a.embedding @ b.embedding)


def spectrum_distance(a: Voice, b: Voice) -> float:
    """Root mean square difference of the spectra, in dB."""
    return float(20 * np.sqrt(np.mean((a.spectrum - b.spectrum) ** 2)))


def pitch_correlation(a: Voice, b: Voice) -> float:
    """Pearson's, of log pitch over the frames voiced in both; NaN where there are too few.

    The recordings say the same at the same time, as a source and its conversion do.
    """
    length = min(len(a.pitch), len(b.pitch))
    first, second = a.pitch[:length], b.pitch[:length]
    both = (first > 0) & (second > 0)
    if both.sum() < FEWEST_FRAMES:
        return float("nan")
    first, second = first[both], second[both]
    if first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def dnsmos(wave: np.ndarray, sample_rate: int) -> float:
    """DNSMOS's overall quality (P.835, Reddy et al., 2022), 1 to 5.

    Args:
        wave: (N,) float32 in [-1, 1].
        sample_rate: 16,000 Hz is what it knows.
    """
    from speechmos import dnsmos as model

    return float(model.run(np.clip(wave, -1.0, 1.0), sample_rate)["ovrl_mos"])
