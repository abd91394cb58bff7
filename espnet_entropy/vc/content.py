"""Vectors of segments to vectors of mel frames."""

import torch
from torch import Tensor

from espnet_entropy.encode import Encoded


def expand(encoded: Encoded, frames_per_unit: int) -> Tensor:
    """Repeat each segment's vector over its mel frames.

    Args:
        encoded: segments of T units.
        frames_per_unit: R, mel frames in the time of a unit.

    Returns:
        (B, T * R, D) float32, zeros on the padding.
    """
    ids = encoded.segment_ids.repeat_interleave(frames_per_unit, dim=1)
    index = ids.clamp(min=0).unsqueeze(-1).expand(-1, -1, encoded.vectors.shape[-1])
    return encoded.vectors.gather(1, index).masked_fill((ids < 0).unsqueeze(-1), 0.0)


def positions(encoded: Encoded, frames_per_unit: int) -> Tensor:
    """Where in its segment each mel frame is, and how long that segment is.

    Args:
        encoded: segments of T units.
        frames_per_unit: R, mel frames in the time of a unit.

    Returns:
        (B, T * R, 2) float32: the frame's middle as a share of the segment, in (0, 1), and the
        natural logarithm of the segment's length in units; zeros on the padding.
    """
    ids, lengths = encoded.segment_ids, encoded.segment_lengths
    fine_ids = ids.repeat_interleave(frames_per_unit, dim=1)
    ends = lengths.cumsum(1)
    index = fine_ids.clamp(min=0)
    length = lengths.gather(1, index)
    start = (ends - lengths).gather(1, index)
    middle = (torch.arange(fine_ids.shape[1], device=ids.device) + 0.5) / frames_per_unit
    share = (middle - start) / length.clamp(min=1)
    values = torch.stack([share, length.clamp(min=1).to(share.dtype).log()], dim=-1)
    return values.masked_fill((fine_ids < 0).unsqueeze(-1), 0.0)
