"""Boundaries of a padded batch, with the settings of one segmenter.

A boundary at t means that a segment starts at unit t; t = 0 always starts one. Intervals are half
open, padding is on the right, masks are True where valid. No segmenter reads the padding, so the
boundaries of an utterance do not depend on the batch around it.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from espnet_entropy.data.batch import valid_mask
from espnet_entropy.segment.segmenters import NEVER, SEGMENTERS, Segmenter

ON_CHANGE = "+on_change"
OF_CONTENT = ("distortion_weight", "entropy_weight", "components")


@dataclass(frozen=True)
class SegmenterConfig:
    """Which segmenter, with its settings. A model's YAML names these keys.

    Attributes:
        segmenter: a key of SEGMENTERS.
        on_change: boundaries only where the unit differs from the one before.
        rate_hz: target in segments per second; `Segmenter.needs_rate` says who needs one.
        min_rate_hz: at least this many segments per second in each utterance; where there are
            fewer, the frames of highest entropy are added.
        max_segment: longest segment in frames; longer ones are cut into pieces of this length.
            `content` finds none that are longer, 100 if left out.
        frame_rate_hz: units per second.
        gap_cost: price in nats for a squared frame of deviation from the mean gap, of dp (0.3 if
            left out) and content (0).
        lead: frames by which a boundary comes before the unit whose entropy asks for it; entropies
            rise late, once the new sound has been heard.
        distortion_weight: content's price in nats of a distortion of 1 (4 if left out).
        entropy_weight: nats that content takes off a boundary's price for each nat of the entropy
            (1 if left out).
        components: content's distortion is of so many principal components of the centroids (24 if
            left out).

    Raises:
        ValueError: an unknown segmenter, a value of the wrong type or out of range, or settings
            that do not go together.
    """

    segmenter: str
    on_change: bool = False
    rate_hz: float | None = None
    min_rate_hz: float | None = None
    max_segment: int | None = None
    frame_rate_hz: float = 50.0
    gap_cost: float | None = None
    lead: int = 0
    distortion_weight: float | None = None
    entropy_weight: float | None = None
    components: int | None = None

    def __post_init__(self):
        if self.segmenter not in SEGMENTERS:
            raise ValueError(f"segmenter {self.segmenter!r} is none of {', '.join(SEGMENTERS)}")
        self._fill_in()
        self._check_types()
        if self.frame_rate_hz <= 0:
            raise ValueError(f"frame_rate_hz is {self.frame_rate_hz}, but must be positive")
        for name in ("gap_cost", *self.kind.settings):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, but must be at least 0")
        if self.distortion_weight == self.entropy_weight == 0:
            raise ValueError(
                "distortion_weight and entropy_weight are 0, so that nothing but the gaps decides; "
                "set one of them, or take segmenter uniform"
            )
        if self.components == 0:
            raise ValueError("components is 0, but the distortion needs at least 1")
        if self.kind.needs_rate and self.rate_hz is None:
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
            if getattr(self, name) and not self.kind.thresholds:
                names = ", ".join(key for key, kind in SEGMENTERS.items() if kind.thresholds)
                raise ValueError(f"{name} works with {names}, not {self.segmenter}")

    def _check_types(self):
        # YAML makes a string of what stands in quotes, and "false" would count as true.
        if not isinstance(self.on_change, bool):
            raise ValueError(f"on_change is {self.on_change!r}, but must be true or false")
        optional = ("rate_hz", "min_rate_hz", "max_segment", *OF_CONTENT)
        for name in (*optional, "frame_rate_hz", "gap_cost", "lead"):
            value = getattr(self, name)
            if value is not None or name not in optional:
                check_number(name, value, whole=name in ("max_segment", "lead", "components"))

    def _fill_in(self):
        defaults = dict(gap_cost=0.3, max_segment=self.kind.longest) | dict(self.kind.settings)
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def kind(self) -> Segmenter:
        """The segmenter's entry in SEGMENTERS."""
        return SEGMENTERS[self.segmenter]

    @property
    def method(self) -> str:
        """The name of the segmenter in calibrations and tables, such as `peaks+on_change`."""
        return self.segmenter + (ON_CHANGE if self.on_change else "")

    @classmethod
    def of_method(cls, method: str, rate_hz: float | None = None, **settings) -> "SegmenterConfig":
        """The configuration that a method's name and a rate describe; the inverse of `method`.

        Args:
            method: such as `dp` or `peaks+on_change`.
            rate_hz: target in segments per second; segmenters that have no rate ignore it.
            settings: further attributes.

        Raises:
            ValueError: no such method, or settings that do not go together.
        """
        name, on_change = parse_method(method)
        return cls(name, on_change, rate_hz if SEGMENTERS[name].has_rate else None, **settings)

    def at_rate(self, rate_hz: float) -> "SegmenterConfig":
        """The same settings at another rate."""
        return replace(self, rate_hz=rate_hz)


def parse_method(method: str) -> tuple[str, bool]:
    """`peaks+on_change` -> ("peaks", True); ValueError if it does not begin with a segmenter."""
    name = method.removesuffix(ON_CHANGE)
    if name not in SEGMENTERS:
        raise ValueError(
            f"method {method!r} is not a segmenter ({', '.join(SEGMENTERS)}), alone or followed by "
            f"{ON_CHANGE}"
        )
    return name, name != method


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
    points: Tensor | None = None,
) -> Tensor:
    """Boundaries of a padded batch.

    Args:
        units: (B, T) int64.
        entropies: (B, T) float32, nats.
        lengths: (B,) int64 frames, each at least 1 and at most T.
        config: the segmenter and its settings.
        thresholds: (2,) float, nats, as THRESHOLD_NAMES; needed by segmenters that are calibrated.
        points: (K, C) float32, of the units, as `Calibration.points`; needed by content.

    Returns:
        (B, T) bool; False on the padding.

    Raises:
        ValueError: shapes, lengths, thresholds or points do not fit.
    """
    _check_batch(units, entropies, lengths)
    check_inputs(config, thresholds, points)
    valid = valid_mask(lengths, units.shape[1])
    entropies = entropies.masked_fill(~valid, NEVER)
    if config.lead:
        units, entropies = _earlier(units, entropies, lengths, config.lead)
    more = (points,) if config.kind.has_distortion else ()
    boundaries = config.kind.boundaries(units, entropies, lengths, config, thresholds, *more)
    boundaries = boundaries & valid
    boundaries[:, 0] = True
    if config.min_rate_hz is not None:
        boundaries = _raise_to_min_rate(boundaries, entropies, lengths, config)
    if config.max_segment is not None:
        boundaries = cut_long_segments(boundaries, config.max_segment) & valid
    return boundaries


def check_inputs(config: SegmenterConfig, thresholds: Tensor | None, points: Tensor | None) -> None:
    """Raise ValueError where a segmenter lacks the thresholds or the points that it reads."""
    if config.kind.thresholds and (thresholds is None or thresholds.isnan().any()):
        raise ValueError(
            f"segmenter {config.method!r} has no threshold yet; give a calibrated bundle "
            "(or a checkpoint trained with one)"
        )
    if config.kind.has_distortion and points is None:
        raise ValueError(
            f"segmenter {config.method!r} reads the codebook, but has none; give a bundle (or a "
            "checkpoint trained with one)"
        )


def _earlier(units, entropies, lengths, frames: int) -> tuple[Tensor, Tensor]:
    """Both, moved to the left; the last unit comes in at the right, where nothing ever fires."""
    frames = min(frames, units.shape[1])
    sources = torch.arange(frames, frames + units.shape[1], device=units.device)
    units = units.gather(1, torch.minimum(sources, lengths.unsqueeze(1) - 1))
    moved = torch.nn.functional.pad(entropies[:, frames:], (0, frames), value=NEVER)
    return units, moved


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
