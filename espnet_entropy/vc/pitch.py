"""Fundamental frequency of a recording, by WORLD (Morise et al., 2016)."""

import numpy as np

# Hz; between them lie the voices of men, women and children.
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0


def track_pitch(wave: np.ndarray, sample_rate: int, hop_size: int) -> np.ndarray:
    """Pitch on the frames of a spectrogram.

    Args:
        wave: (N,) float32 in [-1, 1].
        sample_rate: Hz.
        hop_size: samples between frames; frame t is centred at sample t * hop_size.

    Returns:
        (1 + N // hop_size,) float32: natural logarithm of the frequency in Hz, 0 where unvoiced.
    """
    import pyworld  # compiled; what does not convert voices need not have it

    wave = wave.astype(np.float64)
    period_ms = 1000.0 * hop_size / sample_rate
    rough, times = pyworld.dio(
        wave, sample_rate, f0_floor=LOWEST_HZ, f0_ceil=HIGHEST_HZ, frame_period=period_ms
    )
    frequencies = pyworld.stonemask(wave, rough, times, sample_rate)
    voiced = frequencies > 0
    return np.log(np.where(voiced, frequencies, 1.0)).astype(np.float32)
