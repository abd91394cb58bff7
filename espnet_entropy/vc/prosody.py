"""How something is said, apart from whose voice it is: relative pitch, voicing, loudness."""

import torch
from torch import Tensor

from espnet_entropy.data.batch import valid_mask

# Values a unit.
DIM = 3


def prosody(pitch: Tensor, mel: Tensor, mel_lengths: Tensor, frames_per_unit: int) -> Tensor:
    """Pitch and loudness of units, relative to their means over the utterance.

    Args:
        pitch: (B, M) float32, natural logarithm of Hz, 0 where unvoiced.
        mel: (B, M, F) float32, log10.
        mel_lengths: (B,) int64 frames, multiples of R.
        frames_per_unit: R; M is a multiple of it.

    Returns:
        (B, M / R, 3) float32: relative log pitch (0 where unvoiced), share of voiced frames,
        relative log10 loudness; zeros on the padding.
    """
    valid = valid_mask(mel_lengths, pitch.shape[1])
    voiced = (pitch > 0) & valid
    pitch = _relative(pitch, voiced)
    loudness = _relative(mel.mean(-1), valid)
    frames = torch.stack([pitch, voiced.float(), loudness], dim=-1)
    return frames.unflatten(1, (-1, frames_per_unit)).mean(2)


def _relative(values: Tensor, counted: Tensor) -> Tensor:
    """(B, M): values less their mean over what counts, and zeros elsewhere."""
    values = values.masked_fill(~counted, 0.0)
    mean = values.sum(1, keepdim=True) / counted.sum(1, keepdim=True).clamp(min=1)
    return (values - mean).masked_fill(~counted, 0.0)
