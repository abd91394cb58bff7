"""Segmenters: where a segment of units starts.

A boundary at t means that a segment starts at unit t; t = 0 always starts one. Intervals are half
open, padding is on the right, masks are True where valid. No segmenter looks at the padding, so
the boundaries of an utterance do not depend on the batch around it.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from espnet_entropy.data.batch import valid_mask

# Thresholds a calibrated segmenter reads, in this order, from a buffer of fixed shape.
THRESHOLD_NAMES = ("global_nats", "relative_nats")
NEVER = float("-inf")
# `peaks` ranks every local maximum above every other frame. The core_sounds prompts have about 13
# maxima a second; at higher rates the threshold falls below zero and the highest other frames
# join. Above any ln K.
PEAKS_FIRST_NATS = 20.0


@dataclass(frozen=True)
class SegmenterConfig:
    """Which segmenter, with its settings. A model's YAML names these keys.

    Attributes:
        segmenter: a key of SEGMENTERS.
        on_change: boundaries only where the unit differs from the one before.
        rate_hz: segments per second aimed at; needed by fixed, uniform, random and dp.
        min_rate_hz: at least this many segments per second in each utterance; where there are
            fewer, the frames of highest entropy are added.
        max_segment: longest segment in frames; longer ones are cut into pieces of this length.
        frame_rate_hz: units per second.
        gap_cost: dp's price in nats for a squared frame of deviation from the mean gap.
        lead: frames by which a boundary comes before the unit whose entropy asks for it; entropies
            rise late, once the new sound has been heard.

    Raises:
        ValueError: an unknown segmenter, a value of the wrong type or out of range, or settings
            that do not go together.
    """

    segmenter: str = "global"
    on_change: bool = False
    rate_hz: float | None = None
    min_rate_hz: float | None = None
    max_segment: int | None = None
    frame_rate_hz: float = 50.0
    gap_cost: float = 0.3
    lead: int = 0

    def __post_init__(self):
        if self.segmenter not in SEGMENTERS:
            raise ValueError(f"segmenter {self.segmenter!r} is none of {', '.join(SEGMENTERS)}")
        self._check_types()
        if self.frame_rate_hz <= 0:
            raise ValueError(f"frame_rate_hz is {self.frame_rate_hz}, but must be positive")
        if self.gap_cost < 0:
            raise ValueError(f"gap_cost is {self.gap_cost} nats, but must be at least 0")
        if self.segmenter in NEEDS_RATE and self.rate_hz is None:
            raise ValueError(f"segmenter {self.segmenter!r} needs a rate in Hz")
        for name in ("rate_hz", "min_rate_hz"):
            rate = getattr(self, name)
            if rate is not None and not 0 < rate <= self.frame_rate_hz:
                raise ValueError(f"{name} is {rate}, but must lie in (0, {self.frame_rate_hz}]")
        if self.max_segment is not None and self.max_segment < 1:
            raise ValueError(f"max_segment is {self.max_segment} frames, but must be at least 1")
        if self.lead < 0:
            raise ValueError(f"lead is {self.lead} frames, but must be at least 0")
        for name in ("on_change", "lead"):
            if getattr(self, name) and self.segmenter not in CALIBRATED:
                raise ValueError(f"{name} works with {', '.join(CALIBRATED)}, not {self.segmenter}")

    def _check_types(self):
        # YAML makes a string of what stands in quotes, and "false" would count as true.
        if not isinstance(self.on_change, bool):
            raise ValueError(f"on_change is {self.on_change!r}, but must be true or false")
        for name in ("rate_hz", "min_rate_hz", "max_segment", "frame_rate_hz", "gap_cost", "lead"):
            value = getattr(self, name)
            if value is not None or name in ("frame_rate_hz", "gap_cost", "lead"):
                check_number(name, value, whole=name in ("max_segment", "lead"))

    @property
    def method(self) -> str:
        """The name under which a calibration is kept, such as `peaks+on_change`."""
        return self.segmenter + ("+on_change" if self.on_change else "")


def check_number(name: str, value: object, *, whole: bool = False) -> None:
    """Raise ValueError unless a setting is a finite number."""
    kinds = int if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not math.isfinite(value):
        what = "a whole number" if whole else "a finite number"
        raise ValueError(f"{name} is {value!r}, but must be {what}, without quotes")


def find_boundaries(
    units: Tensor,
    entropies: Tensor,
    lengths: Tensor,
    config: SegmenterConfig,
    thresholds: Tensor | None = None,
) -> Tensor:
    """Boundaries of a padded batch.

    Args:
        units: (B, T) int64.
        entropies: (B, T) float32, nats.
        lengths: (B,) int64 frames, each at least 1 and at most T.
        config: the segmenter and its settings.
        thresholds: (2,) float, nats, as THRESHOLD_NAMES; needed by CALIBRATED segmenters.

    Returns:
        (B, T) bool; False on the padding.

    Raises:
        ValueError: shapes, lengths or thresholds do not fit.
    """
    _check_batch(units, entropies, lengths)
    if config.segmenter in CALIBRATED and (thresholds is None or thresholds.isnan().any()):
        raise ValueError(
            f"segmenter {config.method!r} has no threshold yet; give a calibrated bundle "
            "(or a checkpoint trained with one)"
        )
    valid = valid_mask(lengths, units.shape[1])
    entropies = entropies.masked_fill(~valid, NEVER)
    if config.lead:
        units, entropies = _earlier(units, entropies, config.lead)
    boundaries = SEGMENTERS[config.segmenter](units, entropies, lengths, config, thresholds)
    boundaries = boundaries & valid
    boundaries[:, 0] = True
    if config.min_rate_hz is not None:
        boundaries = _raise_to_min_rate(boundaries, entropies, lengths, config)
    if config.max_segment is not None:
        boundaries = cut_long_segments(boundaries, config.max_segment) & valid
    return boundaries


def _earlier(units: Tensor, entropies: Tensor, frames: int) -> tuple[Tensor, Tensor]:
    """Both, moved to the left; what comes in at the right never fires."""
    frames = min(frames, units.shape[1])
    end = units[:, -1:].expand(-1, frames)
    moved = torch.nn.functional.pad(entropies[:, frames:], (0, frames), value=NEVER)
    return torch.cat([units[:, frames:], end], dim=1), moved


def segments_of(boundaries: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Segment ids and lengths.

    Args:
        boundaries: (B, T) bool, True at t = 0, False on the padding.
        lengths: (B,) int64 frames.

    Returns:
        segment_ids (B, T) int64: 0, 0, 1, ... and -1 on the padding; segment_lengths (B, S) int64
        in frames, 0 on the padding, where S is the largest number of segments in the batch.
    """
    valid = valid_mask(lengths, boundaries.shape[1])
    # In place: at a million units, new memory costs more than what is computed in it.
    ids = boundaries.cumsum(1).masked_fill_(~valid, 0)
    counts = ids.new_zeros(len(ids), int(ids.max()) + 1)
    # Padding is counted in a column of its own, which is dropped.
    counts.scatter_add_(1, ids, ids.new_ones(1, 1).expand_as(ids))
    return ids.sub_(1), counts[:, 1:]


def _check_batch(units: Tensor, entropies: Tensor, lengths: Tensor) -> None:
    if units.dim() != 2 or units.shape != entropies.shape or len(lengths) != len(units):
        raise ValueError(
            f"units {tuple(units.shape)}, entropies {tuple(entropies.shape)} and lengths "
            f"{tuple(lengths.shape)} do not fit together; expected (B, T), (B, T), (B,)"
        )
    if len(units) == 0:
        raise ValueError(f"units are {tuple(units.shape)}: the batch holds no utterance")
    if lengths.min() < 1 or lengths.max() > units.shape[1]:
        raise ValueError(
            f"lengths lie in [{int(lengths.min())}, {int(lengths.max())}], "
            f"but must lie in [1, {units.shape[1]}] frames"
        )


# Scores: a boundary is where the score exceeds the threshold.


def changed(units: Tensor) -> Tensor:
    """(B, T) bool: True where the unit differs from the one before; False at t = 0."""
    differs = torch.zeros_like(units, dtype=torch.bool)
    differs[:, 1:] = units[:, 1:] != units[:, :-1]
    return differs


def score(units: Tensor, entropies: Tensor, config: SegmenterConfig) -> tuple[Tensor, ...]:
    """What a CALIBRATED segmenter compares with its thresholds, -inf where it never fires.

    Args:
        units: (B, T) int64.
        entropies: (B, T) float32, nats, -inf on the padding.
        config: names the segmenter.

    Returns:
        One (B, T) tensor a threshold, in the order of CALIBRATED[segmenter].
    """
    scores = SCORES[config.segmenter](entropies)
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


# (B, T) entropies, -inf on the padding, to one score a threshold.
SCORES = {
    "global": lambda entropies: (entropies,),
    "relative": lambda entropies: (_relative(entropies),),
    "combined": lambda entropies: (entropies, _relative(entropies)),
    "peaks": lambda entropies: (_peaks(entropies),),
    "dp": lambda entropies: (entropies,),
}


def _above_threshold(units, entropies, lengths, config, thresholds):
    names = CALIBRATED[config.segmenter]
    fires = torch.zeros_like(units, dtype=torch.bool)
    for name, scores in zip(names, score(units, entropies, config), strict=True):
        fires |= scores > thresholds[THRESHOLD_NAMES.index(name)]
    return fires


def _best_path(units, entropies, lengths, config, thresholds):
    """Boundaries that maximise sum (H_t - threshold) - gap_cost * (gap - mean gap)^2.

    Dynamic programming over the frames, batch and gaps at once; source: this project. A path ends
    at the utterance's end, which closes the last gap and earns nothing. No gap is longer than four
    mean gaps, unless nothing may fire there.
    """
    (scores,) = score(units, entropies, config)
    # NumPy, because a step is too small for anything but the cost of its calls; and float64: a
    # path over a long run of frames that never fire pays 1e4 for each, beside which float32
    # forgets the nats.
    gains = (scores.double() - thresholds[0]).cpu().numpy()
    batch, length = gains.shape
    ends = lengths.cpu().numpy()
    rows = np.arange(batch)
    mean_gap = config.frame_rate_hz / config.rate_hz
    max_gap = min(length, max(2, int(4 * mean_gap)))
    costs = config.gap_cost * (np.arange(1, max_gap + 1) - mean_gap) ** 2

    # best[:, max_gap + t]: value of the best path with a boundary at t; the left rim is unreachable
    best = np.full((batch, max_gap + length + 1), NEVER)
    best[:, max_gap] = 0.0
    back = np.ones((batch, length + 1), dtype=np.int64)
    # Frames that never fire still pass paths on, at a price, or a long run of them would cut off
    # the rest of the utterance.
    gains = np.pad(gains.clip(min=-1e4), ((0, 0), (0, 1)))
    gains[rows, ends] = 0.0
    for t in range(1, length + 1):
        values = best[:, t : max_gap + t][:, ::-1] - costs
        gap = values.argmax(1)
        best[:, max_gap + t] = values[rows, gap] + gains[:, t]
        back[:, t] = gap + 1

    boundaries = np.zeros((batch, length + 1), dtype=bool)
    at = ends
    while (at > 0).any():
        at = (at - back[rows, at]).clip(min=0)
        boundaries[rows, at] = True
    kept = boundaries[:, :length] & (gains[:, :length] > -1e4)
    return torch.from_numpy(kept).to(units.device)


def _dense(units, entropies, lengths, config, thresholds):
    return torch.ones_like(units, dtype=torch.bool)


def _dedup(units, entropies, lengths, config, thresholds):
    return changed(units)


def _fixed(units, entropies, lengths, config, thresholds):
    return every_frames(torch.arange(units.shape[1], device=units.device), config).expand_as(units)


def _uniform(units, entropies, lengths, config, thresholds):
    return even_frames(torch.arange(units.shape[1], device=units.device), config).expand_as(units)


def _random(units, entropies, lengths, config, thresholds):
    frames = torch.arange(units.shape[1], device=units.device)
    return drawn_frames(units, frames, units.new_zeros(len(units), 1), config)[0]


# Segmenters that count frames, by the frames' numbers (n,), so that they can go on in a stream.


def every_frames(frames: Tensor, config: SegmenterConfig) -> Tensor:
    """fixed: (n,) bool, True every n-th frame, the whole number nearest to the rate."""
    return frames % max(1, round(config.frame_rate_hz / config.rate_hz)) == 0


def even_frames(frames: Tensor, config: SegmenterConfig) -> Tensor:
    """uniform: (n,) bool, True where floor(frame * rate / frame rate) takes a step."""
    share = config.rate_hz, config.frame_rate_hz
    now, before = (torch.floor(f.double() * share[0] / share[1]) for f in (frames, frames - 1))
    return now > before


def drawn_frames(
    units: Tensor, frames: Tensor, prefix: Tensor, config: SegmenterConfig
) -> tuple[Tensor, Tensor]:
    """random: frames drawn independently, by a hash of the units up to the frame and its number.

    Args:
        units: (B, n) int64.
        frames: (n,) int64, their numbers.
        prefix: (B, 1) int64, what this function returned for the units before; zeros at first.
        config: its rate is that of the draws.

    Returns:
        (B, n) bool, and the (B, 1) prefix for the units that follow.
    """
    sums = prefix + _hash(units * 1_000_003 + frames).cumsum(1)
    uniform = (_hash(sums + frames) & ((1 << 53) - 1)).double() / (1 << 53)
    # t = 0 is a boundary anyway; with one in 50 taken off, short utterances would come out low
    return uniform < config.rate_hz / config.frame_rate_hz, sums[:, -1:]


def _stored(units, entropies, lengths, config, thresholds):
    """Boundaries computed beforehand: 1 in place of an entropy, 0 elsewhere (see bpe.py)."""
    valid = valid_mask(lengths, units.shape[1])
    if not (((entropies == 0) | (entropies == 1)) | ~valid).all():
        raise ValueError(
            "segmenter 'stored' wants 0 and 1 in place of entropies, and these are entropies; "
            "`segment_bpe apply` makes such a dump, and recordings cannot be taken"
        )
    return entropies == 1


def _hash(x: Tensor) -> Tensor:
    """SplitMix64's mixing of int64 values, in wrapping arithmetic (constants as signed int64)."""
    x = x - 0x61C8864680B583EB
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)


def _raise_to_min_rate(boundaries, entropies, lengths, config):
    needed = torch.ceil(lengths.double() * config.min_rate_hz / config.frame_rate_hz).long()
    # Existing boundaries rank first, then frames by entropy, earlier ones first where equal.
    ranked = entropies.masked_fill(boundaries, float("inf"))
    order = ranked.sort(dim=1, descending=True, stable=True).indices
    rank = torch.empty_like(order)
    frames = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank.scatter_(1, order, frames)
    valid = valid_mask(lengths, boundaries.shape[1])
    return boundaries | ((rank < needed.unsqueeze(1)) & valid)


def cut_long_segments(boundaries: Tensor, max_segment: int) -> Tensor:
    """(B, T) bool, True at t = 0; adds a boundary wherever max_segment frames passed."""
    frames = torch.arange(boundaries.shape[1], device=boundaries.device).expand(boundaries.shape)
    starts = frames.masked_fill(~boundaries, 0).cummax(1).values
    return boundaries | ((frames - starts) % max_segment == 0)


# One signature: (units, entropies, lengths, config, thresholds) -> (B, T) bool; entropies are -inf
# on the padding, and what is said about t = 0 or the padding is overwritten. Checkpoints hold a
# segmenter's place in this table, so new ones go to its end.
SEGMENTERS = {
    "global": _above_threshold,
    "relative": _above_threshold,
    "combined": _above_threshold,
    "peaks": _above_threshold,
    "dp": _best_path,
    "dense": _dense,
    "dedup": _dedup,
    "fixed": _fixed,
    "uniform": _uniform,
    "random": _random,
    "stored": _stored,
}
# Segmenters whose rate is what comes of the units.
RATELESS = ("dense", "dedup", "stored")
# The thresholds each segmenter reads; these need a calibration.
CALIBRATED = {
    "global": ("global_nats",),
    "relative": ("relative_nats",),
    "combined": ("global_nats", "relative_nats"),
    "peaks": ("global_nats",),
    "dp": ("global_nats",),
}
NEEDS_RATE = ("dp", "fixed", "uniform", "random")


def with_rate(config: SegmenterConfig, rate_hz: float) -> SegmenterConfig:
    """The same settings at another rate."""
    return replace(config, rate_hz=rate_hz)
