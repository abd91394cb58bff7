"""Segmenters against plain loops, and their independence from batch and padding."""

import math

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries, segments_of
from espnet_entropy.segment.segmenters import SEGMENTERS

GARBAGE_ENTROPIES = [float("nan"), float("inf"), float("-inf"), 1e30]
GARBAGE_UNITS = [-7, 2**62, -(2**63)]
# `stored` takes no entropies, see test_bpe.py; `content` takes a codebook, see test_content.py.
OF_ENTROPIES = sorted(set(SEGMENTERS) - {"stored", "content"})
LOOPED = sorted(set(OF_ENTROPIES) - {"dp"})

# Multiples of 1/8: sums and differences are exact in float32, and ties are common.
eighths = st.integers(0, 32).map(lambda n: n / 8)


@st.composite
def utterances(draw, max_frames=24):
    length = draw(st.integers(1, max_frames))
    units = draw(st.lists(st.integers(0, 3), min_size=length, max_size=length))
    constant = draw(st.booleans())
    entropy = st.just(draw(eighths)) if constant else eighths
    return units, draw(st.lists(entropy, min_size=length, max_size=length))


@st.composite
def batches(draw, max_frames=24):
    """Utterances, and the padded tensors that hold them, garbage on the padding."""
    utts = draw(st.lists(utterances(max_frames), min_size=1, max_size=4))
    frames = max(len(units) for units, _ in utts) + draw(st.integers(0, 3))
    unit = draw(st.sampled_from(GARBAGE_UNITS))
    entropy = draw(st.sampled_from(GARBAGE_ENTROPIES))
    return utts, pad(utts, frames, unit=unit, entropy=entropy)


def pad(utts, frames, *, unit=0, entropy=0.0):
    units = torch.tensor([u + [unit] * (frames - len(u)) for u, _ in utts])
    entropies = torch.tensor([e + [entropy] * (frames - len(e)) for _, e in utts])
    return units, entropies, torch.tensor([len(u) for u, _ in utts])


@st.composite
def configs(draw, names=LOOPED):
    name = draw(st.sampled_from(names))
    return SegmenterConfig(
        name,
        on_change=bool(SEGMENTERS[name].thresholds) and draw(st.booleans()),
        rate_hz=draw(st.sampled_from([1.0, 7.0, 12.5, 15.0, 24.0, 33.3, 50.0])),
        min_rate_hz=draw(st.none() | st.sampled_from([1.0, 5.0, 12.5, 20.0, 50.0])),
        max_segment=draw(st.none() | st.integers(1, 6)),
        lead=draw(st.integers(0, 3)) if SEGMENTERS[name].thresholds else 0,
    )


@settings(max_examples=250)
@given(batches(), configs(), eighths, eighths.map(lambda x: x - 2))
def test_find_boundaries_equals_the_loop(batch, config, global_nats, relative_nats):
    utts, tensors = batch
    found = find_boundaries(*tensors, config, torch.tensor([global_nats, relative_nats]))

    assert found.dtype == torch.bool and found.shape == tensors[0].shape
    for row, (units, entropies) in zip(found.tolist(), utts, strict=True):
        expected = reference.boundaries(
            config.segmenter,
            units,
            entropies,
            on_change=config.on_change,
            rate_hz=config.rate_hz,
            global_nats=global_nats,
            relative_nats=relative_nats,
            min_rate_hz=config.min_rate_hz,
            max_segment=config.max_segment,
            lead=config.lead,
        )
        assert row == expected + [False] * (len(row) - len(units))


@given(
    batches(max_frames=8),  # a gap of all of them is allowed at each of these rates
    eighths,
    st.booleans(),
    st.sampled_from([7.0, 15.0, 24.0]),
    st.sampled_from([0.0, 0.1, 0.3, 2.0]),
    st.integers(0, 2),
)
def test_best_path_is_the_best_of_all_subsets(batch, threshold, on_change, rate_hz, gap_cost, lead):
    utts, tensors = batch
    config = SegmenterConfig("dp", on_change, rate_hz, gap_cost=gap_cost, lead=lead)
    found = find_boundaries(*tensors, config, torch.tensor([threshold, 0.0]))

    costs = dict(threshold=threshold, gap_cost=gap_cost, mean_gap=50.0 / rate_hz)
    for row, (units, entropies) in zip(found.tolist(), utts, strict=True):
        starts = [t for t, is_start in enumerate(row) if is_start]
        asking = range(1 + lead, len(units))
        allowed = [t - lead for t in asking if units[t] != units[t - 1] or not on_change]
        entropies = reference.earlier(entropies, lead, 0.0)
        assert starts[0] == 0 and set(starts[1:]) <= set(allowed)
        # Equally good paths may differ; none may be better.
        best = reference.best_path_value(allowed, entropies, **costs)
        assert reference.path_value(starts, entropies, **costs) == pytest.approx(best, abs=1e-3)


@settings(max_examples=100)
@given(batches(), configs(OF_ENTROPIES), eighths)
def test_boundaries_do_not_depend_on_batch_and_padding(batch, config, threshold):
    utts, tensors = batch
    thresholds = torch.tensor([threshold, threshold - 2])
    before = [tensor.clone() for tensor in tensors]
    together = find_boundaries(*tensors, config, thresholds)
    for old, new in zip(before, tensors, strict=True):
        torch.testing.assert_close(old, new, rtol=0, atol=0, equal_nan=True)
    for index, utt in enumerate(utts):
        alone = find_boundaries(*pad([utt], len(utt[0])), config, thresholds)
        assert torch.equal(alone[0], together[index, : len(utt[0])])
        assert not together[index, len(utt[0]) :].any()


@given(batches(), configs())
def test_segments_of_equals_the_loop(batch, config):
    utts, tensors = batch
    starts = find_boundaries(*tensors, config, torch.tensor([2.0, 0.0]))
    ids, lengths = segments_of(starts, tensors[2])

    assert ids.dtype == lengths.dtype == torch.int64
    assert lengths.shape[1] == starts.sum(1).max()
    for row, (units, _) in enumerate(utts):
        frames = len(units)
        expected_ids, expected_lengths = reference.segments(starts[row, :frames].tolist())
        assert ids[row].tolist() == expected_ids + [-1] * (ids.shape[1] - frames)
        padding = [0] * (lengths.shape[1] - len(expected_lengths))
        assert lengths[row].tolist() == expected_lengths + padding


@pytest.mark.parametrize(
    "config, expected",
    [
        (SegmenterConfig("global"), "x.x..x.x"),
        (SegmenterConfig("global", on_change=True), "x.x....x"),
        (SegmenterConfig("relative"), "x.x..x.x"),
        (SegmenterConfig("peaks"), "x.x..x.x"),
        (SegmenterConfig("dense"), "xxxxxxxx"),
        (SegmenterConfig("dedup"), "x.xx...x"),
        (SegmenterConfig("fixed", rate_hz=12.5), "x...x..."),
        (SegmenterConfig("uniform", rate_hz=20.0), "x..x.x.."),
        (SegmenterConfig("global", min_rate_hz=50.0), "xxxxxxxx"),
        (SegmenterConfig("global", max_segment=2), "x.x.xx.x"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.method,
)
def test_one_utterance_by_hand(config, expected):
    units = torch.tensor([[4, 4, 5, 6, 6, 6, 6, 7]])
    entropies = torch.tensor([[3.0, 1.0, 2.5, 2.0, 1.0, 2.75, 2.0, 3.0]])
    thresholds = torch.tensor([2.25, 0.5])
    found = find_boundaries(units, entropies, torch.tensor([8]), config, thresholds)
    assert "".join("x" if start else "." for start in found[0].tolist()) == expected


@pytest.mark.parametrize(
    "threshold, expected", [(2.0, "x...x"), (0.9, "xx..x"), (-17.5, "xx.xx"), (-20.0, "xxxxx")]
)
def test_maxima_come_before_higher_frames_that_are_none(threshold, expected):
    units = torch.zeros(1, 5, dtype=torch.long)
    entropies = torch.tensor([[0.0, 1.0, 0.5, 3.0, 4.0]])
    thresholds = torch.tensor([threshold, 0.0])
    found = find_boundaries(
        units, entropies, torch.tensor([5]), SegmenterConfig("peaks"), thresholds
    )
    assert "".join("x" if start else "." for start in found[0].tolist()) == expected


@pytest.mark.parametrize("rate_hz", [5.0, 15.0, 33.0])
def test_random_has_its_rate_and_follows_the_units(rate_hz):
    generator = torch.Generator().manual_seed(1)
    units = torch.randint(0, 500, (2, 20000), generator=generator)
    config = SegmenterConfig("random", rate_hz=rate_hz)
    args = torch.zeros(2, 20000), torch.tensor([20000, 20000]), config
    found = find_boundaries(units, *args)

    share = rate_hz / 50
    tolerance = 4 * math.sqrt(share * (1 - share) / 20000)
    assert found.float().mean(1).tolist() == pytest.approx([share, share], abs=tolerance)
    # Gaps of one frame are as frequent as independence says: no runs, no regular spacing.
    both = (found[:, 1:] & found[:, :-1]).float().mean().item()
    assert both == pytest.approx(share**2, abs=tolerance)
    assert not torch.equal(found[0], found[1])

    other = units.clone()
    other[0, 100] += 1
    changed = find_boundaries(other, *args)
    assert torch.equal(changed[0, :100], found[0, :100])
    assert not torch.equal(changed[0, 100:], found[0, 100:])
    assert torch.equal(changed[1], found[1])


@pytest.mark.parametrize(
    "name", sorted(name for name, kind in SEGMENTERS.items() if kind.thresholds)
)
@pytest.mark.parametrize(
    "thresholds", [None, torch.tensor([float("nan"), float("nan")])], ids=["none", "nan"]
)
def test_missing_thresholds_are_refused(name, thresholds):
    batch = torch.zeros(1, 3).long(), torch.zeros(1, 3), torch.tensor([3])
    with pytest.raises(ValueError, match="no threshold yet"):
        find_boundaries(*batch, SegmenterConfig(name, rate_hz=15.0), thresholds)


@pytest.mark.parametrize(
    "units, entropies, lengths, message",
    [
        ((2, 5), (2, 4), [5, 5], r"\(2, 5\).*\(2, 4\)"),
        ((2, 5), (2, 5), [5], "do not fit together"),
        ((5,), (5,), [5], "do not fit together"),
        ((2, 5), (2, 5), [5, 0], r"\[0, 5\].*\[1, 5\]"),
        ((2, 5), (2, 5), [6, 1], r"\[1, 6\].*\[1, 5\]"),
    ],
    ids=["frames", "utterances", "no-batch", "empty", "too-long"],
)
def test_batches_that_do_not_fit_are_refused(units, entropies, lengths, message):
    batch = torch.zeros(units).long(), torch.zeros(entropies), torch.tensor(lengths)
    with pytest.raises(ValueError, match=message):
        find_boundaries(*batch, SegmenterConfig("dense"))


@pytest.mark.parametrize(
    "settings, message",
    [
        (dict(segmenter="entropy"), "'entropy' is none of global"),
        (dict(segmenter="uniform"), "needs a rate"),
        (dict(segmenter="dp"), "needs a rate"),
        (dict(segmenter="dense", on_change=True), "on_change works with"),
        (dict(segmenter="dedup", lead=1), "lead works with global, .*, not dedup"),
        (dict(rate_hz=0.0), "rate_hz is 0.0"),
        (dict(rate_hz=51.0), "rate_hz is 51.0"),
        (dict(rate_hz=30.0, frame_rate_hz=25.0), r"\(0, 25.0\]"),
        (dict(rate_hz=float("nan")), "rate_hz is nan"),
        (dict(rate_hz="15"), "rate_hz is '15', but must be a finite number, without quotes"),
        (dict(rate_hz=True), "rate_hz is True"),
        (dict(min_rate_hz=-1.0), "min_rate_hz is -1.0"),
        (dict(min_rate_hz="9"), "min_rate_hz is '9'"),
        (dict(frame_rate_hz=None), "frame_rate_hz is None"),
        (dict(frame_rate_hz=0), "frame_rate_hz is 0, but must be positive"),
        (dict(max_segment=0), "max_segment is 0"),
        (dict(max_segment=2.5), "max_segment is 2.5, but must be a whole number"),
        (dict(on_change="false"), "on_change is 'false', but must be true or false"),
        (dict(gap_cost=-0.1), "gap_cost is -0.1, but must be at least 0"),
        (dict(gap_cost="0.3"), "gap_cost is '0.3'"),
        (dict(lead=-1), "lead is -1 frames, but must be at least 0"),
        (dict(lead=1.5), "lead is 1.5, but must be a whole number"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SegmenterConfig(**{"segmenter": "global"} | settings)


def test_dp_keeps_its_precision_over_long_unchanged_runs():
    generator = torch.Generator().manual_seed(0)
    units = torch.randint(0, 50, (3000,), generator=generator)
    for start in (500, 1200, 2100):
        units[start : start + 300] = 7
    entropies = torch.rand(3000, generator=generator) * 4
    config = SegmenterConfig("dp", on_change=True, rate_hz=15.0)
    found = find_boundaries(
        units[None], entropies[None], torch.tensor([3000]), config, torch.tensor([1.5, 0.0])
    )
    expected = reference.dp_path(
        units.tolist(), entropies.tolist(), threshold=1.5, mean_gap=50 / 15, gap_cost=0.3
    )
    assert found[0].tolist() == expected
