"""When segments are spoken: from lengths in frames to seconds."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """A run of units that became one vector; seconds, half open."""

    start_sec: float
    end_sec: float
    units: list[int]


def segment_times(segment_lengths: Tensor, frame_rate_hz: float) -> list[tuple[float, float]]:
    """When the segments of one utterance are spoken.

    Args:
        segment_lengths: (S,) int64 frames; zeros at the end are padding.
        frame_rate_hz: units per second.

    Returns:
        S pairs (start, end) in seconds, half open.
    """
    frames = segment_lengths[segment_lengths > 0].cumsum(0).tolist()
    ends = [count / frame_rate_hz for count in frames]
    return list(zip([0.0, *ends[:-1]], ends, strict=True))


def timed_segments(units: Tensor, segment_lengths: Tensor, frame_rate_hz: float) -> list[Segment]:
    """The segments of one utterance with their times and units.

    Args:
        units: (T,) int64.
        segment_lengths: (S,) int64 frames, T in all; zeros at the end are padding.
        frame_rate_hz: units per second.
    """
    times = segment_times(segment_lengths, frame_rate_hz)
    runs = units.split(segment_lengths[segment_lengths > 0].tolist())
    return [Segment(*time, run.tolist()) for time, run in zip(times, runs, strict=True)]


def runs_of(units: list[int]) -> list[tuple[int, int]]:
    """Units without repetitions: [(unit, frames), ...]."""
    runs: list[tuple[int, int]] = []
    for unit in units:
        if runs and runs[-1][0] == unit:
            runs[-1] = (unit, runs[-1][1] + 1)
        else:
            runs.append((unit, 1))
    return runs
