"""SegmentEncoder: segments and vectors, embeddings from centroids, masking in training."""

import json
from pathlib import Path

import pytest
import reference
import torch
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_entropy.aggregate.aggregators import AGGREGATORS
from espnet_entropy.aggregate.encoder import MAX_DURATION, SegmentEncoder
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.calibration import Calibration

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


def test_durations_add_a_vector_of_the_segments_length():
    """Nothing at first; then the row of the length, the last one for longer segments."""
    units, entropies = torch.zeros(2, 50, dtype=torch.int64), torch.zeros(2, 50)
    entropies[:, 2] = 3.0  # segments of 2 and 48 frames; of 2 and 1
    batch = units, entropies, torch.tensor([50, 3])
    plain, model = encoder(), encoder(durations=True)
    torch.testing.assert_close(model(*batch).vectors, plain(*batch).vectors)
    with torch.no_grad():
        model.durations += torch.arange(MAX_DURATION + 1.0)[:, None] + 1
    added = model(*batch).vectors - plain(*batch).vectors
    expected = torch.tensor([[3.0, MAX_DURATION + 1.0], [3.0, 2.0]])
    torch.testing.assert_close(added, expected[..., None].expand_as(added))
    model(units[:, :1], entropies[:, :1], torch.tensor([1, 1])).vectors.sum().backward()
    assert model.durations.grad[1].eq(2).all() and model.durations.grad.sum() == 2 * D


def test_padding_has_no_duration():
    model = encoder(durations=True)
    with torch.no_grad():
        model.durations += 1
    encoded = model(
        torch.zeros(2, 4, dtype=torch.int64),
        torch.tensor([[0.0, 3.0, 3.0, 0.0], [0.0] * 4]),
        torch.tensor([4, 2]),
    )
    assert encoded.num_segments.tolist() == [3, 1] and not encoded.vectors[1, 1:].any()


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


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_equal_centroids_are_refused(value):
    """They would give NaN."""
    with pytest.raises(ValueError, match="centroids are all equal.*unit_init: random"):
        encoder().init_embedding(torch.full((K, 4), value))


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


GRIDS = {
    name: {"rate_hz": [5.0, 20.0], "global_nats": [3.0, 2.0]}
    for name in ("global", "global+on_change", "peaks", "dp")
}


def untrained(threshold_nats=None, rate_range_hz=None, segmenter="global", **settings):
    config = SegmenterConfig(segmenter, **settings)
    rates = dict(threshold_nats=threshold_nats, rate_range_hz=rate_range_hz)
    return SegmentEncoder(K, D, config, aggregator="mean", **rates)


def calibrated(frame_rate_hz=50.0, **settings):
    """A model with thresholds from a calibration that fits its settings."""
    model = untrained(frame_rate_hz=frame_rate_hz, **settings)
    config = model.segmenter
    model.set_thresholds(Calibration(K, frame_rate_hz, {}, GRIDS, config.gap_cost))
    return model


DEFAULT = dict(segmenter="global", rate_hz=15.0)
OTHERS = [
    (DEFAULT, dict(DEFAULT, rate_hz=7.0), "rate_hz=15 frame.* says segmenter=global .*rate_hz=7 "),
    (DEFAULT, dict(DEFAULT, rate_hz=15.01), "rate_hz=15 .* rate_hz=15.01"),
    (DEFAULT, dict(DEFAULT, segmenter="peaks"), "for segmenter=global .* says segmenter=peaks "),
    (DEFAULT, dict(DEFAULT, on_change=True), "on_change=false .* on_change=true"),
    (DEFAULT, dict(DEFAULT, frame_rate_hz=40.0), "frame_rate_hz=50, .* frame_rate_hz=40"),
    (DEFAULT, dict(threshold_nats=1.5), "rate_hz=15 .* threshold_nats=1.5"),
    (dict(threshold_nats=2.0), dict(threshold_nats=1.5), "threshold_nats=2 .*threshold_nats=1.5"),
    (dict(threshold_nats=0.0), DEFAULT, "threshold_nats=0 .* rate_hz=15"),
    (
        dict(DEFAULT, segmenter="dp"),
        dict(DEFAULT, segmenter="dp", gap_cost=0.5),
        "gap_cost=0.3, .* gap_cost=0.5",
    ),
    (dict(DEFAULT, segmenter="uniform"), DEFAULT, "for segmenter=uniform .* says segmenter=global"),
]


@pytest.mark.parametrize(
    "theirs, ours, message",
    OTHERS,
    ids="rate close segmenter on_change frames rate-nats nats nats-rate gap uniform".split(),
)
def test_thresholds_for_other_settings_are_not_loaded(theirs, ours, message):
    state = calibrated(**theirs).state_dict()
    with pytest.raises(ValueError, match=f"{message}.*--init_param"):
        calibrated(**ours).load_state_dict(state)
    calibrated(**theirs).load_state_dict(state)


OLD = json.loads(Path(__file__).with_name("old_threshold_records.json").read_text())


@pytest.mark.parametrize("settings, record", OLD, ids=lambda x: "-".join(map(str, x))[:30])
def test_records_of_earlier_versions_are_loaded_and_compared(settings, record):
    """What they saved in place of today's record, by settings; all null where nothing is known."""
    is_known = record[0] is not None
    numbers = torch.tensor([float("nan") if value is None else value for value in record])
    state = untrained(**settings).state_dict()
    del state["threshold_record.text_and_thresholds"]
    state["threshold_record"] = numbers
    model = untrained(**settings)
    model.load_state_dict(state)
    expected = numbers[: 2 * len(model._grid_hz)].view(-1, 2)
    torch.testing.assert_close(model.threshold_record.thresholds, expected, equal_nan=True)
    assert model.threshold_record.text == (model.threshold_record.made_for if is_known else "")
    other = untrained(segmenter="relative", rate_hz=15.0)
    if is_known:
        with pytest.raises(ValueError, match=f"made for segmenter={settings['segmenter']} "):
            other.load_state_dict(state)


def test_bf16_keeps_what_thresholds_were_made_for():
    settings = dict(segmenter="dp", rate_hz=15.3, gap_cost=0.37)
    state = calibrated(**settings).to(torch.bfloat16).state_dict()
    loaded = untrained(**settings)
    loaded.load_state_dict(state)
    assert loaded.thresholds[0].item() == pytest.approx(2.3, abs=0.02)


def test_segmenters_without_thresholds_start_from_any_model():
    model = calibrated(segmenter="uniform", rate_hz=7.0)
    model.load_state_dict(calibrated(rate_hz=15.0).state_dict())


def test_averaged_checkpoints_are_loaded():
    """As ESPnet averages them: sums, divided unless they are integers; then cast."""
    settings = dict(segmenter="dp", rate_hz=15.3, gap_cost=0.37)
    state = calibrated(**settings).state_dict()
    averaged = {name: sum([value] * 9, 0 * value) / 9 for name, value in state.items()}
    loaded = calibrated(**settings).to(torch.float32)
    loaded.load_state_dict(averaged)
    torch.testing.assert_close(loaded.state_dict(), state)


@pytest.mark.parametrize("version", ["old", "new"])
def test_a_new_model_starts_from_another_ones_parameters(tmp_path, version):
    """ESPnet's --init_param copies buffers too; those of the segmentation can be left out."""
    old, new = (torch.nn.ModuleDict({"encoder": calibrated(rate_hz=r)}) for r in (15.0, 7.0))
    state = old.state_dict()
    if version == "old":
        del state["encoder.threshold_record.text_and_thresholds"]
        state["encoder.threshold_record"] = torch.tensor(OLD[0][1])
    torch.save(state, tmp_path / "model.pth")
    expected = new["encoder"].thresholds.clone()
    for excluded in ("", ":::encoder.mask_embedding"):
        with pytest.raises(ValueError, match="made for segmenter=global .*rate_hz=15"):
            load_pretrained_model(f"{tmp_path}/model.pth{excluded}", new, False)
    new = torch.nn.ModuleDict({"encoder": calibrated(rate_hz=7.0)})
    load_pretrained_model(f"{tmp_path}/model.pth:::encoder.threshold_record", new, False)
    assert torch.equal(new["encoder"].thresholds, expected)
    assert torch.equal(new["encoder"].embedding.weight, old["encoder"].embedding.weight)


def test_an_empty_batch_is_refused():
    empty = torch.zeros(0, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="the batch holds no utterance"):
        encoder()(empty, empty.float(), empty[:, 0])


@pytest.mark.parametrize("unit", [-1, K])
def test_units_out_of_range_are_refused(unit):
    with pytest.raises(ValueError, match=f"the codebook has {K} units"):
        encoder()(torch.tensor([[0, unit]]), torch.zeros(1, 2), torch.tensor([2]))


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
