"""CALE forward and backward beside dense, flexible and padded attention, at 30 s to an hour.

The peers are the same module with another attention in it, so all else is equal.
"""

import copy
import math
from collections.abc import Callable
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.speed.measure import Row, compare, largest_difference, not_run, time_of
from espnet_entropy.aggregate import aggregators
from espnet_entropy.aggregate.aggregators import CALE
from espnet_entropy.aggregate.ragged import Layout, attend

DIM, HEADS, LAYERS = 256, 4, 4
UNITS = {"30 s": 1500, "1 min": 3000, "5 min": 15_000, "1 h": 180_000}
MEAN_SEGMENT = 50 / 15  # frames at 15 Hz
# A dense mask and its scores, float32: 3,000 units have 0.1 GB in training, 15,000 have 2.6 GB.
MOST_DENSE = {"cpu": 3000, "cuda": 15_000}


def split(x: Tensor, num_heads: int) -> Tensor:
    """(n, D) -> (1, H, n, Dh)."""
    return x.unflatten(1, (num_heads, -1)).transpose(0, 1)[None]


def dense_attend(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, num_heads: int
) -> Tensor:
    """Every segment looks at all units, and a mask hides those of others."""
    mask = layout.ids == torch.arange(len(query), device=query.device)[:, None]
    q, k, v = (split(x, num_heads) for x in (query, key, value))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)[0].transpose(0, 1).flatten(1)


def padded_attend(
    query: Tensor, key: Tensor, value: Tensor, layout: Layout, num_heads: int
) -> Tensor:
    """Units gathered into (G, longest segment), padded and masked."""
    steps = torch.arange(int(layout.lengths.max()), device=query.device)
    inside = steps < layout.lengths[:, None]
    index = (layout.starts[:, None] + steps).clamp(max=len(key) - 1)
    k, v = (x[index].unflatten(2, (num_heads, -1)).transpose(1, 2) for x in (key, value))
    q = query.unflatten(1, (num_heads, 1, -1))
    out = F.scaled_dot_product_attention(q, k, v, attn_mask=inside[:, None, None])
    return out.flatten(1)


def flex_attend(compiled: Callable) -> Callable:
    """PyTorch's FlexAttention with the mask of segments, built at each call as training needs."""
    from torch.nn.attention.flex_attention import create_block_mask

    def attend_(query, key, value, layout, num_heads):
        ids = layout.ids

        def own(batch, head, q_index, k_index):
            return ids[k_index] == q_index

        mask = create_block_mask(own, None, None, len(query), len(key), device=query.device)
        q, k, v = (split(x, num_heads) for x in (query, key, value))
        return compiled(q, k, v, block_mask=mask)[0].transpose(0, 1).flatten(1)

    return attend_


def batch_of(num_units: int, device: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One utterance: embedded (1, T, D), lengths (1,), segment ids (1, T), lengths (1, S)."""
    generator = torch.Generator().manual_seed(0)
    boundaries = torch.rand(num_units, generator=generator) < 1 / MEAN_SEGMENT
    boundaries[0] = True
    ids = boundaries.long().cumsum(0) - 1
    embedded = torch.randn(1, num_units, DIM, generator=generator).to(device)
    lengths = torch.tensor([num_units], device=device)
    return embedded, lengths, ids[None].to(device), ids.bincount()[None].to(device)


def model(device: str) -> CALE:
    """CALE of the paper's depth."""
    torch.manual_seed(0)
    return CALE(DIM, num_layers=LAYERS, num_heads=HEADS).to(device)


def step(cale: CALE, batch: tuple[Tensor, ...], attention: Callable = attend) -> Tensor:
    """Forward and backward; returns the gradient of the input, (1, T, D)."""
    embedded = batch[0].detach().requires_grad_()
    # The vectors are normalised, so a loss of their squares would have no gradient.
    weights = torch.linspace(-1, 1, DIM, device=embedded.device, dtype=embedded.dtype)
    with patch.object(aggregators, "attend", attention):
        (cale(embedded, *batch[1:]) * weights).sum().backward()
    cale.zero_grad(set_to_none=True)
    return embedded.grad


def check(device: str, num_units: int) -> str:
    """Outputs and gradients beside a dense softmax in float64, and the peers beside it too.

    Raises:
        ValueError: they differ by more than float32's rounding.
    """
    batch, cale = batch_of(num_units, device), model(device)
    exact = copy.deepcopy(cale).double()
    with patch.object(aggregators, "attend", dense_attend):
        expected = exact(batch[0].double(), *batch[1:])
    worst = largest_difference(cale(*batch), expected, at_most=1e-5)
    wide = (batch[0].double(), *batch[1:])
    gradient = step(exact, wide, dense_attend)
    scale = gradient.abs().max()
    for attention in (attend, dense_attend, padded_attend):
        found = step(cale, batch, attention)
        worst = max(worst, largest_difference(found / scale, gradient / scale, at_most=1e-4))
    return f"dense float64, {num_units} units, output and gradient: {worst:.1g}"


def quick(device: str) -> list[str]:
    """Correctness at small sizes."""
    return [check(device, 200)]


def rows(device: str) -> list[Row]:
    """All lengths against all peers, linearity, and attention's share."""
    checked, cale, found, own = check(device, 1500), model(device), [], {}
    peers = {"dense masked SDPA": dense_attend, "padded gather": padded_attend}
    for name, num_units in UNITS.items():
        batch = batch_of(num_units, device)
        repeats = 5 if num_units <= 15_000 else 1
        for peer, attention in peers.items():
            what = f"CALE forward and backward, {name} ({num_units:,} units)"
            limits = dict(limit=5.0 if num_units == 3000 and attention is dense_attend else 1.0)
            limits["at_least"] = True
            if attention is dense_attend and num_units > MOST_DENSE[device]:
                size = num_units**2 / MEAN_SEGMENT * 4 * (HEADS + 1) / 1e9
                reason = f"the scores of one layer alone take {size:,.1f} GB"
                found.append(not_run(what, peer, reason, **limits))
                continue
            timing = compare(
                lambda b=batch: step(cale, b),
                lambda b=batch, a=attention: step(cale, b, a),
                device=device,
                repeats=repeats,
            )
            own[num_units] = timing.ours_sec
            note = f"D = {DIM}, {LAYERS} layers, 15 Hz: {timing}"
            found.append(Row(what, peer, 1 / timing.ratio, note=note, checked=checked, **limits))
    return [*found, *flex_rows(device, cale), linearity(own), share(device, cale)]


def flex_rows(device: str, cale: CALE) -> list[Row]:
    """FlexAttention; its CPU kernel has no gradients, so a CPU compares the forward pass."""
    from torch.nn.attention.flex_attention import flex_attention

    found = []
    training = device != "cpu"
    for name, num_units in UNITS.items():
        passes = "forward and backward" if training else "forward"
        what = f"CALE {passes}, {name} ({num_units:,} units)"
        limits = dict(limit=1.0, at_least=True)
        peer = "FlexAttention with its mask building"
        # Compiled for each length, the best case; compiling is not timed.
        torch.compiler.reset()
        compiled = torch.compile(flex_attention, dynamic=False)
        batch, attention = batch_of(num_units, device), flex_attend(compiled)
        if not training and num_units > MOST_DENSE[device]:
            reason = "building the mask visits all pairs of units and segments"
            found.append(not_run(what, peer, reason, **limits))
            continue

        def run(with_attention, batch=batch):
            if training:
                return step(cale, batch, with_attention)
            with torch.no_grad(), patch.object(aggregators, "attend", with_attention):
                return cale(*batch)

        try:
            worst = largest_difference(run(attention), run(attend).detach(), at_most=1e-4)
        except (RuntimeError, NotImplementedError) as error:
            reason = " ".join(str(error).split())[:120]
            found.append(not_run(what, peer, f"it fails here ({reason})", **limits))
            continue
        timing = compare(lambda: run(attend), lambda: run(attention), device=device, repeats=3)  # noqa: B023
        checked = f"one another: {worst:.1g}"
        found.append(Row(what, peer, 1 / timing.ratio, note=str(timing), checked=checked, **limits))
    return found


def linearity(own: dict[int, float]) -> Row:
    """Time a unit of the longest over that of the shortest."""
    short, long = min(own), max(own)
    ratio = (own[long] / long) / (own[short] / short)
    what = f"CALE's time a unit at {long:,} units"
    note = "both computed; from 16,384 units on, training computes a block twice (checkpoints)"
    return Row(what, f"at {short:,} units", ratio, 4 / 3, note=note)


def share(device: str, cale: CALE) -> Row:
    """Attention's part of a step: what is left of it when attention gives the query back."""
    batch = batch_of(3000, device)

    def nothing(query, key, value, layout, num_heads):
        # Keeps keys and values in the graph, at the cost of two sums.
        return query + 0 * (key.sum() + value.sum())

    times = [
        (
            time_of(lambda: step(cale, batch), device),
            time_of(lambda: step(cale, batch, nothing), device),
        )
        for _ in range(6)
    ][1:]
    ratio = sorted(1 - without / whole for whole, without in times)[2]
    ratio = 0.0 if math.isnan(ratio) else max(ratio, 0.0)
    note = "3,000 units; whole step less a step whose attention returns its query"
    return Row("attention's share of CALE's step", "the whole step", ratio, 0.3, note=note)
