"""What voice conversion learns from besides units, one array a recording."""

import numpy as np

from espnet_entropy.data.recordings import Recording
from espnet_entropy.vc import speaker
from espnet_entropy.vc.mel import MelConfig, log_mel
from espnet_entropy.vc.pitch import track_pitch


def dump_mel(recording: Recording, config: MelConfig, device: str) -> np.ndarray:
    """(1 + N // hop_size, n_mels) float32, log10; see `log_mel`."""
    return log_mel(recording.samples(config.sample_rate), config)


def dump_pitch(recording: Recording, config: MelConfig, device: str) -> np.ndarray:
    """(1 + N // hop_size,) float32, natural logarithm of Hz; see `track_pitch`."""
    wave = recording.samples(config.sample_rate)
    return track_pitch(wave, config.sample_rate, config.hop_size)


def dump_speaker(recording: Recording, config: MelConfig, device: str) -> np.ndarray:
    """(256,) float32; see `embed_speaker`."""
    return speaker.embed_speaker(recording.samples(speaker.SAMPLE_RATE), device=device)


ACOUSTICS = {"mel": dump_mel, "pitch": dump_pitch, "speaker": dump_speaker}
