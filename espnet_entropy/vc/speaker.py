"""Who speaks, as a vector: Resemblyzer's embedding (GE2E, Wan et al., 2018)."""

from functools import lru_cache

import numpy as np
import torch

SAMPLE_RATE = 16000
DIM = 256


@lru_cache(maxsize=2)
def _encoder(device: str):
    from resemblyzer import VoiceEncoder  # of extra `vc`; its weights are inside the package

    return VoiceEncoder(device, verbose=False)


def embed_speaker(wave: np.ndarray, *, device: str = "cpu") -> np.ndarray:
    """The voice of a recording.

    Args:
        wave: (N,) float32 in [-1, 1], at SAMPLE_RATE.
        device: torch device.

    Returns:
        (256,) float32 of length 1; the cosine of two is their similarity.

    Raises:
        ValueError: the recording is empty, or all of it is exactly zero.
    """
    if not np.any(wave):
        raise ValueError("there is nothing but zeros, in which nobody speaks")
    from resemblyzer.audio import normalize_volume

    # Its detector of long silences is left out: these recordings hardly have any, and where it
    # hears no voice at all nothing would be left.
    wave = normalize_volume(wave, -30, increase_only=True).astype(np.float32)
    with torch.inference_mode():
        return _encoder(device).embed_utterance(wave)
