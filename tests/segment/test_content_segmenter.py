"""Segmenter content: the cheapest segments, whatever the batch; its points, prices and settings."""

from fractions import Fraction

import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.calibration import Calibration, calibrate
from espnet_entropy.segment.points import RESOLUTION, unit_points
from espnet_entropy.segment.stream import SegmentStream

K = 5
POINTS = torch.tensor([[0.0, 0.5], [1.0, -0.25], [1.25, 0.0], [-0.75, 0.5], [-0.75, 0.5]])
eighths = st.integers(0, 24).map(lambda n: n / 8)


def price_of(nats: float) -> torch.Tensor:
    return torch.tensor([nats, 0.0])


@st.composite
def utterances(draw):
    length = draw(st.integers(1, 7))
    units = draw(st.lists(st.integers(0, K - 1), min_size=length, max_size=length))
    entropy = st.just(draw(eighths)) if draw(st.booleans()) else eighths
    return units, draw(st.lists(entropy, min_size=length, max_size=length))


@st.composite
def configs(draw):
    weights = draw(st.sampled_from([(4.0, 1.0), (0.0, 1.0), (0.5, 0.0), (2.0, 0.25)]))
    return SegmenterConfig(
        "content",
        draw(st.booleans()),
        draw(st.sampled_from([10.0, 12.5, 25.0])),
        max_segment=draw(st.sampled_from([2, 4, 100])),
        gap_cost=draw(st.sampled_from([0.0, 0.125, 1.0])),
        lead=draw(st.integers(0, 2)),
        distortion_weight=weights[0],
        entropy_weight=weights[1],
    )


def padded(utts, surplus=2):
    frames = max(len(units) for units, _ in utts) + surplus
    units = torch.tensor([u + [-7] * (frames - len(u)) for u, _ in utts])
    entropies = torch.tensor([e + [float("nan")] * (frames - len(e)) for _, e in utts])
    return units, entropies, torch.tensor([len(u) for u, _ in utts])


@settings(max_examples=150, deadline=None)
@given(st.lists(utterances(), min_size=1, max_size=3), configs(), eighths.map(lambda x: x - 1))
def test_the_cheapest_of_all_sets_of_boundaries(utts, config, price):
    found = find_boundaries(*padded(utts), config, price_of(price), POINTS)
    for row, (units, entropies) in zip(found.tolist(), utts, strict=True):
        expected = reference.content_starts(
            units,
            entropies,
            POINTS.tolist(),
            price=price,
            mean_gap=Fraction(50) / Fraction(config.rate_hz),
            max_segment=config.max_segment,
            distortion_weight=config.distortion_weight,
            entropy_weight=config.entropy_weight,
            gap_cost=config.gap_cost,
            on_change=config.on_change,
            lead=config.lead,
        )
        assert row == expected + [False] * (len(row) - len(units))


def speech(num_utts=12, frames=300, num_units=40, seed=0):
    """Units that stay for some frames, entropies, lengths that differ, and centroids."""
    generator = torch.Generator().manual_seed(seed)
    changes = torch.rand(num_utts, frames, generator=generator) < 0.4
    units = torch.randint(num_units, (num_utts, frames), generator=generator)
    units = units.gather(1, (changes.cumsum(1)))
    entropies = 4 * torch.rand(num_utts, frames, generator=generator)
    lengths = torch.randint(frames // 2, frames + 1, (num_utts,), generator=generator)
    return units, entropies, lengths, torch.randn(num_units, 20, generator=generator)


def test_batch_padding_and_order_change_nothing():
    units, entropies, lengths, centroids = speech()
    config, points = SegmenterConfig("content", rate_hz=12.0), unit_points(centroids, 64)
    together = find_boundaries(units, entropies, lengths, config, price_of(4.0), points)
    assert 0.1 < together.sum() / lengths.sum() < 0.5
    order = torch.randperm(len(units), generator=torch.Generator().manual_seed(1))
    shuffled = find_boundaries(
        units[order], entropies[order], lengths[order], config, price_of(4.0), points
    )
    assert torch.equal(shuffled, together[order])
    for row, length in enumerate(lengths.tolist()):
        one = units[[row], :length], entropies[[row], :length], lengths[[row]]
        alone = find_boundaries(*one, config, price_of(4.0), points)
        assert torch.equal(alone[0], together[row, :length])
        assert not together[row, length:].any()


def test_points_keep_the_distances_of_the_first_components():
    centroids = torch.randn(30, 6, generator=torch.Generator().manual_seed(2)) + 3
    points = unit_points(centroids, 8)
    assert points.shape == (30, 8) and not points[:, 6:].any()
    assert torch.equal((points * RESOLUTION).round(), points * RESOLUTION)
    ratio = torch.pdist(points) / torch.pdist(centroids)
    torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), rtol=2e-3, atol=0)
    assert points.square().sum(1).mean().item() == pytest.approx(1, abs=1e-3)
    first = unit_points(centroids, 1)
    torch.testing.assert_close(
        (first / first.norm()).abs(),
        (points[:, :1] / points[:, :1].norm()).abs(),
        atol=1e-3,
        rtol=0,
    )


def calibrated(**settings) -> tuple[Calibration, tuple]:
    *batch, centroids = speech()
    made = calibrate(
        [batch],
        num_units=40,
        frame_rate_hz=50.0,
        held_out={},
        methods=(("content", False), ("dp", False)),
        centroids=centroids,
        **settings,
    )
    return made, tuple(batch)


def test_calibration_reaches_2_to_49_hz():
    made, batch = calibrated(content=dict(distortion_weight=2.0))
    assert made.content == dict(
        gap_cost=0.0, distortion_weight=2.0, entropy_weight=1.0, components=24
    )
    seconds = float(batch[2].sum()) / 50
    for rate_hz in (2.0, 7.0, 9.0, 15.0, 30.0, 49.0):
        config = made.config("content", rate_hz)
        found = find_boundaries(*batch, config, made.thresholds(config), made.points)
        assert float(found.sum()) / seconds == pytest.approx(rate_hz, abs=0.5)


def test_the_file_has_the_settings_and_not_the_points(tmp_path):
    made, _ = calibrated()
    made.save(tmp_path / "c.yaml")
    loaded = Calibration.load(tmp_path / "c.yaml")
    assert loaded == made and loaded.points is None
    with pytest.raises(ValueError, match="39 centroids for 40 units"):
        loaded.with_points(torch.randn(39, 4))
    config = made.config("content", 15.0, distortion_weight=1.0)
    with pytest.raises(ValueError, match=r"calibrated with 4.0; .*'{distortion_weight: 1.0}'"):
        made.thresholds(config)
    with pytest.raises(ValueError, match="rate 1.5 Hz is outside of what 'content' reached"):
        made.thresholds(made.config("content", 1.5))


def test_a_calibration_of_before_has_no_content():
    before = Calibration(40, 50.0, {}, {"dp": {"rate_hz": [15.0], "global_nats": [1.0]}})
    with pytest.raises(ValueError, match="'content' is not in the calibration .*bundle calibrate"):
        before.thresholds(before.config("content", 15.0))


@pytest.mark.parametrize(
    "conf, message",
    [
        (dict(distortion_weight=-1.0), "distortion_weight is -1.0, but must be at least 0"),
        (dict(entropy_weight=float("nan")), "entropy_weight is nan, but must be a finite"),
        (dict(distortion_weight=0, entropy_weight=0), "nothing but the gaps decides"),
        (dict(gap_cost=-0.1), "gap_cost is -0.1"),
        (dict(components=0), "components is 0"),
        (dict(components=1.5), "components is 1.5, but must be a whole number"),
        (dict(components=-3), "components is -3"),
        (dict(unknown=1), "unknown"),
    ],
    ids=str,
)
def test_bad_weights_are_refused(conf, message):
    with pytest.raises((ValueError, TypeError), match=message):
        SegmenterConfig("content", rate_hz=15.0, **conf)
    with pytest.raises((ValueError, TypeError), match=message):
        calibrated(content=conf)


def test_without_a_useful_codebook():
    batch = torch.tensor([[0, 1, 9]]), torch.zeros(1, 3), torch.tensor([3])
    config = SegmenterConfig("content", rate_hz=15.0)
    with pytest.raises(ValueError, match="'content' reads the codebook, but has none"):
        find_boundaries(*batch, config, price_of(1.0))
    with pytest.raises(ValueError, match="'content' reads the codebook, but has none"):
        SegmentStream(config, price_of(1.0))
    with pytest.raises(ValueError, match="lookahead is -1 frames"):
        SegmentStream(config, price_of(1.0), POINTS, lookahead=-1)
    with pytest.raises(ValueError, match=r"unit ids lie in \[0, 9\], but the codebook has 5"):
        find_boundaries(*batch, config, price_of(1.0), POINTS)
    with pytest.raises(ValueError, match="the 4 centroids are all equal"):
        unit_points(torch.full((4, 3), 2.5), 64)


def streamed(stream, units, entropies, size):
    parts = []
    for at in range(0, len(units), size):
        last = at + size >= len(units)
        parts.append(stream(units[at : at + size], entropies[at : at + size], last=last))
    assert torch.equal(torch.cat([part.units for part in parts]), units)
    return torch.cat([part.boundaries for part in parts]), parts


@pytest.mark.parametrize(
    "on_change, lead, max_segment", [(False, 0, 100), (True, 2, 100), (True, 1, 3)]
)
def test_a_stream_is_the_whole_where_nothing_is_forced(on_change, lead, max_segment):
    units, entropies, lengths, centroids = speech()
    config = SegmenterConfig("content", on_change, 12.0, max_segment=max_segment, lead=lead)
    price, points = price_of(4.0), unit_points(centroids, 64)
    whole = find_boundaries(units, entropies, lengths, config, price, points)
    for row, length in enumerate([1, 2, 3, *lengths.tolist()][:12]):
        utt = units[row, :length], entropies[row, :length]
        expected = find_boundaries(
            *(x[None] for x in utt), torch.tensor([length]), config, price, points
        )[0]
        for size in (1, 7, length):
            stream = SegmentStream(config, price, points, lookahead=1000)
            found, _ = streamed(stream, *utt, size)
            assert torch.equal(found, expected) and stream.forced_share == 0
    assert whole.sum() > 100


def test_a_boundary_is_final_when_the_paths_agree():
    """Long before the lookahead has passed, and at the latest then, whatever the pieces."""
    units, entropies, _, centroids = speech(1, 2000)
    config, points = SegmenterConfig("content", rate_hz=12.0), unit_points(centroids, 64)
    price, utt = price_of(4.0), (units[0], entropies[0])
    whole = find_boundaries(*(x[None] for x in utt), torch.tensor([2000]), config, price, points)[0]
    shares = []
    for lookahead in (0, 4, 50):
        stream = SegmentStream(config, price, points, lookahead=lookahead)
        found, parts = streamed(stream, *utt, 1)
        waits = [t + 1 - part.first_frame - len(part.units) for t, part in enumerate(parts)]
        assert max(waits) <= lookahead
        again = SegmentStream(config, price, points, lookahead=lookahead)
        assert torch.equal(streamed(again, *utt, 97)[0], found)
        assert again.forced_share == stream.forced_share
        shares.append(stream.forced_share)
        assert torch.equal(found, whole) or stream.forced_share > 0
    assert shares[0] > shares[1] > shares[2] == 0
    assert sum(waits) / len(waits) < 25
    assert len(stream._path._units) <= 150
