"""SegmentEncoder: segments and vectors, embeddings from centroids, masking in training."""

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_entropy.aggregate import AGGREGATORS
from espnet_entropy.calibration import Calibration
from espnet_entropy.encode import SegmentEncoder
from espnet_entropy.segment import SegmenterConfig

K, D = 7, 8
CONF = {"cale": {"num_layers": 1, "num_heads": 2}}


def encoder(aggregator="cale", threshold=2.0, config=None, **options):
    torch.manual_seed(0)
    config = config or SegmenterConfig("global")
    conf = CONF.get(aggregator)
    made = SegmentEncoder(K, D, config, aggregator=aggregator, aggregator_conf=conf, **options)
    made.thresholds.fill_(threshold)
    return made.eval()


@st.composite
def batches(draw):
    lengths = draw(st.lists(st.integers(1, 15), min_size=1, max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    shape = len(lengths), max(lengths) + draw(st.integers(0, 2))
    units = torch.randint(0, K, shape, generator=generator)
    entropies = 4 * torch.rand(shape, generator=generator)
    for row, length in enumerate(lengths):
        units[row, length:] = draw(st.sampled_from([0, -5, 10**9]))
        entropies[row, length:] = draw(st.sampled_from([0.0, float("nan"), float("inf")]))
    return units, entropies, torch.tensor(lengths)


@pytest.mark.parametrize("aggregator", sorted(AGGREGATORS))
@settings(max_examples=30)
@given(batch=batches())
def test_vectors_do_not_depend_on_batch_and_padding(aggregator, batch):
    model = encoder(aggregator)
    units, entropies, lengths = batch
    together = model(*batch)
    assert together.vectors.isfinite().all()
    for row, length in enumerate(lengths.tolist()):
        starts = reference.boundaries(
            "global", units[row, :length].tolist(), entropies[row, :length].tolist(), global_nats=2
        )
        ids, segment_lengths = reference.segments(starts)
        count = len(segment_lengths)
        assert together.num_segments[row] == count
        assert together.segment_ids[row, :length].tolist() == ids
        assert together.segment_lengths[row, :count].tolist() == segment_lengths
        assert not together.vectors[row, count:].any()
        alone = model(units[[row], :length], entropies[[row], :length], lengths[[row]])
        torch.testing.assert_close(
            together.vectors[row, :count], alone.vectors[0], atol=1e-5, rtol=1e-5
        )


def test_mean_of_one_frame_segments_is_the_embedding():
    model = encoder("mean", config=SegmenterConfig("dense"))
    units = torch.tensor([[3, 1, 6]])
    encoded = model(units, torch.zeros(1, 3), torch.tensor([3]))
    torch.testing.assert_close(encoded.vectors, model.embedding(units))


def test_centroids_start_the_embedding():
    """Distances between units are those between centroids, up to one scale."""
    model = encoder()
    centroids = torch.randn(K, 20, generator=torch.Generator().manual_seed(3)) + 5
    model.init_embedding(centroids)
    weight = model.embedding.weight.detach()
    ratio = torch.pdist(weight) / torch.pdist(centroids)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=1e-3, atol=0)
    assert weight.square().mean().item() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("dim", [2, 3, 40])
def test_centroids_of_any_dimension_fit(dim):
    model = encoder()
    model.init_embedding(torch.randn(K, dim, generator=torch.Generator().manual_seed(3)))
    weight = model.embedding.weight.detach()
    assert weight.isfinite().all()
    assert weight.square().mean().item() == pytest.approx(1.0, rel=1e-4)
    assert (weight.abs().sum(0) > 1e-3).sum() <= dim


def test_centroids_of_another_codebook_are_refused():
    with pytest.raises(ValueError, match=f"{K + 1} centroids for {K} units"):
        encoder().init_embedding(torch.zeros(K + 1, 4))


def test_thresholds_start_unknown():
    model = SegmentEncoder(K, D, SegmenterConfig("global", rate_hz=15.0), aggregator="mean")
    batch = torch.tensor([[1, 2]]), torch.tensor([[3.0, 3.0]]), torch.tensor([2])
    with pytest.raises(ValueError, match="no threshold yet"):
        model(*batch)
    grids = {"global": {"rate_hz": [10.0, 20.0], "global_nats": [3.0, 2.0]}}
    model.set_thresholds(Calibration(K, 50.0, {}, grids))
    assert model.thresholds.tolist() == [2.5, 0.0]
    assert model(*batch).num_segments.tolist() == [2]
    assert "thresholds" in model.state_dict()


@pytest.mark.parametrize("unit", [-1, K])
def test_units_out_of_range_are_refused(unit):
    with pytest.raises(ValueError, match=f"the codebook has {K} units"):
        encoder()(torch.tensor([[0, unit]]), torch.zeros(1, 2), torch.tensor([2]))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(aggregator="sum"), "aggregator 'sum' is none of"),
        (dict(unit_mask=1.0), "unit_mask 1.0"),
        (dict(unit_mask=0.1, mask_span=0), "mask_span 0"),
    ],
    ids=["aggregator", "share", "span"],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SegmentEncoder(K, D, SegmenterConfig("dense"), **options)


@pytest.mark.parametrize("mask_span", [1, 2, 7, 8])
@pytest.mark.parametrize("unit_mask", [0.05, 0.2])
def test_mask_hides_its_share_in_spans(unit_mask, mask_span):
    model = encoder(unit_mask=unit_mask, mask_span=mask_span)
    torch.manual_seed(0)
    mask = model._draw_mask(torch.zeros(2000, 500, dtype=torch.long))
    assert mask.shape == (2000, 500) and mask.dtype == torch.bool
    share = 1 - (1 - unit_mask / mask_span) ** mask_span  # spans may overlap
    assert mask.float().mean().item() == pytest.approx(share, rel=0.05)
    # A span that touches no edge is never shorter than asked for.
    for row in mask[:50].int().tolist():
        inner = "".join(map(str, row)).strip("1").split("0")
        assert all(len(run) >= mask_span for run in inner if run)


def test_mask_and_dropout_act_in_training_only():
    model = encoder(unit_mask=0.5, mask_span=2, dropout=0.3)
    torch.nn.init.normal_(model.mask_embedding)
    generator = torch.Generator().manual_seed(0)
    batch = (
        torch.randint(0, K, (2, 30), generator=generator),
        4 * torch.rand(2, 30, generator=generator),
        torch.tensor([30, 20]),
    )
    first, again = model(*batch), model(*batch)
    assert torch.equal(first.vectors, again.vectors)
    noisy = model.train()(*batch)
    assert not torch.allclose(noisy.vectors, first.vectors)
    assert torch.equal(noisy.segment_ids, first.segment_ids)  # the masks hide units, not boundaries


def test_gradient_reaches_every_weight():
    model = encoder(unit_mask=0.3, mask_span=2).train()
    batch = torch.arange(K).repeat(1, 6), torch.rand(1, 6 * K) * 4, torch.tensor([6 * K])
    model(*batch).vectors.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert (model.embedding.weight.grad.abs().sum(1) > 0).all()
    assert model.mask_embedding.grad.abs().sum() > 0
