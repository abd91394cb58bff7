"""Units of a segment -> one vector: CALE, and pooling by mean, maximum or attention.

CALE is the Cross-Attentive Local Encoder of arXiv 2509.00503; its nearest relative is the local
encoder of BLT (arXiv 2412.09871). Symbols as in `ragged.py`, whose reductions all of this uses.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_entropy.aggregate.blocks import in_blocks
from espnet_entropy.aggregate.ragged import Layout, attend, checked_layout, pack, unpack


def sinusoids(num_positions: int, dim: int) -> Tensor:
    """(num_positions, dim) float32: sines, then cosines, of geometrically spaced frequencies."""
    half = (dim + 1) // 2
    frequencies = torch.exp(-math.log(10000.0) / max(half - 1, 1) * torch.arange(half))
    angles = torch.arange(num_positions)[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :dim]


class _UnitConvolution(nn.Module):
    """Depthwise-separable convolution along an utterance's units, pre-norm, with a residual."""

    def __init__(self, dim: int, kernel: int):
        super().__init__()
        if kernel % 2 == 0 or kernel < 1:
            raise ValueError(f"conv_kernel must be 0 (none) or odd and positive, got {kernel}")
        self.norm = nn.LayerNorm(dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.pointwise = nn.Linear(dim, dim)

    def forward(self, units: Tensor, layout: Layout) -> Tensor:
        # Unpacking leaves zeros on padding: exactly what the convolution adds at the edges itself.
        padded = unpack(self.norm(units), layout.units, layout.unit_shape)
        mixed = self.depthwise(padded.transpose(1, 2)).transpose(1, 2)
        return units + self.pointwise(F.gelu(pack(mixed, layout.units)))


class _CrossAttentionLayer(nn.Module):
    """Pre-norm cross-attention from segments to their units, then a feed-forward."""

    def __init__(self, dim: int, num_heads: int, ff_mult: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.query_norm = nn.LayerNorm(dim)
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim, bias=False)  # a key bias cancels in the softmax
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(dim),
            nn.Linear(dim, ff_mult * dim),
            nn.GELU(),
            nn.Linear(ff_mult * dim, dim),
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, segments: Tensor, units: Tensor, layout: Layout) -> Tensor:
        """segments (G, D), units (N, D) -> (G, D)."""
        query = self.query(self.query_norm(segments))
        seen = attend(query, self.key(units), self.value(units), layout, self.num_heads)
        segments = segments + self.dropout(self.output(seen))
        return segments + self.dropout(self.feed_forward(segments))


class CALE(nn.Module):
    """Cross-Attentive Local Encoder (arXiv 2509.00503; BLT's local encoder, arXiv 2412.09871).

    A segment starts as the maximum over its (layer-normalised) units and attends to them
    `num_layers` times. Keys and values carry the unit's position inside the segment.

    dim: D, a multiple of num_heads. ff_mult: width of the feed-forward over D. conv_kernel: odd
    width, in units, of a convolution before everything else; 0 for none. position: "sinusoid" or
    "none"; positions of `max_position` and beyond share one code. block_units: larger batches are
    computed in blocks of so many units, in training twice, so that memory suffices for an hour.
    Raises ValueError otherwise.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_layers: int = 4,
        num_heads: int = 4,
        ff_mult: int = 4,
        conv_kernel: int = 0,
        position: str = "sinusoid",
        max_position: int = 64,
        dropout: float = 0.0,
        block_units: int = 16384,
    ):
        super().__init__()
        if block_units < 1:
            raise ValueError(f"block_units must be at least 1, got {block_units}")
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        if position not in ("sinusoid", "none"):
            raise ValueError(f"position must be 'sinusoid' or 'none', got {position!r}")
        self.convolution = _UnitConvolution(dim, conv_kernel) if conv_kernel else None
        # Normalised first, so that position codes weigh the same whatever the embedding's scale.
        self.unit_norm = nn.LayerNorm(dim)
        codes = sinusoids(max_position, dim) if position == "sinusoid" else None
        self.register_buffer("position_codes", codes, persistent=False)
        self.layers = nn.ModuleList(
            _CrossAttentionLayer(dim, num_heads, ff_mult, dropout) for _ in range(num_layers)
        )
        self.final_norm = nn.LayerNorm(dim)
        self.block_units = block_units

    def forward(
        self, embedded: Tensor, lengths: Tensor, segment_ids: Tensor, segment_lengths: Tensor
    ) -> Tensor:
        """(B, T, D), (B,), (B, T), (B, S) -> (B, S, D) in embedded's dtype, zeros on padding.

        lengths, segment_ids and segment_lengths are int64; ids do not decrease inside the length
        and are -1 on padding. Raises ValueError if the three disagree.
        """
        layout = checked_layout(embedded, lengths, segment_ids, segment_lengths)
        units = pack(embedded, layout.units)
        if self.convolution is not None:
            units = self.convolution(units, layout)
        out = in_blocks(self._encode, units, layout, self.block_units).to(embedded.dtype)
        return unpack(out, layout.segments, layout.segment_shape)

    def _encode(self, units: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (G, D), segment for segment."""
        units = self.unit_norm(units)
        segments = layout.max(units)
        if self.position_codes is not None:
            steps = torch.arange(len(units), device=units.device) - layout.starts[layout.ids]
            units = units + self.position_codes[steps.clamp(max=len(self.position_codes) - 1)]
        for layer in self.layers:
            segments = layer(segments, units, layout)
        return self.final_norm(segments)


class _Pool(nn.Module):
    """Pooling after an optional convolution; subclasses say how packed units become segments.

    conv_kernel: odd width in units, 0 for none.
    """

    def __init__(self, dim: int, conv_kernel: int):
        super().__init__()
        self.convolution = _UnitConvolution(dim, conv_kernel) if conv_kernel else None

    def forward(
        self, embedded: Tensor, lengths: Tensor, segment_ids: Tensor, segment_lengths: Tensor
    ) -> Tensor:
        """As `CALE.forward`."""
        layout = checked_layout(embedded, lengths, segment_ids, segment_lengths)
        units = pack(embedded, layout.units)
        if self.convolution is not None:
            units = self.convolution(units, layout)
        out = self.pool(units, layout).to(embedded.dtype)
        return unpack(out, layout.segments, layout.segment_shape)

    def pool(self, units: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (G, D)."""
        raise NotImplementedError


class MeanPool(_Pool):
    """Mean of a segment's units (a baseline of arXiv 2509.00503).

    conv_kernel: odd width, in units, of a convolution before; 0 for none, and no parameters.
    """

    def __init__(self, dim: int, *, conv_kernel: int = 0):
        super().__init__(dim, conv_kernel)

    def pool(self, units: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (G, D)."""
        return layout.mean(units)


class MaxPool(_Pool):
    """Maximum over a segment's units, for each dimension.

    conv_kernel: odd width, in units, of a convolution before; 0 for none, and no parameters.
    """

    def __init__(self, dim: int, *, conv_kernel: int = 0):
        super().__init__(dim, conv_kernel)

    def pool(self, units: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (G, D)."""
        return layout.max(units)


class AttentionPool(_Pool):
    """Weighted mean of a segment's units; each head weighs them by a learnt score of its own.

    dim: D, a multiple of num_heads. conv_kernel: odd width, in units, of a convolution before; 0
    for none. Raises ValueError otherwise.
    """

    def __init__(self, dim: int, *, num_heads: int = 4, conv_kernel: int = 0):
        super().__init__(dim, conv_kernel)
        if dim % num_heads:
            raise ValueError(f"dim {dim} is not a multiple of num_heads {num_heads}")
        self.num_heads = num_heads
        self.norm = nn.LayerNorm(dim)
        self.query = nn.Parameter(torch.randn(dim) / math.sqrt(dim))
        self.value = nn.Linear(dim, dim)

    def pool(self, units: Tensor, layout: Layout) -> Tensor:
        """(N, D) -> (G, D)."""
        units = self.norm(units)
        query = self.query.expand(len(layout.lengths), -1)
        return attend(query, units, self.value(units), layout, self.num_heads)


AGGREGATORS = {"cale": CALE, "mean": MeanPool, "max": MaxPool, "attention": AttentionPool}
