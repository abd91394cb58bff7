"""The segmenters: one object for each, in one registry.

To add one, write a function with the signature of `Segmenter.boundaries` and an
entry of SEGMENTERS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from espnet_entropy.data.batch import valid_mask
from espnet_entropy.segment import frames
from espnet_entropy.segment.path import NEVER, best_path

# The thresholds that segmenters read, in this order, from a buffer of fixed shape.
THRESHOLD_NAMES = ("global_nats", "relative_nats")
# `peaks` ranks every local maximum above every other frame. The core_sounds prompts have about 13
# maxima per second; at higher rates the threshold falls below zero and the highest other frames
# join. Above any ln K.
PEAKS_FIRST_NATS = 20.0
EVERY_HZ = tuple(range(2, 50))


@dataclass(frozen=True)
class Segmenter:
    """What the package knows about a segmenter.

    Attributes:
        boundaries: units (B, T) int64, entropies (B, T) float32 in nats with -inf on the padding,
            lengths (B,) int64, a SegmenterConfig and thresholds (2,) -> boundaries (B, T) bool,
            whose values at t = 0 and on the padding have no meaning. Those with `has_distortion`
            also take the points of the units (K, C), see `points.unit_points`.
        thresholds: names of those that it reads from a calibration; empty if it needs none.
        scores: entropies (B, T) -> for each threshold the (B, T) tensor compared with it.
        by_rank: boundaries are where one score exceeds one threshold, so that a calibration reads
            their number off the sorted scores; otherwise it searches.
        grid_hz: target rates of a calibration.
        needs_rate: it reads `rate_hz` itself.
        has_rate: a rate can be chosen; otherwise the units alone decide.
        settings: of `SegmenterConfig`, those on which its thresholds depend, with their defaults.
        has_distortion: it reads the codebook.
        longest: default of `max_segment`.
        lookahead: frames after t that decide about t; None if it needs the whole recording. With
            `has_distortion`, the frames after which a stream decides about t.
        count: its rule in `frames`, if it counts frames.
    """

    boundaries: Callable[..., Tensor]
    thresholds: tuple[str, ...] = ()
    scores: Callable[[Tensor], tuple[Tensor, ...]] | None = None
    by_rank: bool = False
    grid_hz: tuple[int, ...] = EVERY_HZ
    needs_rate: bool = False
    has_rate: bool = True
    settings: Mapping[str, float] = field(default_factory=dict)
    has_distortion: bool = False
    longest: int | None = None
    lookahead: int | None = 0
    count: Callable[..., tuple[Tensor, Tensor]] | None = None


def changed(units: Tensor) -> Tensor:
    """(B, T) bool: True where the unit differs from the one before; False at t = 0."""
    differs = torch.zeros_like(units, dtype=torch.bool)
    differs[:, 1:] = units[:, 1:] != units[:, :-1]
    return differs


def score(units: Tensor, entropies: Tensor, config) -> tuple[Tensor, ...]:
    """What a calibrated segmenter compares with its thresholds; -inf where it never fires.

    Args:
        units: (B, T) int64.
        entropies: (B, T) float32, nats, -inf on the padding.
        config: names the segmenter.

    Returns:
        One (B, T) tensor for each threshold, in the order of `Segmenter.thresholds`.
    """
    scores = config.kind.scores(entropies)
    keep = changed(units) if config.on_change else torch.ones_like(units[:1], dtype=torch.bool)
    keep[:, 0] = False
    return tuple(s.masked_fill(~keep, NEVER) for s in scores)


def _relative(entropies: Tensor) -> Tensor:
    """Entropy less that of the unit before; -inf at t = 0 and on the padding."""
    relative = torch.full_like(entropies, NEVER)
    torch.sub(entropies[:, 1:], entropies[:, :-1], out=relative[:, 1:])
    # -inf minus -inf, on the padding
    return relative.masked_fill_(entropies == NEVER, NEVER)


def _peaks(entropies: Tensor) -> Tensor:
    """Entropies; those that are no local maximum are lower by PEAKS_FIRST_NATS."""
    following = torch.nn.functional.pad(entropies[:, 1:], (0, 1), value=NEVER)
    is_peak = (_relative(entropies) > 0) & (entropies >= following)
    return torch.where(is_peak, entropies, entropies - PEAKS_FIRST_NATS)


def _above_threshold(units, entropies, lengths, config, thresholds):
    fires = torch.zeros_like(units, dtype=torch.bool)
    for name, scores in zip(config.kind.thresholds, score(units, entropies, config), strict=True):
        fires |= scores > thresholds[THRESHOLD_NAMES.index(name)]
    return fires


def _even_gaps(units, entropies, lengths, config, thresholds):
    (scores,) = score(units, entropies, config)
    mean_gap = config.frame_rate_hz / config.rate_hz
    return best_path(
        scores, lengths, float(thresholds[0]), mean_gap=mean_gap, gap_cost=config.gap_cost
    )


def _content(units, entropies, lengths, config, thresholds, points):
    # Numba takes a second, for which the other segmenters need not wait.
    from espnet_entropy.segment.content import cheapest_segments

    (scores,) = score(units, entropies, config)
    return cheapest_segments(units, scores, lengths, config, float(thresholds[0]), points)


def _dense(units, entropies, lengths, config, thresholds):
    return torch.ones_like(units, dtype=torch.bool)


def _dedup(units, entropies, lengths, config, thresholds):
    return changed(units)


def _counted(units, entropies, lengths, config, thresholds):
    numbers = torch.arange(units.shape[1], device=units.device)
    return config.kind.count(units, numbers, units.new_zeros(len(units), 1), config)[0]


def _stored(units, entropies, lengths, config, thresholds):
    """Boundaries computed beforehand: 1 in place of an entropy, 0 elsewhere (see units/bpe.py)."""
    valid = valid_mask(lengths, units.shape[1])
    if not (((entropies == 0) | (entropies == 1)) | ~valid).all():
        raise ValueError(
            "segmenter 'stored' reads 0 and 1 in place of entropies, but these are entropies; "
            "`segment_bpe apply` makes such a dump, and recordings cannot be taken"
        )
    return entropies == 1


GLOBAL, RELATIVE = THRESHOLD_NAMES
SEGMENTERS = {
    "global": Segmenter(_above_threshold, (GLOBAL,), lambda h: (h,), by_rank=True),
    "relative": Segmenter(_above_threshold, (RELATIVE,), lambda h: (_relative(h),), by_rank=True),
    "combined": Segmenter(_above_threshold, (GLOBAL, RELATIVE), lambda h: (h, _relative(h))),
    "peaks": Segmenter(
        _above_threshold, (GLOBAL,), lambda h: (_peaks(h),), by_rank=True, lookahead=1
    ),
    "dp": Segmenter(
        _even_gaps,
        (GLOBAL,),
        lambda h: (h,),
        # A trial costs a pass over the frames, so the grid is coarser.
        grid_hz=(5, 7, 10, 12, 15, 18, 21, 24, 28, 33, 38, 43, 49),
        needs_rate=True,
        settings=dict(gap_cost=0.3),
        lookahead=None,
    ),
    "content": Segmenter(
        _content,
        (GLOBAL,),
        lambda h: (h,),
        grid_hz=(2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 18, 21, 24, 28, 33, 38, 43, 49),
        needs_rate=True,
        settings=dict(gap_cost=0.0, distortion_weight=4.0, entropy_weight=1.0, components=24),
        has_distortion=True,
        longest=100,
        lookahead=50,
    ),
    "dense": Segmenter(_dense, has_rate=False),
    "dedup": Segmenter(_dedup, has_rate=False),
    "fixed": Segmenter(_counted, needs_rate=True, count=frames.every_nth),
    "uniform": Segmenter(_counted, needs_rate=True, count=frames.evenly),
    "random": Segmenter(_counted, needs_rate=True, count=frames.drawn),
    "stored": Segmenter(_stored, has_rate=False, lookahead=None),
}
