"""The rates of a model that has many: which are allowed, and which it holds thresholds for."""

import torch

from espnet_entropy.segment.boundaries import SegmenterConfig, check_number

# Rates for which a model of many rates holds thresholds.
GRID_POINTS = 32


def check_rate_range(
    rate_range_hz: tuple[float, float], segmenter: SegmenterConfig, threshold_nats: float | None
) -> None:
    """Raise ValueError unless a model of this segmenter can have these rates, in Hz."""
    low, high = check_two_rates(rate_range_hz)
    for rate_hz in (low, high):
        segmenter.at_rate(rate_hz)  # which refuses what is out of range
    if not low < high:
        raise ValueError(f"rate_range is {rate_range_hz}, but must ascend")
    if threshold_nats is not None:
        raise ValueError("a threshold gives one rate; leave out either it or the rate_range")
    if not segmenter.kind.has_rate:
        raise ValueError(f"segmenter {segmenter.segmenter!r} has one rate, and no rate_range")
    if segmenter.rate_hz is None or not low <= segmenter.rate_hz <= high:
        raise ValueError(
            f"rate is {segmenter.rate_hz}, but must lie in the rate_range {rate_range_hz}: it is "
            "what validation and decoding take"
        )


def check_two_rates(rate_range_hz: object) -> tuple[float, float]:
    """The two rates of a rate_range, Hz; ValueError unless it is two finite numbers."""
    if not isinstance(rate_range_hz, (list, tuple)) or len(rate_range_hz) != 2:
        raise ValueError(f"rate_range is {rate_range_hz!r}, but must be two rates: [7, 50]")
    for rate_hz in rate_range_hz:
        check_number("rate_range", rate_hz)
    return tuple(rate_range_hz)


def rate_grid(low_hz: float, high_hz: float) -> list[float]:
    """GRID_POINTS rates in Hz, geometrically spaced, the ends exact."""
    ratio = high_hz / low_hz
    inner = (low_hz * ratio ** (step / (GRID_POINTS - 1)) for step in range(1, GRID_POINTS - 1))
    return [low_hz, *inner, high_hz]


def draw_rate(low_hz: float, high_hz: float) -> float:
    """A rate in Hz, evenly on a logarithmic scale: from 7 to 14 as often as from 14 to 28."""
    return min(high_hz, low_hz * (high_hz / low_hz) ** float(torch.rand(())))
