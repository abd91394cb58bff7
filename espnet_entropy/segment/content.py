"""Boundaries from content and predictive entropy: the cheapest segments of an utterance.

The boundaries minimise, over the segments of an utterance,

    distortion_weight * distortion + price - entropy_weight * H(first unit)
        + gap_cost * (length - mean length)^2

The distortion of a segment is the summed squared distance of its units' points from their mean, H
the predictive entropy. The first segment has no price. Sources: dynamic programming with a price
of a segment (Kamper and van Niekerk 2021); the entropy as the boundary's term is this project's.

Numba compiles the loops (every ESPnet environment has it, through librosa): a step in NumPy costs
more than all that is computed in it. Points are multiples of 2^-12, so that inner products and
their sums are exact in float64 and do not depend on the order of a sum.
"""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from espnet_entropy.data.batch import check_unit_range, valid_mask
from espnet_entropy.segment.path import NEVER

# Costs nearer to each other than this are equal; of equally cheap segments that end at the same
# unit, the shortest is taken.
TIE = 1e-9
# In place of the price where no boundary may be (on_change): a path passes there only if all others
# would exceed max_segment, and what comes out has no boundary there.
FORBIDDEN = 1e4


def cheapest_segments(
    units: Tensor, scores: Tensor, lengths: Tensor, config, price_nats: float, points: Tensor
) -> Tensor:
    """Boundaries of a padded batch; the cost is linear in units times `config.max_segment`.

    Args:
        units: (B, T) int64; anything on the padding.
        scores: (B, T) float32, predictive entropies in nats, -inf where no boundary may be.
        lengths: (B,) int64 frames.
        config: with distortion_weight, entropy_weight, gap_cost, max_segment and rates.
        price_nats: of a boundary.
        points: (K, C) float32, see `points.unit_points`.

    Returns:
        (B, T) bool; what it says about t = 0 and the padding has no meaning.

    Raises:
        ValueError: units that have no points.
    """
    units = units.masked_fill(~valid_mask(lengths, units.shape[1]), 0).cpu()
    check_unit_range(units, len(points))
    # Only the units that occur: a codebook of thousands has millions of pairs.
    used, numbers = np.unique(units.numpy(), return_inverse=True)
    similarity = similarities(points[torch.from_numpy(used).to(points.device)])
    scores = scores.cpu().numpy()
    starts = _batch(
        numbers.reshape(units.shape),
        entry_costs(scores, config, price_nats),
        lengths.cpu().numpy(),
        similarity,
        config.distortion_weight,
        gap_costs(config),
    )
    return torch.from_numpy(starts & (scores > NEVER)).to(lengths.device)


def similarities(points: Tensor) -> np.ndarray:
    """(K, K) float64 inner products of points (K, C), exact."""
    values = points.detach().cpu().double().numpy()
    return values @ values.T


def entry_costs(scores: np.ndarray, config, price_nats: float) -> np.ndarray:
    """What a segment costs that starts at each unit: float64, of the scores' shape."""
    allowed = scores > NEVER
    entropies = np.where(allowed, scores, 0.0).astype(np.float64)
    return np.where(allowed, price_nats - config.entropy_weight * entropies, FORBIDDEN)


def gap_costs(config) -> np.ndarray:
    """What each length of a segment costs: (max_segment + 1,) float64."""
    mean = config.frame_rate_hz / config.rate_hz
    return config.gap_cost * (np.arange(config.max_segment + 1) - mean) ** 2


@njit(nogil=True)
def extend(t, units, entries, similarity, weight, gap_cost, best, closed, pairs, norms, gaps):
    """Take in unit t: the cheapest path to each end up to t is known, find that to t + 1.

    The distortion of a segment of n units is its sum of squared norms less 1/n of the inner
    products of all its pairs; `pairs` holds the latter for each start and grows by one unit.
    """
    unit = units[t]
    own = similarity[unit, unit]
    best[t] = closed[t] + entries[t]
    norms[t + 1] = norms[t] + own
    pairs[t] = 0.0
    lowest, chosen, shared = np.inf, 1, -own
    for gap in range(1, min(len(gap_cost) - 1, t + 1) + 1):
        start = t + 1 - gap
        shared += similarity[unit, units[start]]
        pairs[start] += 2.0 * shared + own
        distortion = norms[t + 1] - norms[start] - pairs[start] / gap
        cost = best[start] + weight * distortion + gap_cost[gap]
        if cost < lowest - TIE:
            lowest, chosen = cost, gap
    closed[t + 1], gaps[t + 1] = lowest, chosen


@njit(nogil=True)
def _batch(units, entries, lengths, similarity, weight, gap_cost):
    starts = np.zeros(units.shape, dtype=np.bool_)
    most = units.shape[1] + 1
    best, closed, pairs, norms = np.zeros(most), np.zeros(most), np.zeros(most), np.zeros(most)
    gaps = np.zeros(most, dtype=np.int64)
    for row in range(len(units)):
        entries[row, 0] = 0.0
        for t in range(lengths[row]):
            extend(
                t,
                units[row],
                entries[row],
                similarity,
                weight,
                gap_cost,
                best,
                closed,
                pairs,
                norms,
                gaps,
            )
        at = lengths[row]
        while at > 0:
            at -= gaps[at]
            starts[row, at] = True
    return starts
