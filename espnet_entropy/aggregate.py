"""Units of a segment -> one vector: CALE and the mean-pooling baseline.

CALE is the Cross-Attentive Local Encoder of arXiv 2509.00503; its nearest relative is the local
encoder of BLT (arXiv 2412.09871). Segments are short and partition the utterance, so everything
here works on *packed* units (the valid units of the whole batch in one row, N of them) and packed
segments (G of them, none empty). Time and memory are linear in N, padding takes no part at all,
and an utterance cannot see its neighbours.

Symbols: B batch, T units, S segments, D dimension, H heads; N packed units, G packed segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_entropy.blocks import in_blocks


class _Sum(torch.autograd.Function):
    """(N, C) -> (G, C). An embedding bag sums every segment's rows in order, in one thread.

    No atomics, so the result does not depend on scheduling (`index_add_` is atomic on CUDA), and
    the fastest of five sums on CPU. The gradient is a gather.
    """

    @staticmethod
    def forward(ctx, values: Tensor, ids: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(ids, starts)
        rows = torch.arange(len(values), device=values.device)
        return F.embedding_bag(rows, values, starts, mode="sum")

    @staticmethod
    def backward(ctx, grad: Tensor):
        return _Spread.apply(grad, *ctx.saved_tensors), None, None


class _Spread(torch.autograd.Function):
    """(G, C) -> (N, C): every unit gets its segment's row. The transpose of `_Sum`."""

    @staticmethod
    def forward(ctx, values: Tensor, ids: Tensor, starts: Tensor) -> Tensor:
        ctx.save_for_backward(ids, starts)
        return values.index_select(0, ids)

    @staticmethod
    def backward(ctx, grad: Tensor):
        return _Sum.apply(grad.contiguous(), *ctx.saved_tensors), None, None


@dataclass(frozen=True)
class _Layout:
    """Where packed units and packed segments lie in their padded tensors."""

    unit_shape: tuple[int, int]  # (B, T)
    segment_shape: tuple[int, int]  # (B, S)
    units: Tensor  # (N,) positions in the flattened (B * T)
    segments: Tensor  # (G,) positions in the flattened (B * S)
    ids: Tensor  # (N,) packed segment of each packed unit, non-decreasing, without gaps
    starts: Tensor  # (G,) first packed unit of each packed segment
    lengths: Tensor  # (G,) units in each packed segment, at least one

    def spread(self, packed: Tensor) -> Tensor:
        return _Spread.apply(packed, self.ids, self.starts)

    def sum(self, packed: Tensor) -> Tensor:
        return _Sum.apply(packed, self.ids, self.starts)

    def mean(self, packed: Tensor) -> Tensor:
        return self.sum(packed) / self.lengths[:, None].to(packed.dtype)

    def max(self, packed: Tensor) -> Tensor:
        # A maximum does not depend on the order, so the atomic scatter is deterministic here.
        out = packed.new_full((len(self.lengths), packed.shape[1]), -math.inf)
        index = self.ids[:, None].expand_as(packed)
        return out.scatter_reduce(0, index, packed, "amax")


def _pack(padded: Tensor, index: Tensor) -> Tensor:
    """(B, T, ...) -> (N, C), the rows at `index`; nothing else is read, not even NaN."""
    return padded.reshape(-1, padded.shape[2:].numel()).index_select(0, index)


def _unpack(packed: Tensor, index: Tensor, shape: tuple[int, int]) -> Tensor:
    """(N, C) -> (*shape, C), zeros at the places that `index` leaves out."""
    out = packed.new_zeros(math.prod(shape), packed.shape[1])
    return out.index_copy(0, index, packed).unflatten(0, shape)


def _layout(segment_ids: Tensor, num_segments: int) -> _Layout:
    if segment_ids.dim() != 2 or segment_ids.dtype != torch.int64:
        raise ValueError(
            f"segment_ids must be int64 (B, T), got {segment_ids.dtype} {tuple(segment_ids.shape)}"
        )
    batch = segment_ids.shape[0]
    units = (segment_ids.flatten() >= 0).nonzero().squeeze(1)
    first = torch.arange(batch, device=segment_ids.device)[:, None] * num_segments
    flat = (segment_ids + first).flatten().index_select(0, units)
    if (segment_ids >= num_segments).any():
        raise ValueError(f"segment id {int(segment_ids.max())} but only {num_segments} segments")
    if (flat.diff() < 0).any():
        raise ValueError("segment_ids must not decrease inside an utterance")
    counts = torch.bincount(flat, minlength=batch * num_segments)
    segments = counts.nonzero().squeeze(1)
    lengths = counts.index_select(0, segments)
    order = torch.arange(len(segments), device=flat.device)
    return _Layout(
        unit_shape=tuple(segment_ids.shape),
        segment_shape=(batch, num_segments),
        units=units,
        segments=segments,
        ids=order.repeat_interleave(lengths, output_size=len(flat)),
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
    )


def _checked_layout(
    embedded: Tensor, lengths: Tensor, segment_ids: Tensor, segment_lengths: Tensor
) -> _Layout:
    """The layout, after checking that ids, lengths and segment lengths tell the same story."""
    if embedded.shape[:2] != segment_ids.shape:
        raise ValueError(
            f"embedded {tuple(embedded.shape)} and segment_ids {tuple(segment_ids.shape)} "
            "differ in (B, T)"
        )
    layout = _layout(segment_ids, segment_lengths.shape[1])
    inside = torch.arange(segment_ids.shape[1], device=lengths.device) < lengths[:, None]
    counts = torch.zeros_like(segment_lengths).flatten()
    counts = counts.index_copy(0, layout.segments, layout.lengths.to(counts.dtype))
    counts = counts.view_as(segment_lengths)
    wrong = ((segment_ids >= 0) != inside).any(1) | (counts != segment_lengths).any(1)
    if wrong.any():
        row = int(wrong.nonzero()[0])
        raise ValueError(
            f"batch row {row}: length {int(lengths[row])} and segment lengths summing to "
            f"{int(segment_lengths[row].sum())}, but segment_ids (-1 on padding) counts "
            f"{int(counts[row].sum())} units, {counts[row].tolist()[:8]}... a segment"
        )
    return layout


def _attend(query: Tensor, key: Tensor, value: Tensor, layout: _Layout, num_heads: int) -> Tensor:
    """Packed attention: query (G, D), key and value (N, D) -> (G, D), softmax in >= float32."""
    wide = torch.promote_types(query.dtype, torch.float32)
    heads = (num_heads, query.shape[1] // num_heads)
    product = layout.spread(query.to(wide)) * key.to(wide)
    scores = product.unflatten(1, heads).sum(-1) / math.sqrt(heads[1])  # (N, H)
    # The softmax does not depend on the shift, so no gradient goes through the maximum.
    weights = torch.exp(scores - layout.spread(layout.max(scores.detach())))
    weighted = (weights[:, :, None] * value.to(wide).unflatten(1, heads)).flatten(1)
    # Dividing after the sum saves a gather; the total is at least 1, since one exponent is 0.
    return (layout.sum(weighted).unflatten(1, heads) / layout.sum(weights)[:, :, None]).flatten(1)


def segment_softmax_attention(
    query: Tensor, key: Tensor, value: Tensor, segment_ids: Tensor
) -> Tensor:
    """Scaled dot-product attention in which a segment's query sees that segment's units only.

    query (B, S, H, Dh), key and value (B, T, H, Dh), segment_ids (B, T) int64, non-decreasing
    along T and -1 on padding -> (B, S, H, Dh) in value's dtype, zeros where a segment has no units.
    Softmax and sums are float32 (float64 for float64 input). Padded units are never read. Time and
    memory are linear in T. Raises ValueError for ids that decrease or reach S.
    Source: arXiv 2509.00503, CALE.
    """
    layout = _layout(segment_ids, query.shape[1])
    out = _attend(
        _pack(query, layout.segments),
        _pack(key, layout.units),
        _pack(value, layout.units),
        layout,
        num_heads=query.shape[2],
    )
    out = _unpack(out.to(value.dtype), layout.segments, layout.segment_shape)
    return out.unflatten(2, query.shape[2:])


def segment_max(values: Tensor, segment_ids: Tensor, num_segments: int) -> Tensor:
    """Maximum of each segment: (B, T, D), (B, T) -> (B, S, D); zeros where a segment is empty.

    Equal maxima share the gradient. Raises ValueError as `segment_softmax_attention` does.
    """
    layout = _layout(segment_ids, num_segments)
    return _unpack(layout.max(_pack(values, layout.units)), layout.segments, layout.segment_shape)


def segment_mean(values: Tensor, segment_ids: Tensor, num_segments: int) -> Tensor:
    """Mean of each segment: (B, T, D), (B, T) -> (B, S, D); zeros where a segment is empty.

    Raises ValueError as `segment_softmax_attention` does.
    """
    layout = _layout(segment_ids, num_segments)
    return _unpack(layout.mean(_pack(values, layout.units)), layout.segments, layout.segment_shape)


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

    def forward(self, units: Tensor, layout: _Layout) -> Tensor:
        # Unpacking leaves zeros on padding: exactly what the convolution adds at the edges itself.
        padded = _unpack(self.norm(units), layout.units, layout.unit_shape)
        mixed = self.depthwise(padded.transpose(1, 2)).transpose(1, 2)
        return units + self.pointwise(F.gelu(_pack(mixed, layout.units)))


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

    def forward(self, segments: Tensor, units: Tensor, layout: _Layout) -> Tensor:
        """segments (G, D), units (N, D) -> (G, D)."""
        query = self.query(self.query_norm(segments))
        seen = _attend(query, self.key(units), self.value(units), layout, self.num_heads)
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
        layout = _checked_layout(embedded, lengths, segment_ids, segment_lengths)
        units = _pack(embedded, layout.units)
        if self.convolution is not None:
            units = self.convolution(units, layout)
        out = in_blocks(self._encode, units, layout, self.block_units).to(embedded.dtype)
        return _unpack(out, layout.segments, layout.segment_shape)

    def _encode(self, units: Tensor, layout: _Layout) -> Tensor:
        """(N, D) -> (G, D), segment for segment."""
        units = self.unit_norm(units)
        segments = layout.max(units)
        if self.position_codes is not None:
            steps = torch.arange(len(units), device=units.device) - layout.starts[layout.ids]
            units = units + self.position_codes[steps.clamp(max=len(self.position_codes) - 1)]
        for layer in self.layers:
            segments = layer(segments, units, layout)
        return self.final_norm(segments)


class MeanPool(nn.Module):
    """Mean of a segment's units (a baseline of arXiv 2509.00503), after an optional convolution.

    conv_kernel: odd width in units, 0 for none. Without it there are no parameters.
    """

    def __init__(self, dim: int, *, conv_kernel: int = 0):
        super().__init__()
        self.convolution = _UnitConvolution(dim, conv_kernel) if conv_kernel else None

    def forward(
        self, embedded: Tensor, lengths: Tensor, segment_ids: Tensor, segment_lengths: Tensor
    ) -> Tensor:
        """As `CALE.forward`."""
        layout = _checked_layout(embedded, lengths, segment_ids, segment_lengths)
        units = _pack(embedded, layout.units)
        if self.convolution is not None:
            units = self.convolution(units, layout)
        out = layout.mean(units).to(embedded.dtype)
        return _unpack(out, layout.segments, layout.segment_shape)


AGGREGATORS = {"cale": CALE, "mean": MeanPool}
