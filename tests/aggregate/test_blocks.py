"""CALE in blocks of whole segments: their edges; neither vectors nor gradients change."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy.aggregate.aggregators import CALE
from espnet_entropy.aggregate.blocks import block_edges
from espnet_entropy.segment.boundaries import segments_of


@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 20))
def test_blocks_are_whole_segments(lengths, block_units):
    lengths = torch.tensor(lengths)
    starts = lengths.cumsum(0) - lengths
    edges = block_edges(starts, int(lengths.sum()), block_units)
    assert edges[0] == (0, 0) and edges[-1] == (len(lengths), int(lengths.sum()))
    for (segment, unit), (last, end) in zip(edges[:-1], edges[1:], strict=True):
        assert unit == starts[segment] and end == unit + int(lengths[segment:last].sum())
        assert end - unit <= block_units or last == segment + 1
        # Not smaller than it must be.
        assert last == len(lengths) or end - unit + int(lengths[last]) > block_units


def run(block_units, conv_kernel, *, gradients=True):
    """Vectors, and the gradients of everything."""
    torch.manual_seed(0)
    cale = CALE(8, num_layers=2, num_heads=2, conv_kernel=conv_kernel, block_units=block_units)
    cale = cale.double()
    embedded = torch.randn(3, 70, 8, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([70, 1, 43])
    boundaries = torch.rand(3, 70) < 0.3
    boundaries[:, 0] = True
    boundaries &= torch.arange(70) < lengths[:, None]
    with torch.set_grad_enabled(gradients):
        vectors = cale(embedded, lengths, *segments_of(boundaries, lengths))
    if not gradients:
        return [vectors]
    vectors.square().sum().backward()
    return [vectors.detach(), embedded.grad, *(p.grad for p in cale.parameters())]


@pytest.mark.parametrize("conv_kernel", [0, 3])
@pytest.mark.parametrize("block_units", [1, 16, 113])
def test_blocks_change_nothing(block_units, conv_kernel):
    for found, expected in zip(run(block_units, conv_kernel), run(10**6, conv_kernel), strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        run(block_units, conv_kernel, gradients=False)[0], run(10**6, conv_kernel)[0]
    )


def test_dropout_is_drawn_once():
    """A block is computed twice in training, both times with the same units dropped."""
    torch.manual_seed(0)
    cale = CALE(8, num_layers=1, num_heads=2, dropout=0.5, block_units=10).double().train()
    embedded, direction = torch.randn(2, 1, 40, 8, dtype=torch.float64)
    boundaries = (torch.arange(40) % 4 == 0).unsqueeze(0)
    lengths = torch.tensor([40])
    ids, segment_lengths = segments_of(boundaries, lengths)

    def loss(step):
        torch.manual_seed(1)
        vectors = cale(embedded + step * direction, lengths, ids, segment_lengths)
        return vectors[..., 0].square().sum()

    step = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    loss(step).backward()
    with torch.no_grad():
        slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert abs(float(slope)) > 1e-2
    assert float(step.grad) == pytest.approx(float(slope), rel=1e-4)


def test_no_blocks_are_refused():
    with pytest.raises(ValueError, match="block_units must be at least 1, got 0"):
        CALE(8, num_heads=2, block_units=0)
