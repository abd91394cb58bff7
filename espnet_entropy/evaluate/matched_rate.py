"""Boundaries of the segmenters at a rate reached where somebody speaks, so that they compare.

A calibration's rates count the silences too, in which methods differ: one that places nothing there
would be scored with more boundaries in speech than another of the same rate.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from espnet_entropy.evaluate.boundary_scores import Reference, within
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries, parse_method
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.segmenters import SEGMENTERS

# utterances, units (B, T) int64, entropies (B, T) float32, lengths (B,) int64
NamedBatch = tuple[list[str], Tensor, Tensor, Tensor]
ENOUGH_HZ = 0.05
_STEPS = 12


@dataclass(frozen=True)
class MatchedBoundaries:
    """Boundaries of a set.

    Attributes:
        times: utterance -> (n,) float64 seconds; the start of the utterance is not among them.
        speech_hz: boundaries per second that were reached inside speech.
        overall_hz: segments per second over everything.
    """

    times: dict[str, np.ndarray]
    speech_hz: float
    overall_hz: float


def at_rates(methods: Iterable[str], rates_hz: Iterable[float]) -> list[tuple[str, float | None]]:
    """Each method at each rate in Hz; methods that have no rate once, with None, at the end."""
    has_rate = {method: SEGMENTERS[parse_method(method)[0]].has_rate for method in methods}
    at = [(method, rate) for rate in rates_hz for method in has_rate if has_rate[method]]
    return at + [(method, None) for method in has_rate if not has_rate[method]]


def boundaries_at(
    batches: list[NamedBatch],
    references: Mapping[str, Reference],
    config: SegmenterConfig,
    calibration: Calibration,
) -> MatchedBoundaries:
    """Boundaries of one method with its rate over everything, as models segment.

    Args:
        batches: a set.
        references: of the utterances that are scored; others are segmented all the same.
        config: the method at a rate.
        calibration: whose thresholds it takes.

    Raises:
        ValueError: the method does not reach the rate.
    """
    thresholds = calibration.thresholds(config)
    times, segments, frames = {}, 0, 0
    for utts, *batch in batches:
        found = find_boundaries(*batch, config, thresholds, calibration.points)
        segments, frames = segments + int(found.sum()), frames + int(batch[2].sum())
        for utt, row in zip(utts, found, strict=True):
            times[utt] = row.nonzero()[:, 0].numpy()[1:] / config.frame_rate_hz
    inside = sum(len(within(times[utt], r.region)) for utt, r in references.items())
    seconds = sum(reference.seconds for reference in references.values())
    return MatchedBoundaries(
        times=times,
        speech_hz=inside / seconds,
        overall_hz=segments / frames * config.frame_rate_hz,
    )


def match_rate(
    batches: list[NamedBatch],
    references: Mapping[str, Reference],
    config: SegmenterConfig,
    calibration: Calibration,
) -> MatchedBoundaries:
    """Boundaries of one method, set so that `config.rate_hz` is reached inside speech.

    The method's rate over everything is halved in on, between the ends of its calibration; of
    the rates tried the nearest is taken. Methods without a rate are taken as they are.

    Args:
        batches: a set.
        references: of the utterances that are scored.
        config: the method at the rate wanted inside speech.
        calibration: whose thresholds it takes.

    Raises:
        ValueError: the method was not calibrated, or cannot reach the rate within 5 %.
    """
    if config.rate_hz is None:
        return boundaries_at(batches, references, config, calibration)
    low, high = _reach(config, calibration)
    wanted, best = config.rate_hz, None
    rate_hz = min(max(wanted, low), high)
    for _ in range(_STEPS):
        made = boundaries_at(batches, references, config.at_rate(rate_hz), calibration)
        if best is None or abs(made.speech_hz - wanted) < abs(best.speech_hz - wanted):
            best = made
        if abs(best.speech_hz - wanted) < ENOUGH_HZ:
            break
        low, high = (rate_hz, high) if made.speech_hz < wanted else (low, rate_hz)
        rate_hz = (low + high) / 2
    if abs(best.speech_hz - wanted) > max(0.05 * wanted, ENOUGH_HZ):
        raise ValueError(
            f"{config.method!r} comes to {best.speech_hz:.2f} boundaries per second inside speech, "
            f"not to {wanted:g}; choose another rate"
        )
    return best


def _reach(config: SegmenterConfig, calibration: Calibration) -> tuple[float, float]:
    """Rates in Hz between which the method can be set."""
    if config.kind.needs_rate and not config.kind.thresholds:
        return 0.5, config.frame_rate_hz
    calibration.thresholds(config)  # says what is wrong, if the rate is out of reach
    rates = calibration.methods[config.method]["rate_hz"]
    return rates[0], rates[-1]


def read_batches(batches) -> tuple[list[NamedBatch], dict[str, int]]:
    """A list of `padded_batches`, and the frames of each utterance."""
    batches = list(batches)
    frames = {}
    for utts, *_, lengths in batches:
        frames |= dict(zip(utts, lengths.tolist(), strict=True))
    return batches, frames
