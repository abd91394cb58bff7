"""Segmenter content while units arrive: a boundary is final when all cheapest paths agree on it."""

import numpy as np
import torch
from numba import njit
from torch import Tensor

from espnet_entropy.data.batch import check_unit_range
from espnet_entropy.segment.content import TIE, entry_costs, extend, gap_costs, similarities
from espnet_entropy.segment.segmenters import NEVER, score


class PathStream:
    """The cheapest paths of one stream; memory is that of max_segment or lookahead units.

    The path to each unit at which the next segment may start is kept. What these have in common is
    final, as offline. After `lookahead` frames the cheapest path so far decides, and those that
    differ are given up.

    Args:
        config: of segmenter content.
        price_nats: of a boundary.
        points: (K, C) float32, see `unit_points`.
        lookahead: frames after a unit that decide about it at the latest, `lead` not counted.

    Attributes:
        forced: frames that were decided while paths disagreed about them.
    """

    def __init__(self, config, price_nats: float, points: Tensor, lookahead: int):
        self.config, self.price_nats, self.lookahead = config, price_nats, lookahead
        self.forced = 0
        self._num_units = len(points)
        self._costs = similarities(points), config.distortion_weight, gap_costs(config)
        self._curvature = 2.0 * config.gap_cost
        self._skipped = 0  # of the first units, `lead` at most
        self._latest = torch.zeros(0, dtype=torch.int64)
        # Units, whether and at what cost a segment starts there; and what `extend` knows of ends.
        self._units, self._allowed, self._entries = np.zeros(0, int), np.zeros(0, bool), np.zeros(0)
        self._ends, self._gaps = np.zeros((4, 1)), np.zeros(1, int)
        self._done = 0  # units held that are decided

    def __call__(self, units: Tensor, entropies: Tensor, *, last: bool) -> Tensor:
        """Boundaries that become final with the next units: (m,) bool, m not n.

        Args:
            units: (n,) int64.
            entropies: (n,) float32, nats.
            last: the recording ends with them.

        Raises:
            ValueError: units that have no points.
        """
        check_unit_range(units, self._num_units)
        known = len(self._units)
        self._take(*self._moved(units.cpu(), entropies.cpu(), last))
        arrays = self._units, self._entries, *self._costs, *self._ends, self._gaps
        starts, done, forced = _advance(
            known, self._done, self.lookahead, last, self._curvature, *arrays
        )
        found = starts[self._done : done] & self._allowed[self._done : done]
        self._done, self.forced = done, self.forced + forced
        self._drop(max(0, min(done, len(self._units) - self.config.max_segment)))
        return torch.from_numpy(found).to(units.device)

    def _moved(self, units: Tensor, entropies: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """Both, `lead` frames earlier, as `find_boundaries` moves them."""
        self._latest = torch.cat([self._latest, units])[-1:]
        skipped = min(self.config.lead - self._skipped, len(units))
        self._skipped += skipped
        units, entropies = units[skipped:], entropies[skipped:]
        if last and self._skipped:
            units = torch.cat([units, self._latest.expand(self._skipped)])
            entropies = torch.cat([entropies, entropies.new_full((self._skipped,), NEVER)])
        return units, entropies

    def _take(self, units: Tensor, entropies: Tensor) -> None:
        """Hold further units. The first one of a stream starts a segment at no cost."""
        if not len(units):
            return
        before = torch.from_numpy(self._units[-1:])
        entropies = torch.cat([entropies.new_zeros(len(before)), entropies])
        (scores,) = score(torch.cat([before, units])[None], entropies[None], self.config)
        scores = scores[0, len(before) :].numpy()
        entries = entry_costs(scores, self.config, self.price_nats)
        if not len(before):
            entries[0] = 0.0
        self._units = np.concatenate([self._units, units.numpy()])
        self._allowed = np.concatenate([self._allowed, scores > NEVER])
        self._entries = np.concatenate([self._entries, entries])
        self._ends = np.pad(self._ends, ((0, 0), (0, len(units))))
        self._gaps = np.pad(self._gaps, (0, len(units)))

    def _drop(self, count: int) -> None:
        """Forget the first units; copies, or what is left would keep the memory of all."""
        self._done -= count
        for name in ("_units", "_allowed", "_entries", "_gaps"):
            setattr(self, name, getattr(self, name)[count:].copy())
        self._ends = self._ends[:, count:].copy()


@njit(nogil=True)
def _advance(
    known,
    done,
    lookahead,
    last,
    curvature,
    units,
    entries,
    similarity,
    weight,
    gap_cost,
    best,
    closed,
    pairs,
    norms,
    gaps,
):
    """Take in the units from `known` on: (boundaries, number of units decided, forced ones)."""
    starts = np.zeros(len(units), dtype=np.bool_)
    forced = 0
    for t in range(known, len(units)):
        _give_up(t, entries, weight, gap_cost, curvature, best, closed, pairs, norms)
        extend(t, units, entries, similarity, weight, gap_cost, best, closed, pairs, norms, gaps)
        while done <= t - lookahead:
            starts[done], agreed = _decided(done, t + 1, len(gap_cost) - 1, best, gaps, True)
            forced += not agreed
            done += 1
    while done < len(units):
        start, agreed = _decided(done, len(units), len(gap_cost) - 1, best, gaps, False)
        if not (agreed or last):
            break
        starts[done] = start
        done += 1
    return starts, done, forced


@njit(nogil=True)
def _give_up(t, entries, weight, gap_cost, curvature, best, closed, pairs, norms):
    """Drop the starts s whose segment would be cheaper if it were cut at t, wherever it ends.

    To cut a segment never adds distortion, and lowers the cost of its length by at least
    gap_cost * (2 * (t - s) - mean^2), which is that of an end at t + 1 (Killick, Fearnhead and
    Eckley 2012, "PELT", where lengths cost nothing).
    """
    for gap in range(1, min(len(gap_cost) - 1, t) + 1):
        start = t - gap
        cost = best[start] + weight * (norms[t] - norms[start] - pairs[start] / gap) + gap_cost[gap]
        if cost > closed[t] + entries[t] + gap_cost[0] - curvature * gap + TIE:
            best[start] = np.inf


@njit(nogil=True)
def _decided(frame, end, longest, best, gaps, force):
    """Whether the cheapest path to `end` has a boundary at a frame, and all others say the same."""
    start, agreed = _passes(frame, end, gaps), True
    for node in range(max(0, end + 1 - longest), end):
        if best[node] < np.inf and _passes(frame, node, gaps) != start:
            agreed = False
            if force:
                best[node] = np.inf
    return start, agreed


@njit(nogil=True)
def _passes(frame, node, gaps):
    while node > frame:
        node -= gaps[node]
    return node == frame
