"""The thresholds with which a segmenter reaches a rate on a held-out set."""

import bisect
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from espnet_entropy.data.batch import valid_mask
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.segmenters import NEVER, THRESHOLD_NAMES, score

Batch = tuple[Tensor, Tensor, Tensor]  # units, entropies, lengths


def ranked_scores(batches: Sequence[Batch], config: SegmenterConfig) -> list[Tensor]:
    """For each threshold the scores of all frames at which it may fire, descending."""
    candidates: list[list[Tensor]] = [[] for _ in config.kind.thresholds]
    for units, entropies, lengths in batches:
        masked = entropies.masked_fill(~valid_mask(lengths, units.shape[1]), NEVER)
        for scores, found in zip(score(units, masked, config), candidates, strict=True):
            found.append(scores[scores > NEVER])
    # NumPy sorts float32 several times faster than torch does.
    ranked = (np.sort(torch.cat(found).cpu().numpy())[::-1] for found in candidates)
    return [torch.from_numpy(values.astype(np.float64)) for values in ranked]


def count_reached(batches, ranked, config: SegmenterConfig, thresholds: Tensor, points) -> int:
    """Segments with these thresholds; read off the ranking where there is one threshold."""
    if not config.kind.by_rank:
        return _count_segments(batches, config, thresholds, points)
    (name,), (scores,) = config.kind.thresholds, ranked
    threshold = float(thresholds[THRESHOLD_NAMES.index(name)])
    above = bisect.bisect_left(range(len(scores)), True, key=lambda i: scores[i] <= threshold)
    return sum(len(lengths) for *_, lengths in batches) + above


def _count_segments(batches: Sequence[Batch], config, thresholds: Tensor, points) -> int:
    return sum(int(find_boundaries(*batch, config, thresholds, points).sum()) for batch in batches)


def threshold_for_rate(batches, ranked, config, seconds, points) -> Tensor | None:
    """(2,) thresholds with which the rate comes nearest to config.rate_hz; None if out of reach."""
    utterances = sum(len(lengths) for *_, lengths in batches)
    wanted = round(config.rate_hz * seconds) - utterances
    if wanted < 0 or not all(map(len, ranked)):
        return None
    if config.kind.by_rank:
        if wanted > len(ranked[0]):
            return None
        return _as_buffer(config, [_midpoint(ranked[0], wanted)])
    if config.kind.has_distortion:
        return _bisect_price(batches, config, points, wanted + utterances)
    return _bisect(batches, config, ranked, wanted + utterances)


def _bisect_price(batches, config, points, num_segments) -> Tensor:
    """The price of a boundary, by bisection between prices that are too low and too high."""

    def count(price: float) -> int:
        return _count_segments(batches, config, _as_buffer(config, [price]), points)

    low, high = -8.0, 8.0
    while count(low) < num_segments and low > -1e3:
        low *= 2
    while count(high) > num_segments and high < 1e3:
        high *= 2
    for _ in range(24):
        price = (low + high) / 2
        found = count(price)
        if abs(found - num_segments) <= 1e-4 * num_segments:
            break
        low, high = (low, price) if found < num_segments else (price, high)
    return _as_buffer(config, [price])


def _bisect(batches, config, ranked, num_segments) -> Tensor:
    """Thresholds of a segmenter whose counts are not read off a ranking, by bisection.

    A single threshold is a price between the ends of the scores; two thresholds are taken at the
    same quantile of their scores.
    """
    has_price = len(ranked) == 1

    def at(quantile: float) -> Tensor:
        if has_price:
            span = (ranked[0][-1] - 10.0, ranked[0][0] + 10.0)
            return _as_buffer(config, [float(span[1] + quantile * (span[0] - span[1]))])
        return _as_buffer(config, [_midpoint(r, round(quantile * len(r))) for r in ranked])

    low, high = 0.0, 1.0
    for _ in range(14 if has_price else 24):
        middle = (low + high) / 2
        count = _count_segments(batches, config, at(middle), None)
        low, high = (middle, high) if count < num_segments else (low, middle)
    return at(high)


def _midpoint(ranked: Tensor, count: int) -> float:
    """A value that `count` of the descending values exceed, midway between its neighbours."""
    above = ranked[count - 1] if count > 0 else ranked[0] + 1.0
    below = ranked[count] if count < len(ranked) else ranked[-1] - 1.0
    return float((above + below) / 2)


def _as_buffer(config: SegmenterConfig, values: list[float]) -> Tensor:
    thresholds = torch.zeros(len(THRESHOLD_NAMES))
    for name, value in zip(config.kind.thresholds, values, strict=True):
        thresholds[THRESHOLD_NAMES.index(name)] = value
    return thresholds
