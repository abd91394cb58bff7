"""Slow, obvious versions of what ragged.py and aggregators.py do: loops over batch and segments."""

import math

import torch
import torch.nn.functional as F


def rows(segment_ids, b, s):
    """Positions of the units of segment s of utterance b."""
    return [t for t, i in enumerate(segment_ids[b].tolist()) if i == s]


def dense_attention(query, key, value, segment_ids):
    """(B, S, H, Dh): a full (T, S) score matrix with -inf outside the segment."""
    S = query.shape[1]
    scores = torch.einsum("bshd,bthd->bhst", query, key) / math.sqrt(query.shape[-1])
    inside = segment_ids[:, None, :] == torch.arange(S)[None, :, None]  # (B, S, T)
    empty = ~inside.any(2)
    scores = scores.masked_fill(~(inside | empty[:, :, None])[:, None], -math.inf)
    out = torch.einsum("bhst,bthd->bshd", scores.softmax(-1), value)
    return out.masked_fill(empty[:, :, None, None], 0.0)


def loop_pool(values, segment_ids, num_segments, pool):
    """(B, S, D): pool(units (n, D)) -> (D,) of each segment, zeros where it is empty."""
    empty = values.new_zeros(values.shape[2])
    return torch.stack(
        [
            torch.stack([pool(values[b, rows(segment_ids, b, s)]) if rows(segment_ids, b, s)
                         else empty for s in range(num_segments)])
            for b in range(len(values))
        ]
    )  # fmt: skip


def loop_convolution(convolution, units):
    """One utterance (T, D) through a _UnitConvolution, tap by tap."""
    weight, bias = convolution.depthwise.weight[:, 0], convolution.depthwise.bias  # (D, k), (D,)
    normed, half = convolution.norm(units), weight.shape[1] // 2
    mixed = []
    for t in range(len(units)):
        taps = range(max(0, t - half), min(len(units), t + half + 1))
        mixed.append(bias + sum(weight[:, u - t + half] * normed[u] for u in taps))
    return units + convolution.pointwise(F.gelu(torch.stack(mixed)))


def loop_cale_segment(cale, units, num_heads):
    """One segment's units (n, D), already convolved -> (D,), with torch's own dense attention."""
    units = cale.unit_norm(units)
    x = units.max(0, keepdim=True).values  # (1, D)
    if cale.position_codes is not None:
        last = len(cale.position_codes) - 1
        units = torch.stack([u + cale.position_codes[min(i, last)] for i, u in enumerate(units)])

    def split(y):  # (n, D) -> (H, n, Dh)
        return y.unflatten(1, (num_heads, -1)).transpose(0, 1)

    for layer in cale.layers:
        seen = F.scaled_dot_product_attention(
            split(layer.query(layer.query_norm(x))),
            split(layer.key(units)),
            split(layer.value(units)),
        )
        x = x + layer.output(seen.transpose(0, 1).flatten(1))
        x = x + layer.feed_forward(x)
    return cale.final_norm(x)[0]


def loop_attention_pool(pool, units):
    """One segment's units (n, D), already convolved -> (D,), head by head."""
    units = pool.norm(units)
    values, width = pool.value(units), units.shape[1] // pool.num_heads
    heads = []
    for start in range(0, units.shape[1], width):
        columns = slice(start, start + width)
        scores = units[:, columns] @ pool.query[columns] / math.sqrt(width)
        heads.append(scores.softmax(0) @ values[:, columns])
    return torch.cat(heads)


def loop_aggregate(aggregator, embedded, lengths, segment_ids, num_segments, pool):
    """(B, S, D): the convolution on each utterance alone, then pool on each segment alone."""
    out = []
    for b in range(len(embedded)):
        units = embedded[b, : int(lengths[b])]
        if aggregator.convolution is not None:
            units = loop_convolution(aggregator.convolution, units)
        ids = segment_ids[b : b + 1, : int(lengths[b])]
        out.append(loop_pool(units[None], ids, num_segments, pool)[0])
    return torch.stack(out)
