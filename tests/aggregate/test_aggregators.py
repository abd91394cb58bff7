import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from padded import segment_max, segment_mean, segment_softmax_attention
from reference_aggregate import (
    dense_attention,
    loop_aggregate,
    loop_attention_pool,
    loop_cale_segment,
    loop_pool,
)

from espnet_entropy.aggregate.aggregators import (
    AGGREGATORS,
    CALE,
    AttentionPool,
    MaxPool,
    MeanPool,
    sinusoids,
)

CONFS = [
    ("cale", {"num_layers": 2, "num_heads": 2}),
    ("cale", {"num_layers": 2, "num_heads": 4, "conv_kernel": 3, "max_position": 3}),
    ("cale", {"num_layers": 1, "num_heads": 1, "position": "none"}),
    ("mean", {}),
    ("mean", {"conv_kernel": 5}),
    ("max", {}),
    ("max", {"conv_kernel": 3}),
    ("attention", {}),
    ("attention", {"num_heads": 2, "conv_kernel": 3}),
]


def batch_of(segmentations, extra_units=0, extra_segments=0):
    """[[2, 1], [3]] (units in each segment) -> lengths, segment_ids, segment_lengths."""
    lengths = torch.tensor([sum(s) for s in segmentations])
    T = int(lengths.max()) + extra_units
    S = max(len(s) for s in segmentations) + extra_segments
    ids = torch.full((len(segmentations), T), -1)
    segment_lengths = torch.zeros(len(segmentations), S, dtype=torch.int64)
    for b, segmentation in enumerate(segmentations):
        flat = [i for i, n in enumerate(segmentation) for _ in range(n)]
        ids[b, : len(flat)] = torch.tensor(flat)
        segment_lengths[b, : len(segmentation)] = torch.tensor(segmentation)
    return lengths, ids, segment_lengths


def build(name, conf, dim=8, seed=0):
    torch.manual_seed(seed)
    aggregator = AGGREGATORS[name](dim, **conf)
    for parameter in aggregator.parameters():  # biases and norms start trivial and would hide bugs
        torch.nn.init.normal_(parameter, std=0.4)
    return aggregator


def pool_of(aggregator):
    if isinstance(aggregator, MeanPool):
        return lambda units: units.mean(0)
    if isinstance(aggregator, MaxPool):
        return lambda units: units.max(0).values
    if isinstance(aggregator, AttentionPool):
        return lambda units: loop_attention_pool(aggregator, units)
    return lambda units: loop_cale_segment(aggregator, units, aggregator.layers[0].num_heads)


segmentations = st.lists(
    st.lists(st.integers(1, 6), min_size=1, max_size=7), min_size=1, max_size=4
)


@settings(max_examples=40, deadline=None)
@given(segmentations, st.integers(0, 3), st.integers(0, 2), st.integers(0, 9999))
def test_attention_equals_the_dense_one_with_its_gradients(segmentation, units, segments, seed):
    """Exact maths in float64; float32 within 1e-4 of it.

    In 1,500 random draws, float32 missed atol = rtol = 1e-5 by up to a factor of 2.5 here and 1.9
    in the dense reference itself (query gradients), so 1e-5 would fail on correct code.
    """
    _, ids, segment_lengths = batch_of(segmentation, units, segments)
    g = torch.Generator().manual_seed(seed)
    sizes = (segment_lengths.shape[1], ids.shape[1], ids.shape[1])
    inputs = [3 * torch.randn(len(ids), n, 2, 3, generator=g) for n in sizes]
    weight = torch.randn(inputs[0].shape, generator=g)

    def result(attention, dtype):
        leaves = [x.to(dtype, copy=True).requires_grad_() for x in inputs]
        out = attention(*leaves, ids)
        (out * weight).sum().backward()
        return [y.double() for y in (out.detach(), *(x.grad for x in leaves))]

    exact = result(dense_attention, torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 1e-4)):
        for a, b in zip(result(segment_softmax_attention, dtype), exact, strict=True):
            torch.testing.assert_close(a, b, atol=tolerance, rtol=tolerance)


def test_attention_takes_large_scores():
    """Without the shift by the maximum exp overflows at 89."""
    _, ids, _ = batch_of([[3, 2], [1]])
    q, k = torch.full((2, 2, 1, 4), 30.0), 30 * torch.rand(2, 5, 1, 4)
    v = torch.randn(2, 5, 1, 4)
    ours = segment_softmax_attention(q, k, v, ids)
    torch.testing.assert_close(ours, dense_attention(q, k, v, ids), atol=1e-4, rtol=1e-4)
    # Every score far below zero: underflow instead.
    ours = segment_softmax_attention(-q, k + 10, v, ids)
    torch.testing.assert_close(ours, dense_attention(-q, k + 10, v, ids), atol=1e-4, rtol=1e-4)


def test_attention_gradcheck():
    _, ids, segment_lengths = batch_of([[1, 3], [2]], extra_units=1, extra_segments=1)
    sizes = (segment_lengths.shape[1], ids.shape[1], ids.shape[1])
    inputs = [torch.randn(2, n, 2, 2, dtype=torch.float64, requires_grad=True) for n in sizes]
    attend = lambda q, k, v: segment_softmax_attention(q, k, v, ids)  # noqa: E731
    assert torch.autograd.gradcheck(attend, inputs)
    assert torch.autograd.gradgradcheck(attend, inputs)


@settings(max_examples=40, deadline=None)
@given(segmentations, st.integers(0, 2), st.integers(0, 9999))
def test_max_and_mean_equal_loops(segmentation, extra, seed):
    _, ids, segment_lengths = batch_of(segmentation, extra, extra)
    S = segment_lengths.shape[1]
    values = torch.randn(*ids.shape, 3, generator=torch.Generator().manual_seed(seed))
    for ours, pool in (
        (segment_max, lambda units: units.max(0).values),
        (segment_mean, lambda units: units.mean(0)),
    ):
        x, y = (values.clone().requires_grad_() for _ in range(2))
        a, b = ours(x, ids, S), loop_pool(y, ids, S, pool)
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-6)
        a.square().sum().backward()
        b.square().sum().backward()
        torch.testing.assert_close(x.grad, y.grad, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name, conf", CONFS)
@settings(max_examples=8, deadline=None)
@given(segmentation=segmentations, extra=st.integers(0, 3), seed=st.integers(0, 9999))
def test_forward_and_gradients_equal_the_loop(name, conf, segmentation, extra, seed):
    lengths, ids, segment_lengths = batch_of(segmentation, extra, extra)
    ours, S = build(name, conf, seed=seed).double(), segment_lengths.shape[1]
    theirs = copy.deepcopy(ours)
    x = torch.randn(*ids.shape, 8, dtype=torch.float64, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    a = ours(x, lengths, ids, segment_lengths)
    b = loop_aggregate(theirs, y, lengths, ids, S, pool_of(theirs))
    assert a.shape == (*segment_lengths.shape, 8)
    torch.testing.assert_close(a, b)
    assert (a[segment_lengths == 0] == 0).all()
    weight = torch.randn_like(a)
    (a * weight).sum().backward()
    (b * weight).sum().backward()
    torch.testing.assert_close(x.grad, y.grad)
    pairs = zip(ours.named_parameters(), theirs.parameters(), strict=True)
    for (key, p), q in pairs:
        torch.testing.assert_close(p.grad, q.grad, msg=lambda m, key=key: f"{key}: {m}")


@pytest.mark.parametrize("name, conf", CONFS)
@settings(max_examples=8, deadline=None)
@given(segmentation=segmentations, extra=st.integers(0, 40), seed=st.integers(0, 9999))
def test_batch_and_padding_do_not_matter(name, conf, segmentation, extra, seed):
    aggregator = build(name, conf, seed=seed).eval()
    lengths, ids, segment_lengths = batch_of(segmentation, extra, extra)
    x = torch.randn(*ids.shape, 8)
    x[ids < 0] = float("nan")
    together = aggregator(x, lengths, ids, segment_lengths)
    for b, segmentation_b in enumerate(segmentation):
        alone = aggregator(x[b : b + 1, : lengths[b]], *batch_of([segmentation_b]))
        n = len(segmentation_b)
        torch.testing.assert_close(together[b, :n], alone[0], atol=1e-6, rtol=1e-6)
        assert (together[b, n:] == 0).all()


@pytest.mark.parametrize("garbage", [float("nan"), float("inf"), -1e30])
@pytest.mark.parametrize("name, conf", CONFS)
def test_garbage_in_padding_reaches_no_output_and_no_gradient(name, conf, garbage):
    lengths, ids, segment_lengths = batch_of([[2, 3], [1]], extra_units=2)
    clean = torch.randn(*ids.shape, 8)
    results = []
    for fill in (0.0, garbage):
        aggregator = build(name, conf)
        x = clean.masked_fill((ids < 0)[:, :, None], fill).requires_grad_()
        out = aggregator(x, lengths, ids, segment_lengths)
        out.square().sum().backward()
        results.append([out, x.grad, *(p.grad for p in aggregator.parameters())])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name, conf", CONFS)
@pytest.mark.parametrize(
    "segmentation",
    [[[1]], [[1, 1, 1, 1]], [[200]], [[1], [5, 1, 1], [300]]],
    ids=["T=1", "one-unit", "one segment", "S differs"],
)
def test_edges(name, conf, segmentation):
    aggregator = build(name, conf).double()
    lengths, ids, segment_lengths = batch_of(segmentation)
    x = torch.randn(*ids.shape, 8, dtype=torch.float64)
    S = segment_lengths.shape[1]
    torch.testing.assert_close(
        aggregator(x, lengths, ids, segment_lengths),
        loop_aggregate(aggregator, x, lengths, ids, S, pool_of(aggregator)),
    )


@pytest.mark.parametrize("name, conf", CONFS)
def test_empty_utterances_give_zeros(name, conf):
    aggregator = build(name, conf)
    out = aggregator(
        torch.randn(2, 3, 8),
        torch.zeros(2, dtype=torch.int64),
        torch.full((2, 3), -1),
        torch.zeros(2, 1, dtype=torch.int64),
    )
    assert torch.equal(out, torch.zeros(2, 1, 8))


@pytest.mark.parametrize("name, conf", CONFS)
def test_runs_are_bitwise_equal(name, conf):
    segmentation = [[1 + (7 * i + b) % 9 for i in range(40)] for b in range(4)]
    lengths, ids, segment_lengths = batch_of(segmentation)
    x = torch.randn(*ids.shape, 8)
    results = []
    for _ in range(2):
        aggregator, leaf = build(name, conf), x.clone().requires_grad_()
        out = aggregator(leaf, lengths, ids, segment_lengths)
        out.square().sum().backward()
        results.append([out, leaf.grad, *(p.grad for p in aggregator.parameters())])
    for a, b in zip(*results, strict=True):
        assert torch.equal(a, b)


def test_cale_sees_order_only_with_positions():
    lengths, ids, segment_lengths = batch_of([[4]])
    x = torch.randn(1, 4, 8)
    for position, same in (("none", True), ("sinusoid", False)):
        cale = build("cale", {"position": position}).eval()
        a, b = (cale(y, lengths, ids, segment_lengths) for y in (x, x.flip(1)))
        assert torch.allclose(a, b, atol=1e-5) == same


def test_convolution_sees_across_segments_but_not_utterances():
    pool = build("mean", {"conv_kernel": 3})
    lengths, ids, segment_lengths = batch_of([[2, 2], [2, 2]])
    x = torch.randn(2, 4, 8)
    y = x.clone()
    y[0, 2:] += torch.randn(2, 8)
    a, b = (pool(z, lengths, ids, segment_lengths) for z in (x, y))
    assert not torch.allclose(a[0, 0], b[0, 0])
    assert torch.equal(a[1], b[1])


def test_autocast_stays_near_float32():
    lengths, ids, segment_lengths = batch_of([[5, 9, 1], [3, 2]])
    x = torch.randn(*ids.shape, 8)
    torch.manual_seed(0)
    cale = CALE(8, conv_kernel=3)
    exact = cale(x, lengths, ids, segment_lengths)
    with torch.autocast("cpu", torch.bfloat16):
        half = cale(x, lengths, ids, segment_lengths)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, exact, atol=0.1, rtol=0.1)
    half.square().sum().backward()
    assert all(p.grad.isfinite().all() for p in cale.parameters())


def test_bfloat16_input_is_computed_in_float32():
    """Scores of about 10 would be off by 0.03 in bfloat16; only the result may be rounded."""
    _, ids, _ = batch_of([[300, 5, 1]])
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, n, 2, 16).bfloat16() for n in (3, 306, 306))
    out = segment_softmax_attention(4 * q, k, v, ids)
    exact = dense_attention(4 * q.float(), k.float(), v.float(), ids)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), exact, atol=1e-4, rtol=2**-8)


def test_memory_is_linear():
    """T = 20,000 and S = 10,000: one (S, T) float tensor would be 800 MB."""
    lengths, ids, segment_lengths = batch_of([[2] * 10000])
    cale = CALE(8, num_layers=1, num_heads=2, conv_kernel=3)
    x = torch.randn(1, 20000, 8, requires_grad=True)
    with torch.profiler.profile(profile_memory=True) as profile:
        cale(x, lengths, ids, segment_lengths).sum().backward()
    largest = max(abs(event.self_cpu_memory_usage) for event in profile.events())
    assert 0 < largest < 20e6  # bytes; the widest tensor (S, 4 D) has 1.3 MB


def test_sinusoids():
    codes = sinusoids(64, 8)
    assert codes.shape == (64, 8)
    assert torch.equal(codes[0], torch.tensor([0.0] * 4 + [1.0] * 4))
    assert sinusoids(5, 7).shape == (5, 7)
    assert torch.cdist(codes, codes).fill_diagonal_(9.0).min() > 1e-3


def test_state_holds_no_position_codes():
    assert "position_codes" not in CALE(8).state_dict()
    assert not list(MeanPool(8).parameters()) and not list(MaxPool(8).parameters())


@pytest.mark.parametrize(
    "change, message",
    [
        ({"segment_ids": torch.tensor([[0, 1, 0]])}, "decrease"),
        ({"segment_ids": torch.tensor([[0, 0, 2]])}, "segment id 2 but only 2"),
        ({"segment_ids": torch.tensor([[0, 0, -1]])}, "row 0: length 3"),
        ({"segment_ids": torch.tensor([[0.0, 0.0, 1.0]])}, "int64"),
        ({"segment_ids": torch.tensor([[0, 0, 1, 1]])}, "differ in"),
        ({"segment_lengths": torch.tensor([[1, 2]])}, r"row 0.*\[2, 1\]"),
        ({"lengths": torch.tensor([2])}, "row 0: length 2"),
    ],
)
@pytest.mark.parametrize("name", AGGREGATORS)
def test_inconsistent_input_is_refused(name, change, message):
    good = {
        "embedded": torch.randn(1, 3, 8),
        "lengths": torch.tensor([3]),
        "segment_ids": torch.tensor([[0, 0, 1]]),
        "segment_lengths": torch.tensor([[2, 1]]),
    }
    aggregator = AGGREGATORS[name](8)
    aggregator(**good)
    with pytest.raises(ValueError, match=message):
        aggregator(**(good | change))


@pytest.mark.parametrize(
    "name, conf, message",
    [
        ("cale", {"num_heads": 3}, "num_heads 3"),
        ("cale", {"position": "rotary"}, "rotary"),
        ("cale", {"conv_kernel": 4}, "got 4"),
        ("mean", {"conv_kernel": -1}, "got -1"),
        ("max", {"conv_kernel": 2}, "got 2"),
        ("attention", {"num_heads": 3}, "num_heads 3"),
    ],
)
def test_wrong_conf_is_refused(name, conf, message):
    with pytest.raises(ValueError, match=message):
        AGGREGATORS[name](8, **conf)
