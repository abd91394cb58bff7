"""Units and entropies in, one vector a segment out: the call everything else is built on."""

import bisect
import inspect
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from espnet_entropy.aggregate import RECOMMENDED_AGGREGATOR
from espnet_entropy.aggregate.aggregators import AGGREGATORS
from espnet_entropy.aggregate.threshold_record import (
    ThresholdRecord,
    convert_old_record,
    settings_text,
)
from espnet_entropy.data.batch import check_unit_range, valid_mask
from espnet_entropy.segment.boundaries import (
    SegmenterConfig,
    check_number,
    find_boundaries,
    segments_of,
)
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.rates import GRID_POINTS, check_rate_range, draw_rate, rate_grid
from espnet_entropy.segment.segmenters import THRESHOLD_NAMES

# Frames; longer segments share one vector.
MAX_DURATION = 32


@dataclass(frozen=True)
class Encoded:
    """A batch of segments.

    Attributes:
        vectors: (B, S, D) float32, zeros on the padding.
        segment_lengths: (B, S) int64 frames, 0 on the padding.
        segment_ids: (B, T) int64, -1 on the padding.
    """

    vectors: Tensor
    segment_lengths: Tensor
    segment_ids: Tensor

    @property
    def num_segments(self) -> Tensor:
        """(B,) int64."""
        return (self.segment_lengths > 0).sum(1)


class SegmentEncoder(nn.Module):
    """Unit embedding, segmentation and aggregation.

    Args:
        num_units: K.
        dim: D, of embeddings and vectors.
        segmenter: where segments start.
        rate_range_hz: (lowest, highest). Each batch of a training then has a rate of its own,
            drawn evenly on a logarithmic scale, and `set_rate` chooses any rate in the range
            afterwards; until then it is that of `segmenter`. The rate at which every unit is a
            segment may be part of it.
        threshold_nats: in place of a calibrated threshold for the segmenter's rate.
        aggregator: a key of AGGREGATORS.
        aggregator_conf: its keyword arguments.
        durations: add a learnt vector of the segment's length to its vector. Entropy segments
            differ in length, and pooling forgets how long they were.
        unit_mask: share of the units that are hidden in training, in spans; spans may overlap, so
            somewhat fewer are.
        mask_span: length of such a span in units.
        dropout: of the unit embeddings, in training.

    Raises:
        ValueError: settings out of range; loading a state whose thresholds were made for another
            segmenter or rate.
    """

    def __init__(
        self,
        num_units: int,
        dim: int,
        segmenter: SegmenterConfig,
        *,
        rate_range_hz: tuple[float, float] | None = None,
        threshold_nats: float | None = None,
        aggregator: str = RECOMMENDED_AGGREGATOR,
        aggregator_conf: dict | None = None,
        durations: bool = False,
        unit_mask: float = 0.0,
        mask_span: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__()
        if aggregator not in AGGREGATORS:
            raise ValueError(f"aggregator {aggregator!r} is none of {', '.join(AGGREGATORS)}")
        if not 0 <= unit_mask < 1 or mask_span < 1:
            raise ValueError(f"unit_mask {unit_mask} must be in [0, 1), mask_span {mask_span} >= 1")
        if threshold_nats is not None:
            check_number("threshold", threshold_nats)
        if rate_range_hz is not None:
            check_rate_range(rate_range_hz, segmenter, threshold_nats)
        self.num_units = num_units
        self.segmenter = segmenter
        self.rate_range_hz = rate_range_hz
        self.threshold_nats = threshold_nats
        self.unit_mask = unit_mask
        self.mask_span = mask_span
        self.embedding = nn.Embedding(num_units, dim)
        # Training on several processes (DDP) refuses parameters that take no part in the loss.
        self.mask_embedding = nn.Parameter(torch.zeros(dim), requires_grad=unit_mask > 0)
        self.dropout = nn.Dropout(dropout)
        self.aggregator = _build_aggregator(aggregator, dim, aggregator_conf or {})
        self.durations = nn.Parameter(torch.zeros(MAX_DURATION + 1, dim)) if durations else None
        self._grid_hz = rate_grid(*rate_range_hz) if rate_range_hz else [segmenter.rate_hz]
        has_points = segmenter.kind.has_distortion
        self.threshold_record = ThresholdRecord(
            self._made_for(),
            len(self._grid_hz),
            is_read=bool(segmenter.kind.thresholds),
            points=(num_units, segmenter.components) if has_points else None,
        )
        self.register_load_state_dict_pre_hook(convert_old_record)

    @property
    def thresholds(self) -> Tensor:
        """(2,) float32, nats, as THRESHOLD_NAMES, for the segmenter's rate.

        NaN until a bundle or a checkpoint gives them.
        """
        return self._thresholds_at(self.segmenter.rate_hz)

    def _thresholds_at(self, rate_hz: float | None) -> Tensor:
        """Those of the one rate; of many rates, interpolated between the two of the grid."""
        grid = self.threshold_record.thresholds
        if self.rate_range_hz is None:
            return grid[0]
        right = bisect.bisect_left(self._grid_hz, rate_hz, 1, GRID_POINTS - 1)
        low, high = self._grid_hz[right - 1], self._grid_hz[right]
        weight = (rate_hz - low) / (high - low)
        return torch.lerp(grid[right - 1], grid[right], weight)

    @torch.no_grad()
    def set_thresholds(self, calibration: Calibration) -> None:
        """Take the thresholds for the rate, or rates, from a calibration, or the one given.

        Raises:
            ValueError: the calibration does not reach a rate.
        """
        if self.threshold_nats is not None:
            thresholds = torch.full((1, len(THRESHOLD_NAMES)), self.threshold_nats)
        else:
            aims = [self.segmenter]
            if self.rate_range_hz is not None:
                # A calibration ends below the frame rate, where hardly a unit is left to merge.
                most = self.segmenter.frame_rate_hz - 1
                aims = [self.segmenter.at_rate(min(rate_hz, most)) for rate_hz in self._grid_hz]
            thresholds = torch.stack([calibration.thresholds(aim) for aim in aims])
        self.threshold_record.take(thresholds, calibration.points)

    def set_rate(self, rate_hz: float) -> None:
        """Choose the rate, in Hz, of a model that was trained with many.

        Raises:
            ValueError: the model was trained for one rate, or for others.
        """
        check_number("rate", rate_hz)
        if self.rate_range_hz is None:
            if rate_hz == self.segmenter.rate_hz:
                return
            raise ValueError(
                f"this model was trained for {self.threshold_record.made_for} and has no rate of "
                f"{rate_hz:g} Hz; train one with frontend_conf rate_range"
            )
        low, high = self.rate_range_hz
        if not low <= rate_hz <= high:
            raise ValueError(f"rate {rate_hz:g} Hz is outside of the model's, {low:g} to {high:g}")
        self.segmenter = self.segmenter.at_rate(rate_hz)

    def find_boundaries(
        self, units: Tensor, entropies: Tensor, lengths: Tensor, *, rate_hz: float | None = None
    ) -> Tensor:
        """Where this model's segments start, at its own rate or another one of its range.

        Args:
            units, entropies, lengths: see `segment.find_boundaries`.
            rate_hz: in place of the segmenter's; in a model of many rates only.

        Returns:
            (B, T) bool.
        """
        points = self.threshold_record.points
        if not self.rate_range_hz:
            thresholds = self.thresholds
            return find_boundaries(units, entropies, lengths, self.segmenter, thresholds, points)
        rate_hz = rate_hz or self.segmenter.rate_hz
        config = self.segmenter.at_rate(rate_hz)
        if rate_hz > config.frame_rate_hz - 0.5:
            config = replace(config, segmenter="dense", on_change=False)
        thresholds = self._thresholds_at(rate_hz)
        return find_boundaries(units, entropies, lengths, config, thresholds, points)

    def _made_for(self) -> str:
        """The settings that thresholds depend on."""
        config, is_given = self.segmenter, self.threshold_nats is not None
        low_hz, high_hz = self.rate_range_hz or (None, None)
        return settings_text(
            segmenter=config.segmenter,
            on_change=config.on_change,
            rate_hz=None if is_given or self.rate_range_hz else config.rate_hz,
            lowest_hz=low_hz,
            highest_hz=high_hz,
            threshold_nats=self.threshold_nats,
            frame_rate_hz=config.frame_rate_hz,
            **{name: getattr(config, name) for name in config.kind.settings},
        )

    @torch.no_grad()
    def init_embedding(self, centroids: Tensor) -> None:
        """Start the unit embeddings from the codebook: what a unit sounds like is known.

        The centroids' principal components, scaled to unit variance as random embeddings are;
        missing dimensions stay zero.

        Args:
            centroids: (K, D') float32.

        Raises:
            ValueError: their number is not K, or they are all equal.
        """
        if len(centroids) != self.num_units:
            raise ValueError(f"{len(centroids)} centroids for {self.num_units} units")
        centred = centroids - centroids.mean(0)
        if centred.abs().max() <= 1e-6 * centroids.abs().max():
            raise ValueError(
                f"the {self.num_units} centroids are all equal and tell nothing of the units; "
                "learn the codebook from other audio, or set unit_init: random"
            )
        left, values, _ = torch.linalg.svd(centred.double(), full_matrices=False)
        components = (left * values)[:, : self.embedding.embedding_dim].float()
        components = components / components.square().sum(1).mean().sqrt()
        self.embedding.weight.zero_()
        self.embedding.weight[:, : components.shape[1]] = (
            components * self.embedding.embedding_dim**0.5
        )

    def encode(self, units: Tensor, entropies: Tensor, lengths: Tensor) -> Encoded:
        """Vectors of a padded batch.

        Args:
            units: (B, T) int64 ids in [0, K).
            entropies: (B, T) float32, nats.
            lengths: (B,) int64 frames, at least 1.

        Returns:
            Vectors (B, S, D), segment lengths (B, S) and segment ids (B, T). The segments of an
            utterance do not depend on the batch around it.

        Raises:
            ValueError: ids out of range, lengths that do not fit, or no threshold yet.
        """
        valid = valid_mask(lengths, units.shape[1])
        units = units.masked_fill(~valid, 0)
        check_unit_range(units, self.num_units)
        rate_hz = draw_rate(*self.rate_range_hz) if self.training and self.rate_range_hz else None
        boundaries = self.find_boundaries(units, entropies, lengths, rate_hz=rate_hz)
        segment_ids, segment_lengths = segments_of(boundaries, lengths)
        embedded = self.embedding(units)
        if self.training and self.unit_mask > 0:
            hidden = self._draw_mask(units)
            embedded = torch.where(hidden.unsqueeze(-1), self.mask_embedding, embedded)
        vectors = self.aggregator(self.dropout(embedded), lengths, segment_ids, segment_lengths)
        if self.durations is not None:
            length = segment_lengths.clamp(max=MAX_DURATION)
            # Padding has length 0 and stays zero, whatever its row has become.
            vectors = vectors + self.durations[length] * (length > 0).unsqueeze(-1)
        return Encoded(vectors, segment_lengths, segment_ids)

    forward = encode

    def _draw_mask(self, units: Tensor) -> Tensor:
        """(B, T) bool; spans may overlap, so starts are drawn at unit_mask / mask_span."""
        starts = torch.rand(units.shape, device=units.device) < self.unit_mask / self.mask_span
        spans = torch.nn.functional.max_pool1d(
            starts.float().unsqueeze(1), self.mask_span, stride=1, padding=self.mask_span // 2
        )
        return spans.squeeze(1)[:, : units.shape[1]] > 0


def _build_aggregator(name: str, dim: int, conf: dict) -> nn.Module:
    try:
        inspect.signature(AGGREGATORS[name]).bind(dim, **conf)
    except TypeError as error:
        raise ValueError(f"aggregator {name!r} with aggregator_conf {conf}: {error}") from error
    return AGGREGATORS[name](dim, **conf)
