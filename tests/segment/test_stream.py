"""Boundaries of a stream, however it is cut, are those of the whole."""

import pytest
import torch

from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.segmenters import SEGMENTERS
from espnet_entropy.segment.stream import SegmentStream

THRESHOLDS = torch.tensor([1.2, 0.1])

# `content` needs a codebook: see test_content.py.
STREAMED = [
    name
    for name, kind in SEGMENTERS.items()
    if kind.lookahead is not None and not kind.has_distortion
]


def sequence(length, seed=0):
    """Units with repetitions, and entropies with ties."""
    generator = torch.Generator().manual_seed(seed)
    units = torch.randint(0, 3, (length,), generator=generator)
    return units, torch.randint(0, 9, (length,), generator=generator) / 4.0


def streamed(config, units, entropies, sizes):
    stream, parts = SegmentStream(config, THRESHOLDS), []
    pieces = list(zip(units.split(sizes), entropies.split(sizes), strict=True))
    for number, (u, e) in enumerate(pieces):
        parts.append(stream(u, e, last=number == len(pieces) - 1))
    return parts


def cuts(length, seed):
    generator = torch.Generator().manual_seed(seed)
    sizes = []
    while (rest := length - sum(sizes)) > 0:
        sizes.append(min(rest, int(torch.randint(0, 7, (1,), generator=generator))))
    return sizes


@pytest.mark.parametrize("max_segment", [None, 1, 4])
@pytest.mark.parametrize(
    "segmenter, on_change, lead",
    [(name, False, 0) for name in STREAMED]
    + [(name, True, 0) for name in STREAMED if SEGMENTERS[name].thresholds]
    + [(name, True, 2) for name in STREAMED if SEGMENTERS[name].thresholds],
)
def test_equals_the_whole(segmenter, on_change, lead, max_segment):
    config = SegmenterConfig(segmenter, on_change, rate_hz=7.0, max_segment=max_segment, lead=lead)
    seen = 0
    for seed in range(5):
        length = 1 + 17 * seed
        units, entropies = sequence(length, seed)
        whole = find_boundaries(
            units[None], entropies[None], torch.tensor([length]), config, THRESHOLDS
        )[0]
        for sizes in ([1] * length, [length], cuts(length, seed)):
            parts = streamed(config, units, entropies, sizes)
            assert torch.equal(torch.cat([p.boundaries for p in parts]), whole)
            assert torch.equal(torch.cat([p.units for p in parts]), units)
            assert torch.equal(torch.cat([p.entropies for p in parts]), entropies)
            ends = [p.first_frame + len(p.units) for p in parts]
            assert [p.first_frame for p in parts] == [0, *ends[:-1]] and ends[-1] == length
        seen += int(whole.sum()) - 1
    assert seen > 0  # not vacuous


@pytest.mark.parametrize(
    "segmenter, lead", [(name, 0) for name in STREAMED] + [("global", 1), ("peaks", 1)]
)
def test_what_waits_is_the_lookahead(segmenter, lead):
    stream = SegmentStream(SegmenterConfig(segmenter, rate_hz=7.0, lead=lead), THRESHOLDS)
    units, entropies = sequence(9)
    counts = [
        len(stream(u, e).units) for u, e in zip(units.split(3), entropies.split(3), strict=True)
    ]
    waits = SEGMENTERS[segmenter].lookahead + lead
    assert counts == [3 - waits, 3, 3]
    assert len(stream(units[:0], entropies[:0]).units) == 0
    assert len(stream(units[:0], entropies[:0], last=True).units) == waits


def test_a_long_stream_keeps_two_units():
    stream = SegmentStream(SegmenterConfig("peaks", max_segment=5), THRESHOLDS)
    units, entropies = sequence(1000)
    for u, e in zip(units.split(100), entropies.split(100), strict=True):
        stream(u, e)
        assert stream._units.untyped_storage().nbytes() == 2 * 8
        assert stream._entropies.untyped_storage().nbytes() == 2 * 4


def test_what_needs_the_whole_recording_is_refused():
    for segmenter in SEGMENTERS.keys() - {*STREAMED, "content"}:
        with pytest.raises(ValueError, match=f"{segmenter}.*needs the whole recording"):
            SegmentStream(SegmenterConfig(segmenter, rate_hz=15.0))
    with pytest.raises(ValueError, match=r"min_rate_hz 5.0 ranks"):
        SegmentStream(SegmenterConfig("dense", min_rate_hz=5.0))


def test_bad_calls():
    units, entropies = sequence(4)
    with pytest.raises(ValueError, match="no threshold yet"):
        SegmentStream(SegmenterConfig("global"))(units, entropies)
    with pytest.raises(ValueError, match=r"units \(4,\) and entropies \(3,\)"):
        SegmentStream(SegmenterConfig("dense"))(units, entropies[:3])
    with pytest.raises(ValueError, match="lookahead is 9 frames, but works with content"):
        SegmentStream(SegmenterConfig("dense"), lookahead=9)
