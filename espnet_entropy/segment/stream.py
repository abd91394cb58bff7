"""Boundaries while units arrive: those that `find_boundaries` gives for the whole recording."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_entropy.segment.boundaries import (
    SegmenterConfig,
    check_inputs,
    check_number,
    cut_long_segments,
    find_boundaries,
)
from espnet_entropy.segment.segmenters import SEGMENTERS


@dataclass(frozen=True)
class Finished:
    """Units of one stream that nothing will change any more.

    Attributes:
        first_frame: number of the first of them since the stream began.
        units: (n,) int64.
        entropies: (n,) float32, nats; None where there is no unit LM.
        boundaries: (n,) bool, True where a segment starts; None without a segmenter.
    """

    first_frame: int
    units: Tensor
    entropies: Tensor | None
    boundaries: Tensor | None


class SegmentStream:
    """A segmenter for one stream. Memory is that of two units, and of what one call brings.

    `content` holds max_segment or lookahead units, and its boundaries are those of the whole
    recording unless they had to be decided before its cheapest paths agreed (`forced_share`).

    Args:
        config: of a segmenter whose `lookahead` is known.
        thresholds: (2,) float, nats, as THRESHOLD_NAMES; needed by calibrated segmenters.
        points: (K, C) float32, of the units, as `Calibration.points`; needed by content.
        lookahead: frames after a unit that decide about it at the latest, for content; 50 if left
            out.

    Raises:
        ValueError: a segmenter or a min_rate_hz that need the whole recording.
    """

    def __init__(
        self,
        config: SegmenterConfig,
        thresholds: Tensor | None = None,
        points: Tensor | None = None,
        *,
        lookahead: int | None = None,
    ):
        if config.kind.lookahead is None:
            names = (name for name, kind in SEGMENTERS.items() if kind.lookahead is not None)
            raise ValueError(
                f"segmenter {config.segmenter!r} needs the whole recording; those that work while "
                f"it arrives are {', '.join(names)}"
            )
        if config.min_rate_hz is not None:
            raise ValueError(
                f"min_rate_hz {config.min_rate_hz} ranks the frames of the whole recording; leave "
                "it out while audio arrives"
            )
        self.config, self.thresholds = config, thresholds
        check_inputs(config, thresholds, points)
        within = config.kind.lookahead
        if lookahead is not None:
            check_number("lookahead", lookahead, whole=True)
            if not config.kind.has_distortion or lookahead < 0:
                raise ValueError(
                    f"lookahead is {lookahead} frames, but works with content, from 0 on; "
                    f"{config.segmenter} has {within}"
                )
            within = lookahead
        self.lookahead = within + config.lead
        self._path = None
        if config.kind.has_distortion:
            # Numba takes a second, for which the other segmenters need not wait.
            from espnet_entropy.segment.content_stream import PathStream

            self._path = PathStream(config, float(thresholds[0]), points, within)
        self._first = 0  # number of the first unit about which nothing was said yet
        self._open = 0  # frames since the last boundary, modulo max_segment
        self._state = torch.zeros(1, 1, dtype=torch.int64)
        # The unit before `_first`, if there is one, and those that wait for the next.
        self._units = torch.zeros(0, dtype=torch.int64)
        self._entropies = torch.zeros(0)

    @property
    def forced_share(self) -> float:
        """Share of the finished units that were decided before all cheapest paths agreed."""
        return self._path.forced / max(self._first, 1) if self._path is not None else 0.0

    def __call__(self, units: Tensor, entropies: Tensor, *, last: bool = False) -> Finished:
        """What becomes final with the next units.

        Args:
            units: (n,) int64, n at least 0.
            entropies: (n,) float32, nats.
            last: the recording ends with them, so nothing waits any longer.

        Raises:
            ValueError: the two differ in shape, or a threshold is missing.
        """
        if units.dim() != 1 or units.shape != entropies.shape:
            raise ValueError(
                f"units {tuple(units.shape)} and entropies {tuple(entropies.shape)}, but must be "
                "of one stream and one shape, (n,)"
            )
        before = min(self._first, 1)
        found = None if self._path is None else self._path(units, entropies, last=last)
        units = torch.cat([self._units.to(units.device), units])
        entropies = torch.cat([self._entropies.to(entropies.device), entropies])
        if found is None:
            until = len(units) - (0 if last else self.lookahead)
            found = self._uncut(units, entropies, slice(before, max(until, before)))
        boundaries = self._cut(found)
        first, count = self._first, len(boundaries)
        keep = max(before + count - 1, 0)
        # Copies, or one unit would keep the memory of all that came with it.
        self._units, self._entropies = units[keep:].clone(), entropies[keep:].clone()
        self._first += count
        final = slice(before, before + count)
        return Finished(first, units[final], entropies[final], boundaries)

    def _cut(self, found: Tensor) -> Tensor:
        """The next boundaries, with those of the recording's start and of max_segment."""
        if not len(found):
            return found
        if self._first == 0:
            found[0] = True
        if self.config.max_segment is None:
            return found
        # As many frames without a boundary as the last segment has, so that it is cut on.
        open_segment = found.new_zeros(self._open)
        joined = torch.cat([open_segment, found])
        joined[0] = True
        last = int(joined.nonzero()[-1])
        joined_cut = cut_long_segments(joined[None], self.config.max_segment)[0]
        self._open = (len(joined) - last) % self.config.max_segment
        return joined_cut[len(open_segment) :]

    def _uncut(self, units: Tensor, entropies: Tensor, wanted: slice) -> Tensor:
        """Before max_segment: by the frames' numbers, or from a unit and its neighbours."""
        if wanted.start >= wanted.stop:
            return torch.zeros(0, dtype=torch.bool, device=units.device)
        if self.config.kind.count is not None:
            stop = self._first + wanted.stop - wanted.start
            frames = torch.arange(self._first, stop, device=units.device)
            state = self._state.to(units.device)
            found, self._state = self.config.kind.count(
                units[None, wanted], frames, state, self.config
            )
            return found[0].clone()
        near = replace(self.config, max_segment=None)
        lengths = torch.tensor([len(units)], device=units.device)
        thresholds = self.thresholds
        return find_boundaries(units[None], entropies[None], lengths, near, thresholds)[0, wanted]
