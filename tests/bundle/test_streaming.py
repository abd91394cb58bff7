"""Streaming: however audio is cut, units, entropies and boundaries are those of offline."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import tiny
import torch

from espnet_entropy.bundle.streaming import StreamingTokenizer
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.points import unit_points
from espnet_entropy.segment.segmenters import SEGMENTERS
from espnet_entropy.units.chunks import pieces_of
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import build_extractor
from espnet_entropy.units.normalization import Normalization

CHUNK, WINDOW = 3200, 400  # samples: 0.2 s, 10 units; what must follow a chunk
THRESHOLDS = torch.tensor([1.0, 0.05])


def build(chunk_sec=0.2, unit_lm=True, normalize="none"):
    extractor = build_extractor("mfcc", num_mel=20, num_ceps=5, deltas=True, chunk_sec=chunk_sec)
    wave = torch.from_numpy(tiny.wave(7, 4.0))
    features, _ = extractor(wave[None], torch.tensor([len(wave)]))
    normalization = Normalization.of(normalize, features[0])
    centroids = normalization(features[0, :: 200 // tiny.NUM_UNITS][: tiny.NUM_UNITS])
    codebook = Codebook(centroids.clone(), normalization)
    return UnitTokenizer(extractor, codebook, tiny.unit_lm() if unit_lm else None)


@pytest.fixture(scope="module")
def tokenizer():
    return build()


def stream_all(stream, samples, sizes):
    """Push pieces of these sizes, then the rest, then flush: (units, entropies, boundaries)."""
    parts, at = [], 0
    for size in [*sizes, len(samples)]:
        parts.append(stream.push(samples[at : at + size]))
        at += size
    parts.append(stream.flush())
    starts = np.cumsum([0] + [len(p.units) for p in parts])
    assert [p.first_frame for p in parts] == starts[:-1].tolist()
    names = ("units", "entropies", "boundaries")
    return tuple(torch.cat([getattr(p, name) for p in parts]) for name in names)


def check_equals_offline(tokenizer, stream, samples, sizes):
    units, entropies, boundaries = stream_all(stream, samples, sizes)
    offline = tokenizer.tokenize(samples)
    assert torch.equal(units, offline.units[0])
    torch.testing.assert_close(entropies, offline.entropies[0], atol=1e-5, rtol=0)
    # Of the stream's own entropies, since thresholds may lie within the tolerance.
    length = torch.tensor([len(units)])
    batch = units[None], entropies[None], length
    expected = find_boundaries(*batch, stream.config, THRESHOLDS, stream.points)
    assert stream.forced_share == 0
    assert torch.equal(boundaries, expected[0])
    return units, boundaries


# Empty pieces, single samples, and pieces that end beside the ends of chunks.
SIZES = [0, 0, CHUNK + WINDOW - 1, 1, CHUNK - 1, 1, 1, 0, *[1] * 500, 101, 997, 1009, 7919]


@pytest.mark.parametrize(
    "segmenter", [name for name, kind in SEGMENTERS.items() if kind.lookahead is not None]
)
def test_every_segmenter_of_streams(tokenizer, segmenter):
    config = SegmenterConfig(segmenter, rate_hz=15.0, max_segment=6)
    points = unit_points(tokenizer.codebook.centroids, 64)
    stream = StreamingTokenizer(tokenizer, config, THRESHOLDS, points)
    units, boundaries = check_equals_offline(tokenizer, stream, tiny.wave(1, 1.5), SIZES)
    assert units.unique().numel() > 3 and 5 < boundaries.sum() <= len(units)  # not vacuous


@pytest.mark.parametrize("normalize", ["frame", "dimension"])
def test_normalised_features(tokenizer, normalize):
    made, samples = build(normalize=normalize), tiny.wave(2, 1.5)
    stream = StreamingTokenizer(made, SegmenterConfig("peaks"), THRESHOLDS)
    units, _ = check_equals_offline(made, stream, samples, SIZES)
    assert not torch.equal(units, tokenizer.tokenize(samples).units[0])


@hypothesis.given(st.integers(WINDOW, 4 * CHUNK), st.lists(st.integers(0, 2 * CHUNK), max_size=12))
@hypothesis.settings(max_examples=40)
def test_any_length_in_any_pieces(tokenizer, length, sizes):
    stream = StreamingTokenizer(tokenizer, SegmenterConfig("global"), THRESHOLDS)
    check_equals_offline(tokenizer, stream, tiny.wave(3, 1.0)[:length], sizes)


@pytest.mark.parametrize("rest", [0, 1, WINDOW - 1, WINDOW, WINDOW + 1, CHUNK - 1])
def test_every_kind_of_end(tokenizer, rest):
    stream = StreamingTokenizer(tokenizer, SegmenterConfig("peaks"), THRESHOLDS)
    samples = tiny.wave(4, 1.0)[: 2 * CHUNK + rest]
    moved = 0 < rest < WINDOW
    assert (CHUNK in pieces_of(tokenizer.extractor, len(samples))[1:2]) != moved
    check_equals_offline(tokenizer, stream, samples, [50] * 200)


@pytest.mark.parametrize("segmenter", ["global", "peaks"])
def test_the_latency_is_what_it_says(tokenizer, segmenter):
    stream = StreamingTokenizer(tokenizer, SegmenterConfig(segmenter), THRESHOLDS)
    samples, latest = tiny.wave(5, 1.5), 0.0
    for count, sample in enumerate(samples[:, None], start=1):
        finished = stream.push(sample)
        if len(finished.units):
            latest = max(latest, count / 16000 - finished.first_frame * 0.02)
    assert latest == pytest.approx(stream.latency_sec, abs=1e-9)
    assert stream.latency_sec == pytest.approx(0.225 + (0.02 if segmenter == "peaks" else 0))


def test_without_unit_lm_or_segmenter(tokenizer):
    samples = tiny.wave(6, 1.0)
    for made, has_lm in ((tokenizer, True), (build(unit_lm=False), False)):
        stream = StreamingTokenizer(made)
        parts = [stream.push(samples), stream.flush()]
        assert torch.equal(torch.cat([p.units for p in parts]), made.tokenize(samples).units[0])
        assert all(p.boundaries is None for p in parts)
        assert all((p.entropies is not None) == has_lm for p in parts)
    with pytest.raises(ValueError, match="segmenter 'global' was given, but no unit LM"):
        StreamingTokenizer(build(unit_lm=False), SegmenterConfig("global"), THRESHOLDS)


def test_an_extractor_without_chunks_is_refused():
    with pytest.raises(ValueError, match="mfcc encodes a recording as a whole; .*chunk_sec"):
        StreamingTokenizer(build(chunk_sec=None))


def test_after_the_end(tokenizer):
    samples = tiny.wave(9, 0.5)
    stream = StreamingTokenizer(tokenizer, SegmenterConfig("peaks"), THRESHOLDS)
    first = stream_all(stream, samples, [])
    for call in (stream.flush, lambda: stream.push(samples)):
        with pytest.raises(ValueError, match=r"has ended; call reset\(\)"):
            call()
    stream.reset()
    stream.push(samples[:100])
    stream.reset()  # in the middle, too
    for again, before in zip(stream_all(stream, samples, []), first, strict=True):
        assert torch.equal(again, before)


@pytest.mark.parametrize("count", [0, 1, WINDOW - 1])
def test_too_short_a_stream(tokenizer, count):
    stream = StreamingTokenizer(tokenizer)
    assert len(stream.push(torch.zeros(count)).units) == 0
    with pytest.raises(ValueError, match=rf"ended after {count} samples .* too short"):
        stream.flush()


BAD = {
    "nan": (torch.tensor([0.0, float("nan")]), {}, "sample 5001 of the stream is nan"),
    "loud": (torch.tensor([300.0]), {}, "sample 5000 of the stream is 300.0"),
    "int16": (np.zeros(3, np.int16), {}, r"\(3,\) torch.int16; expected one channel"),
    "channels": (torch.zeros(2, 3), {}, r"samples are \(2, 3\) torch.float32"),
    "rate": (torch.zeros(3), {"sample_rate": 8000}, "at 8000 Hz, but the tokenizer takes 16000"),
}


@pytest.mark.parametrize("samples, options, message", BAD.values(), ids=BAD)
def test_bad_samples_change_nothing(tokenizer, samples, options, message):
    good = tiny.wave(8, 1.0)
    stream = StreamingTokenizer(tokenizer)
    parts = [stream.push(good[:5000], sample_rate=16000)]
    with pytest.raises(ValueError, match=message):
        stream.push(samples, **options)
    parts += [stream.push(good[5000:].astype(np.float64)), stream.flush()]
    assert torch.equal(torch.cat([p.units for p in parts]), tokenizer.tokenize(good).units[0])


def test_each_chunk_is_encoded_once(tokenizer, monkeypatch):
    """Work does not grow with the stream; test_entropy_stream.py says what the LM keeps."""
    stream, encoded = StreamingTokenizer(tokenizer), []
    encode = tokenizer.units_of
    monkeypatch.setattr(tokenizer, "units_of", lambda w: encoded.append(len(w)) or encode(w))
    samples = torch.from_numpy(tiny.wave(10, 0.2))
    for _ in range(30):
        stream.push(samples)
    assert encoded == [CHUNK] * 29
