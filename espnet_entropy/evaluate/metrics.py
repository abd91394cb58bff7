"""Measures of segmentations."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class RateReport:
    """How many segments a set has.

    Attributes:
        rate_hz: segments per second over all utterances.
        num_segments: in all.
        seconds: of speech.
        single_share: share of the segments that are one frame long.
    """

    rate_hz: float
    num_segments: int
    seconds: float
    single_share: float


def segment_rate(segment_lengths: Tensor, frame_rate_hz: float) -> RateReport:
    """Rate of a set's segments.

    Args:
        segment_lengths: (B, S) or (S,) int64 frames, 0 on the padding.
        frame_rate_hz: units per second.
    """
    num_segments = int((segment_lengths > 0).sum())
    seconds = float(segment_lengths.sum()) / frame_rate_hz
    singles = int((segment_lengths == 1).sum())
    return RateReport(num_segments / seconds, num_segments, seconds, singles / num_segments)
