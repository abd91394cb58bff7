"""Sound to log mel spectrograms and, without a vocoder, back."""

from dataclasses import dataclass

import librosa
import numpy as np


@dataclass(frozen=True)
class MelConfig:
    """Settings of a spectrogram, under the names and in the convention of parallel_wavegan.

    Attributes:
        sample_rate: Hz.
        n_fft: samples of the transform and of its Hann window.
        hop_size: samples between frames. 160 makes two frames of a unit of 20 ms.
        n_mels: bands.
        fmin, fmax: Hz, ends of the bands.
        floor: the least amplitude, so that silence has a logarithm.

    Raises:
        ValueError: settings no spectrogram can have.
    """

    sample_rate: int = 16000
    n_fft: int = 1024
    hop_size: int = 160
    n_mels: int = 80
    fmin: float = 80.0
    fmax: float = 7600.0
    floor: float = 1e-10

    def __post_init__(self):
        if min(self.sample_rate, self.n_mels) < 1 or not 1 <= self.hop_size <= self.n_fft:
            raise ValueError(f"{self}: all must be positive, and hop_size at most n_fft")
        if not 0 <= self.fmin < self.fmax <= self.sample_rate / 2:
            raise ValueError(f"{self}: must have 0 <= fmin < fmax <= sample_rate / 2")
        if not self.floor > 0:
            raise ValueError(f"{self}: floor must be positive")

    def frames_per_unit(self, frame_rate_hz: float) -> int:
        """Mel frames in the time of a unit; ValueError unless that is a whole number."""
        frames = self.sample_rate / (self.hop_size * frame_rate_hz)
        if frames < 1 or frames != round(frames):
            raise ValueError(
                f"{frames:g} mel frames a unit (hop_size {self.hop_size}, {self.sample_rate} Hz, "
                f"{frame_rate_hz:g} units/s); choose a hop_size that divides "
                f"{self.sample_rate / frame_rate_hz:g}"
            )
        return round(frames)

    @property
    def filters(self) -> np.ndarray:
        """(n_mels, n_fft // 2 + 1) float32, Slaney's scale and norm."""
        return librosa.filters.mel(
            sr=self.sample_rate,
            n_fft=self.n_fft,
            n_mels=self.n_mels,
            fmin=self.fmin,
            fmax=self.fmax,
        )


def log_mel(wave: np.ndarray, config: MelConfig) -> np.ndarray:
    """The spectrogram of a recording.

    Args:
        wave: (N,) float32 in [-1, 1], at the config's sample rate.
        config: its settings.

    Returns:
        (1 + N // hop_size, n_mels) float32, log10 of mel amplitudes; frame t is centred at sample
        t * hop_size.

    Raises:
        ValueError: the recording is not longer than half a window, or not of finite samples.
    """
    if wave.ndim != 1 or len(wave) <= config.n_fft // 2:
        raise ValueError(
            f"samples of shape {wave.shape}; a spectrogram needs one channel of more than "
            f"{config.n_fft // 2} ({config.n_fft / 2 / config.sample_rate:g} s)"
        )
    if not np.isfinite(wave).all():
        raise ValueError("the samples are not all finite")
    spectrum = librosa.stft(
        wave, n_fft=config.n_fft, hop_length=config.hop_size, pad_mode="reflect"
    )
    mel = config.filters @ np.abs(spectrum)
    return np.log10(np.maximum(mel, config.floor)).T.astype(np.float32)


def fit_frames(frames: np.ndarray, num_frames: int) -> np.ndarray:
    """Cut a spectrogram or a curve, or repeat its last frame, to the length of its units.

    Args:
        frames: (M, ...), M at least 1.
        num_frames: units times frames a unit.

    Returns:
        (num_frames, ...).
    """
    missing = max(0, num_frames - len(frames))
    padding = [(0, missing)] + [(0, 0)] * (frames.ndim - 1)
    return np.pad(frames, padding, mode="edge")[:num_frames]


def griffin_lim(mel: np.ndarray, config: MelConfig, num_iter: int = 32) -> np.ndarray:
    """Sound of a spectrogram, its phases found by iteration (Griffin and Lim, 1984).

    Args:
        mel: (M, n_mels) float32, log10.
        config: the settings it was made with.
        num_iter: iterations.

    Returns:
        (M * hop_size,) float32. The same for the same input.
    """
    # The pseudo-inverse is exact enough beside what the phases lose, and far faster than NNLS.
    inverse = np.linalg.pinv(config.filters)
    # One frame more, since M frames end at sample (M - 1) * hop_size.
    longer = fit_frames(mel, len(mel) + 1)
    amplitudes = np.maximum(inverse @ np.power(10.0, longer.T), 0.0).astype(np.float32)
    return librosa.griffinlim(
        amplitudes,
        n_iter=num_iter,
        hop_length=config.hop_size,
        n_fft=config.n_fft,
        length=len(mel) * config.hop_size,
        random_state=0,
    ).astype(np.float32)
