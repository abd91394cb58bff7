"""Units and entropies in, one vector a segment out: the call everything else is built on."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet_entropy.aggregate import AGGREGATORS
from espnet_entropy.batch import check_unit_range, valid_mask
from espnet_entropy.calibration import Calibration
from espnet_entropy.segment import (
    THRESHOLD_NAMES,
    SegmenterConfig,
    find_boundaries,
    segments_of,
)


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
        aggregator: a key of AGGREGATORS.
        aggregator_conf: its keyword arguments.
        unit_mask: share of the units that are hidden in training, in spans; spans may overlap, so
            somewhat fewer are.
        mask_span: length of such a span in units.
        dropout: of the unit embeddings, in training.
    """

    def __init__(
        self,
        num_units: int,
        dim: int,
        segmenter: SegmenterConfig,
        *,
        aggregator: str = "cale",
        aggregator_conf: dict | None = None,
        unit_mask: float = 0.0,
        mask_span: int = 8,
        dropout: float = 0.0,
    ):
        super().__init__()
        if aggregator not in AGGREGATORS:
            raise ValueError(f"aggregator {aggregator!r} is none of {', '.join(AGGREGATORS)}")
        if not 0 <= unit_mask < 1 or mask_span < 1:
            raise ValueError(f"unit_mask {unit_mask} must be in [0, 1), mask_span {mask_span} >= 1")
        self.num_units = num_units
        self.segmenter = segmenter
        self.unit_mask = unit_mask
        self.mask_span = mask_span
        self.embedding = nn.Embedding(num_units, dim)
        self.mask_embedding = nn.Parameter(torch.zeros(dim))
        self.dropout = nn.Dropout(dropout)
        self.aggregator = AGGREGATORS[aggregator](dim, **(aggregator_conf or {}))
        # Filled from a bundle or a checkpoint; find_boundaries refuses NaN.
        self.register_buffer("thresholds", torch.full((len(THRESHOLD_NAMES),), float("nan")))

    def set_thresholds(self, calibration: Calibration) -> None:
        """Take the thresholds for the segmenter's rate from a calibration."""
        self.thresholds.copy_(calibration.thresholds(self.segmenter))

    @torch.no_grad()
    def init_embedding(self, centroids: Tensor) -> None:
        """Start the unit embeddings from the codebook: what a unit sounds like is known.

        The centroids' principal components, scaled to unit variance as random embeddings are;
        missing dimensions stay zero.

        Args:
            centroids: (K, D') float32.
        """
        if len(centroids) != self.num_units:
            raise ValueError(f"{len(centroids)} centroids for {self.num_units} units")
        centred = centroids - centroids.mean(0)
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
        boundaries = find_boundaries(units, entropies, lengths, self.segmenter, self.thresholds)
        segment_ids, segment_lengths = segments_of(boundaries, lengths)
        embedded = self.embedding(units)
        if self.training and self.unit_mask > 0:
            hidden = self._draw_mask(units)
            embedded = torch.where(hidden.unsqueeze(-1), self.mask_embedding, embedded)
        vectors = self.aggregator(self.dropout(embedded), lengths, segment_ids, segment_lengths)
        return Encoded(vectors, segment_lengths, segment_ids)

    forward = encode

    def _draw_mask(self, units: Tensor) -> Tensor:
        """(B, T) bool; spans may overlap, so starts are drawn at unit_mask / mask_span."""
        starts = torch.rand(units.shape, device=units.device) < self.unit_mask / self.mask_span
        spans = torch.nn.functional.max_pool1d(
            starts.float().unsqueeze(1), self.mask_span, stride=1, padding=self.mask_span // 2
        )
        return spans.squeeze(1)[:, : units.shape[1]] > 0
