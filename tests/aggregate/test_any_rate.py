"""One model of many rates: thresholds between those of its grid, a rate a batch in training."""

import math

import pytest
import torch

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.calibration import Calibration, calibrate
from espnet_entropy.segment.rates import GRID_POINTS

K, D = 20, 8
RANGE = (7.0, 50.0)


def held_out(seed=0, batch=8, length=400):
    generator = torch.Generator().manual_seed(seed)
    units = torch.randint(0, K, (batch, length), generator=generator)
    entropies = 3 * torch.rand(batch, length, generator=generator)
    return units, entropies, torch.full((batch,), length)


@pytest.fixture(scope="module")
def calibration():
    methods = (("global", False), ("peaks", False), ("dp", False), ("global", True))
    return calibrate([held_out()], num_units=K, frame_rate_hz=50.0, held_out={}, methods=methods)


def model_of(calibration, segmenter="global", rate_hz=15.0, rate_range_hz=RANGE, **settings):
    config = SegmenterConfig(segmenter, rate_hz=rate_hz, **settings)
    made = SegmentEncoder(K, D, config, rate_range_hz=rate_range_hz, aggregator="mean").eval()
    if calibration is not None:
        made.set_thresholds(calibration)
    return made


def reached(model, batch):
    encoded = model(*batch)
    return 50 * float(encoded.num_segments.sum()) / float(batch[2].sum())


@pytest.mark.parametrize("segmenter", ["global", "peaks", "dp"])
def test_every_rate_of_the_range_is_reached(calibration, segmenter):
    model = model_of(calibration, segmenter)
    for rate_hz in (7.0, 11.3, 15.0, 24.0, 37.0, 47.0):
        model.set_rate(rate_hz)
        # Between grid points a threshold is interpolated, so it is not met to the frame.
        assert reached(model, held_out()) == pytest.approx(rate_hz, abs=0.6)


@pytest.mark.parametrize("segmenter", ["global", "dp", "uniform"])
def test_at_the_frame_rate_every_unit_is_a_segment(calibration, segmenter):
    model = model_of(calibration, segmenter)
    model.set_rate(50.0)
    units, entropies, lengths = held_out(seed=3)
    assert model(units, entropies, lengths).num_segments.tolist() == lengths.tolist()


def test_at_a_grid_point_it_segments_as_a_model_of_that_rate(calibration):
    batch = held_out(seed=5)
    model = model_of(calibration)
    rate_hz = model._grid_hz[9]
    config = SegmenterConfig("global", rate_hz=rate_hz)
    expected = find_boundaries(*batch, config, calibration.thresholds(config))
    model.set_rate(rate_hz)
    assert torch.equal(model.find_boundaries(*batch), expected)


def test_training_draws_a_rate_for_each_batch(calibration):
    model = model_of(calibration).train()
    torch.manual_seed(0)
    rates = [reached(model, held_out()) for _ in range(200)]
    assert min(rates) < 9 and max(rates) > 45
    # As many below the middle of the logarithmic scale as above it.
    middle = math.sqrt(RANGE[0] * RANGE[1])
    assert sum(rate < middle for rate in rates) == pytest.approx(100, abs=25)
    # Another seed, other rates; the same seed, the same.
    torch.manual_seed(0)
    assert [reached(model, held_out()) for _ in range(5)] == rates[:5]
    assert model.segmenter.rate_hz == 15.0
    model.eval()
    assert reached(model, held_out()) == reached(model, held_out()) == pytest.approx(15, abs=0.6)


def test_its_state_knows_the_grid_and_its_range(calibration):
    state = model_of(calibration).state_dict()
    loaded = model_of(None, rate_hz=24.0)
    assert loaded.thresholds.isnan().all()
    loaded.load_state_dict(state)
    assert reached(loaded, held_out()) == pytest.approx(24, abs=0.6)
    with pytest.raises(ValueError, match="lowest_hz=7 highest_hz=50 .* highest_hz=40"):
        model_of(None, rate_range_hz=(7.0, 40.0)).load_state_dict(state)
    with pytest.raises(ValueError, match="made for segmenter=global .* says segmenter=peaks"):
        model_of(None, "peaks").load_state_dict(state)
    with pytest.raises(ValueError, match="lowest_hz=7 highest_hz=50 .* rate_hz=15"):
        model_of(None, rate_range_hz=None).load_state_dict(state)


def test_thresholds_descend_with_the_rate(calibration):
    model = model_of(calibration)
    rows = model.threshold_record.thresholds[:, 0].tolist()
    assert len(rows) == GRID_POINTS and rows == sorted(rows, reverse=True)


def test_rates_out_of_range_are_refused(calibration):
    model = model_of(calibration)
    for rate_hz in (6.9, 50.1, -1.0):
        with pytest.raises(ValueError, match="outside of the model's, 7 to 50"):
            model.set_rate(rate_hz)
    for rate_hz in (float("nan"), "15", None, True):
        with pytest.raises(ValueError, match="must be a finite number"):
            model.set_rate(rate_hz)
    assert model.segmenter.rate_hz == 15.0


def test_a_model_of_one_rate_has_no_other(calibration):
    model = model_of(calibration, rate_range_hz=None)
    model.set_rate(15.0)
    with pytest.raises(ValueError, match="rate_hz=15 .* has no rate of 7 Hz; train one with"):
        model.set_rate(7.0)


def test_a_calibration_that_does_not_reach_is_refused():
    grids = {"global": {"rate_hz": [5.0, 20.0], "global_nats": [3.0, 2.0]}}
    with pytest.raises(ValueError, match="outside of what 'global' reached .* 5.0 to 20.0 Hz"):
        model_of(Calibration(K, 50.0, {}, grids))


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(rate_range_hz=(50.0, 7.0)), "must ascend"),
        (dict(rate_range_hz=(7.0,)), "must be two rates"),
        (dict(rate_range_hz=7.0), "must be two rates"),
        (dict(rate_range_hz=("7", 50.0)), "'7', but must be a finite number"),
        (dict(rate_range_hz=(0.0, 50.0)), r"rate_hz is 0.0, but must lie in \(0, 50"),
        (dict(rate_range_hz=(7.0, 51.0)), "rate_hz is 51.0"),
        (dict(rate_hz=None), "rate is None, but must lie in the rate_range"),
        (dict(rate_hz=5.0), "rate is 5.0, but must lie in the rate_range"),
        (dict(segmenter="dedup"), "'dedup' has one rate"),
    ],
)
def test_bad_ranges_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model_of(None, **options)


def test_a_threshold_and_a_range_are_refused():
    config = SegmenterConfig("global", rate_hz=15.0)
    with pytest.raises(ValueError, match="a threshold gives one rate"):
        SegmentEncoder(K, D, config, rate_range_hz=RANGE, threshold_nats=1.0)
