"""Calibrations reach the rates they promise, order thresholds by rate, and say what is missing."""

import copy
import functools

import pytest
import torch

from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.calibration import DEFAULT_METHODS, Calibration, calibrate
from espnet_entropy.segment.segmenters import SEGMENTERS, THRESHOLD_NAMES

# Without a codebook; with one, see test_content.py.
DEFAULT_METHODS = tuple(m for m in DEFAULT_METHODS if not SEGMENTERS[m[0]].has_distortion)
IDS = [name + ("+on_change" if on_change else "") for name, on_change in DEFAULT_METHODS]
HELD_OUT = dict(dump="dump/raw/dev", utterances=6)


def held_out_set(num_utts=6, frames=240, seed=0):
    """Units that change at half of the frames, distinct entropies, garbage on the padding."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.randint(0, 2, (num_utts, frames), generator=generator)
    entropies = 4 * torch.rand(num_utts, frames, generator=generator)
    lengths = torch.randint(frames // 2, frames + 1, (num_utts,), generator=generator)
    for row, length in enumerate(lengths.tolist()):
        entropies[row, length:] = float("nan")
        units[row, length:] = -1
    return units, entropies, lengths


@functools.cache
def calibration() -> Calibration:
    return calibrate([held_out_set()], num_units=2, frame_rate_hz=50.0, held_out=HELD_OUT)


def reached_rate(batch, config, thresholds):
    boundaries = find_boundaries(*batch, config, thresholds)
    return float(boundaries.sum()) / (float(batch[2].sum()) / config.frame_rate_hz)


@pytest.mark.parametrize(("segmenter", "on_change"), DEFAULT_METHODS, ids=IDS)
def test_grid_points_reach_their_rates(segmenter, on_change):
    batch = held_out_set()
    config = SegmenterConfig(segmenter, on_change, rate_hz=1.0)
    grid = calibration().methods[config.method]
    assert set(grid) == {"rate_hz", *SEGMENTERS[segmenter].thresholds}
    if segmenter == "dp":
        return  # its path depends on the rate aimed at, not on the one reached
    for index, rate in enumerate(grid["rate_hz"]):
        thresholds = torch.zeros(2)
        for name in SEGMENTERS[segmenter].thresholds:
            thresholds[THRESHOLD_NAMES.index(name)] = grid[name][index]
        assert reached_rate(batch, config, thresholds) == pytest.approx(rate, abs=1e-4)


@pytest.mark.parametrize(("segmenter", "on_change"), DEFAULT_METHODS, ids=IDS)
def test_thresholds_reach_the_rate_asked_for(segmenter, on_change):
    """Within the rounding of two boundaries on the grid; dp moves many boundaries at once."""
    for rate in (5, 5.4, 7, 9.3, 10, 15):
        config = SegmenterConfig(segmenter, on_change, rate_hz=float(rate))
        if rate > calibration().methods[config.method]["rate_hz"][-1] + 0.25:
            assert on_change  # half of the frames are out of the question
            continue
        thresholds = calibration().thresholds(config)
        rate_reached = reached_rate(held_out_set(), config, thresholds)
        on_grid = segmenter != "dp" and rate == int(rate)
        assert rate_reached == pytest.approx(rate, abs=0.1 if on_grid else 0.25)


@pytest.mark.parametrize(("segmenter", "on_change"), DEFAULT_METHODS, ids=IDS)
def test_higher_rates_have_lower_thresholds(segmenter, on_change):
    grid = calibration().methods[SegmenterConfig(segmenter, on_change, rate_hz=1.0).method]
    assert len(grid["rate_hz"]) > 3
    assert grid["rate_hz"] == sorted(set(grid["rate_hz"]))
    for name in SEGMENTERS[segmenter].thresholds:
        if segmenter != "dp":  # there the mean gap changes with the rate as well
            assert grid[name] == sorted(grid[name], reverse=True)


def test_combined_takes_both_thresholds_at_the_same_quantile():
    units, entropies, lengths = held_out_set()
    grid = calibration().methods["combined"]
    for high, rise in zip(grid["global_nats"], grid["relative_nats"], strict=True):
        counts = []
        for name in ("global", "relative"):
            config = SegmenterConfig(name)
            found = find_boundaries(units, entropies, lengths, config, torch.tensor([high, rise]))
            counts.append(int(found.sum()))
        assert abs(counts[0] - counts[1]) <= 1


@pytest.mark.parametrize("edge", ["low", "high"])
@pytest.mark.parametrize(("segmenter", "on_change"), DEFAULT_METHODS, ids=IDS)
def test_rates_aimed_at_can_be_asked_for(segmenter, on_change, edge):
    """What was aimed at and reached up to rounding is inside, though the grid ends just beside."""
    method = SegmenterConfig(segmenter, on_change, rate_hz=1.0).method
    rates = calibration().methods[method]["rate_hz"]
    nearest = round(rates[0 if edge == "low" else -1])
    thresholds = calibration().thresholds(
        SegmenterConfig(segmenter, on_change, rate_hz=float(nearest))
    )
    assert thresholds.isfinite().all()


def test_interpolation():
    grids = {"global": {"rate_hz": [5.0, 10.0, 20.0], "global_nats": [3.0, 2.0, 1.0]}}
    made = Calibration(10, 50.0, {}, grids)
    for rate, nats in ((5, 3.0), (7.5, 2.5), (10, 2.0), (15, 1.5), (20, 1.0)):
        thresholds = made.thresholds(SegmenterConfig("global", rate_hz=rate))
        assert thresholds.dtype == torch.float32
        assert thresholds.tolist() == pytest.approx([nats, 0.0])
    one = Calibration(10, 50.0, {}, {"peaks": {"rate_hz": [5.0], "global_nats": [3.0]}})
    assert one.thresholds(SegmenterConfig("peaks", rate_hz=5.0)).tolist() == [3.0, 0.0]
    for name in ("dense", "dedup", "fixed", "uniform", "random"):  # not calibrated
        assert one.thresholds(SegmenterConfig(name, rate_hz=15.0)).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "config, message",
    [
        (SegmenterConfig("global", rate_hz=4.0), "rate 4.0 Hz is outside .* 5.0 to 20.0 Hz"),
        (SegmenterConfig("global", rate_hz=21.0), "rate 21.0 Hz is outside"),
        (SegmenterConfig("global"), "'global' needs a rate"),
        (SegmenterConfig("peaks", rate_hz=15.0), "'peaks' is not in the calibration"),
        (SegmenterConfig("global", True, 15.0), r"'global\+on_change' is not in the calibration"),
        (SegmenterConfig("relative", rate_hz=15.0), "'relative' reached no rate"),
    ],
    ids=["low", "high", "no-rate", "other-method", "on_change", "nothing-reached"],
)
def test_what_cannot_be_had_is_refused(config, message):
    grids = {
        "global": {"rate_hz": [5.0, 20.0], "global_nats": [3.0, 1.0]},
        "relative": {"rate_hz": [], "relative_nats": []},
    }
    with pytest.raises(ValueError, match=message):
        Calibration(10, 50.0, {}, grids).thresholds(config)


@pytest.mark.parametrize(
    "units, entropies",
    [
        (torch.zeros(1, 1), torch.ones(1, 1)),
        (torch.zeros(3, 40), torch.ones(3, 40)),
        (torch.zeros(3, 40), torch.rand(3, 40, generator=torch.Generator().manual_seed(0))),
    ],
    ids=["one-frame", "constant", "units-never-change"],
)
def test_sets_on_which_methods_never_fire(units, entropies):
    """Nothing to rank: such methods are kept with an empty grid or what they do reach."""
    lengths = torch.full((len(units),), units.shape[1])
    made = calibrate(
        [(units.long(), entropies, lengths)], num_units=2, frame_rate_hz=50.0, held_out={}
    )
    assert set(made.methods) == set(IDS)
    for grid in made.methods.values():
        assert all(len(values) == len(grid["rate_hz"]) for values in grid.values())


def test_dp_is_calibrated_for_one_gap_cost():
    made = calibrate(
        [held_out_set()],
        num_units=2,
        frame_rate_hz=50.0,
        held_out={},
        methods=(("global", False), ("dp", False)),
        gap_cost=0.05,
    )
    assert made.gap_cost == 0.05
    config = SegmenterConfig("dp", rate_hz=15.0, gap_cost=0.05)
    reached = reached_rate(held_out_set(), config, made.thresholds(config))
    assert reached == pytest.approx(15, abs=0.25)
    with pytest.raises(ValueError, match="gap_cost is 0.3, but 'dp' was calibrated with 0.05"):
        made.thresholds(SegmenterConfig("dp", rate_hz=15.0))
    made.thresholds(SegmenterConfig("global", rate_hz=15.0, gap_cost=7.0))  # reads none


def test_batches_change_nothing():
    units, entropies, lengths = held_out_set()
    rows = [(units[i : i + 2, :n], entropies[i : i + 2, :n]) for i, n in ((0, 240), (2, 240))]
    batches = [(*row, lengths[i : i + 2]) for row, i in zip(rows, (0, 2), strict=True)]
    last = int(lengths[4:].max())
    batches.insert(0, (units[4:, :last], entropies[4:, :last], lengths[4:]))
    made = calibrate(batches, num_units=2, frame_rate_hz=50.0, held_out=HELD_OUT)
    assert made == calibration()


def test_save_and_load_also_files_of_before_without_gap_cost(tmp_path):
    calibration().save(tmp_path / "c.yaml")
    assert Calibration.load(tmp_path / "c.yaml") == calibration()
    content = read_yaml(tmp_path / "c.yaml")
    assert content.pop("gap_cost") == 0.3
    write_yaml(tmp_path / "c.yaml", content)
    assert Calibration.load(tmp_path / "c.yaml") == calibration()


@pytest.mark.parametrize(
    "content",
    [None, b"- 1\n", b"num_units: 3\n", b"a: [\n"],
    ids=["missing", "list", "incomplete", "cut"],
)
def test_broken_files_are_named(tmp_path, content):
    path = tmp_path / "calibration.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match="calibration.yaml is no calibration"):
        Calibration.load(path)


@pytest.mark.parametrize(
    "column, change",
    [
        ("global_nats", lambda values: values[1:]),
        ("rate_hz", lambda values: values[::-1]),
        ("rate_hz", lambda values: [str(value) for value in values]),
        ("global_nats", lambda values: [float("nan"), *values[1:]]),
        ("global_nats", None),
    ],
    ids=["shorter", "descending", "strings", "NaN", "another name"],
)
def test_columns_that_do_not_fit_are_refused(tmp_path, column, change):
    made = copy.deepcopy(calibration())
    values = made.methods["global"].pop(column)
    made.methods["global"][column if change else "x"] = change(values) if change else values
    made.save(tmp_path / "calibration.yaml")
    with pytest.raises(ValueError, match="calibration.yaml is no calibration"):
        Calibration.load(tmp_path / "calibration.yaml")
