"""Reductions over segments: sums, maxima and softmax attention, linear in time and memory.

Segments are short and partition the utterance, so everything here works on *packed* units (the
valid units of the whole batch in one row, N of them) and packed segments (G of them, none empty).
Padding takes no part at all, and an utterance cannot see its neighbours.

Symbols: B batch, T units, S segments, D dimension, H heads; N packed units, G packed segments.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


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
class Layout:
    """Where packed units and packed segments lie in their padded tensors."""

    unit_shape: tuple[int, int]  # (B, T)
    segment_shape: tuple[int, int]  # (B, S)
    units: Tensor  # (N,) positions in the flattened (B * T)
    segments: Tensor  # (G,) positions in the flattened (B * S)
    ids: Tensor  # (N,) packed segment of each packed unit, non-decreasing, without gaps
    starts: Tensor  # (G,) first packed unit of each packed segment
    lengths: Tensor  # (G,) units in each packed segment, at least one

    def spread(self, packed: Tensor) -> Tensor:
        """(G, C) -> (N, C): every unit gets its segment's row."""
        return _Spread.apply(packed, self.ids, self.starts)

    def sum(self, packed: Tensor) -> Tensor:
        """(N, C) -> (G, C), in the units' order."""
        return _Sum.apply(packed, self.ids, self.starts)

    def mean(self, packed: Tensor) -> Tensor:
        """(N, C) -> (G, C)."""
        return self.sum(packed) / self.lengths[:, None].to(packed.dtype)

    def max(self, packed: Tensor) -> Tensor:
        """(N, C) -> (G, C)."""
        # A maximum does not depend on the order, so the atomic scatter is deterministic here.
        out = packed.new_full((len(self.lengths), packed.shape[1]), -math.inf)
        index = self.ids[:, None].expand_as(packed)
        return out.scatter_reduce(0, index, packed, "amax")


def pack(padded: Tensor, index: Tensor) -> Tensor:
    """(B, T, ...) -> (N, C), the rows at `index`; nothing else is read, not even NaN."""
    return padded.reshape(-1, padded.shape[2:].numel()).index_select(0, index)


def unpack(packed: Tensor, index: Tensor, shape: tuple[int, int]) -> Tensor:
    """(N, C) -> (*shape, C), zeros at the places that `index` leaves out."""
    out = packed.new_zeros(math.prod(shape), packed.shape[1])
    return out.index_copy(0, index, packed).unflatten(0, shape)


def layout_of(segment_ids: Tensor, num_segments: int) -> Layout:
    """Where the units and segments of a padded batch lie.

    Args:
        segment_ids: (B, T) int64, non-decreasing along T, -1 on the padding.
        num_segments: S.

    Raises:
        ValueError: ids of another type, that decrease, or that reach S.
    """
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
    return Layout(
        unit_shape=tuple(segment_ids.shape),
        segment_shape=(batch, num_segments),
        units=units,
        segments=segments,
        ids=order.repeat_interleave(lengths, output_size=len(flat)),
        starts=lengths.cumsum(0) - lengths,
        lengths=lengths,
    )


def checked_layout(
    embedded: Tensor, lengths: Tensor, segment_ids: Tensor, segment_lengths: Tensor
) -> Layout:
    """The layout, after checking that ids, lengths and segment lengths tell the same story."""
    if embedded.shape[:2] != segment_ids.shape:
        raise ValueError(
            f"embedded {tuple(embedded.shape)} and segment_ids {tuple(segment_ids.shape)} "
            "differ in (B, T)"
        )
    layout = layout_of(segment_ids, segment_lengths.shape[1])
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


def attend(query: Tensor, key: Tensor, value: Tensor, layout: Layout, num_heads: int) -> Tensor:
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
