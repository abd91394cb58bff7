"""Padded forms of what the package does on ragged tensors and dumps."""

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_entropy.aggregate.ragged import attend, layout_of, pack, unpack
from espnet_entropy.data.dump import read_dump


def load_padded_dump(folder: Path | str) -> tuple[Tensor, Tensor, Tensor]:
    """A whole dump as units (B, T) int64, entropies (B, T) float32 and lengths (B,) int64."""
    utterances = list(read_dump(folder))
    if not utterances:
        raise ValueError(f"{folder} is empty")
    padded = (
        pad_sequence([torch.from_numpy(u[column]) for u in utterances], batch_first=True)
        for column in (1, 2)
    )
    return *padded, torch.tensor([len(u) for _, u, _ in utterances])


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
    layout = layout_of(segment_ids, query.shape[1])
    out = attend(
        pack(query, layout.segments),
        pack(key, layout.units),
        pack(value, layout.units),
        layout,
        num_heads=query.shape[2],
    )
    out = unpack(out.to(value.dtype), layout.segments, layout.segment_shape)
    return out.unflatten(2, query.shape[2:])


def segment_max(values: Tensor, segment_ids: Tensor, num_segments: int) -> Tensor:
    """Maximum of each segment: (B, T, D), (B, T) -> (B, S, D); zeros where a segment is empty.

    Equal maxima share the gradient. Raises ValueError as `segment_softmax_attention` does.
    """
    layout = layout_of(segment_ids, num_segments)
    return unpack(layout.max(pack(values, layout.units)), layout.segments, layout.segment_shape)


def segment_mean(values: Tensor, segment_ids: Tensor, num_segments: int) -> Tensor:
    """Mean of each segment: (B, T, D), (B, T) -> (B, S, D); zeros where a segment is empty.

    Raises ValueError as `segment_softmax_attention` does.
    """
    layout = layout_of(segment_ids, num_segments)
    return unpack(layout.mean(pack(values, layout.units)), layout.segments, layout.segment_shape)
