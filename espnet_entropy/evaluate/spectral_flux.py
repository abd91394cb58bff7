"""Spectral flux: how fast the sound changes. Its peaks are a cheap reference for boundaries."""

import numpy as np

from espnet_entropy.evaluate.boundary_scores import Reference

SAMPLE_RATE = 16000
HOP_SEC = 0.01
_WINDOW = 400
_HOP = 160
_FFT = 512
_BANDS = 40
# Frames on either side that are compared: 50 ms from the middle of one side to that of the other.
_REACH = 4


def spectral_flux(waveform: np.ndarray) -> np.ndarray:
    """Distance between the mean log-mel spectra before and after each instant.

    Args:
        waveform: (N,) float, 16 kHz.

    Returns:
        (T,) float64, T = N / 160 + 1; value t belongs to t * HOP_SEC seconds.
    """
    mel = _log_mel(waveform)
    padded = np.pad(mel, ((_REACH, _REACH), (0, 0)), mode="edge")
    sums = np.concatenate([np.zeros((1, _BANDS)), padded.cumsum(axis=0)])
    frames = np.arange(len(mel)) + _REACH
    before = sums[frames] - sums[frames - _REACH]
    after = sums[frames + _REACH + 1] - sums[frames + 1]
    return np.sqrt((((after - before) / _REACH) ** 2).mean(axis=1))


def _log_mel(waveform: np.ndarray) -> np.ndarray:
    """(T, 40) natural logarithms of mel energies; frame t is centred at t * HOP_SEC."""
    samples = np.pad(np.asarray(waveform, dtype=np.float64), _WINDOW // 2)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), _FFT)) ** 2
    # The floor lies some 60 dB below speech at a usual level.
    return np.log(power @ _mel_filters().T + 1e-4)


def _mel_filters() -> np.ndarray:
    """(40, F) triangles, evenly spaced on the mel scale 2595 log10(1 + f / 700), 60 to 7600 Hz."""
    low, high = 2595 * np.log10(1 + np.array([60.0, 7600.0]) / 700)
    corners = 700 * (10 ** (np.linspace(low, high, _BANDS + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(_FFT, 1 / SAMPLE_RATE)
    left, middle, right = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising = (frequencies - left) / (middle - left)
    falling = (right - frequencies) / (right - middle)
    return np.clip(np.minimum(rising, falling), 0, None)


def flux_boundaries(flux: np.ndarray, reference: Reference, rate_hz: float) -> np.ndarray:
    """The highest peaks of the flux inside a region, so many that they come at a rate.

    Args:
        flux: (T,), see `spectral_flux`.
        reference: whose region is meant.
        rate_hz: boundaries per second of the region. Where there are fewer local maxima, the
            highest other frames are added.

    Returns:
        (n,) float64 seconds, ascending.
    """
    first = int(np.ceil(round(reference.region[0] / HOP_SEC, 6)))
    last = min(int(np.floor(round(reference.region[1] / HOP_SEC, 6))), len(flux) - 1)
    frames = np.arange(first, last + 1)
    around = np.pad(flux, 1, constant_values=-np.inf)
    is_peak = (flux > around[:-2]) & (flux >= around[2:])
    # Peaks first, then by height.
    order = np.lexsort((-flux[frames], ~is_peak[frames]))
    count = min(round(rate_hz * reference.seconds), len(frames))
    return np.sort(frames[order[:count]]) * HOP_SEC
