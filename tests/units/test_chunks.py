"""Pieces of long audio: where they are cut, and that all extractors encode them alone."""

import pytest
import tiny
import torch
from tiny_models import save_hubert, save_whisper

from espnet_entropy.units.chunks import SAMPLE_RATE, chunk_samples, pieces_of
from espnet_entropy.units.features import build_extractor


def mfcc(chunk_sec):
    return build_extractor("mfcc", num_mel=20, num_ceps=5, deltas=True, chunk_sec=chunk_sec)


@pytest.mark.parametrize(
    ("num_samples", "expected"),
    [
        (0, []),
        (500, [500]),
        (16000, [16000]),
        (16400, [16000, 400]),
        (16399, [8000, 8399]),
        (32001, [16000, 8000, 8001]),
        (48000, [16000] * 3),
    ],
)
def test_pieces(num_samples, expected):
    assert pieces_of(mfcc(1.0), num_samples) == expected
    assert pieces_of(mfcc(None), num_samples) == [num_samples]


def test_no_piece_is_too_short_and_no_frame_is_lost():
    extractor = mfcc(0.1)
    for num_samples in range(400, 8000):
        pieces = pieces_of(extractor, num_samples)
        assert sum(pieces) == num_samples and 400 <= min(pieces) and max(pieces) <= 1600
        frames = sum(map(extractor.num_frames, pieces))
        assert frames == extractor.num_frames(num_samples)


@pytest.mark.parametrize("chunk_sec", [0.0, 0.05, 1.01, float("inf")])
def test_chunks_out_of_range(chunk_sec):
    with pytest.raises(ValueError, match=f"mfcc: chunk_sec {chunk_sec}, but"):
        mfcc(chunk_sec)
    with pytest.raises(ValueError, match="big: chunk_sec 3.0, .* from 0.16 to 2.0 s"):
        chunk_samples(3.0, hop=320, shortest=1280, longest=32000, name="big")


def test_a_conf_names_chunks_only_where_there_are_any():
    plain, chunked = mfcc(None), mfcc(1)
    assert "chunk_sec" not in plain.conf and chunked.conf["chunk_sec"] == 1
    assert plain.content_hash() != chunked.content_hash()  # other features, so other units


@pytest.mark.parametrize("kind", ["mfcc", "s3prl", "whisper"])
def test_pieces_are_encoded_alone(kind, tmp_path):
    if kind == "mfcc":
        whole, chunked = mfcc(None), mfcc(0.5)
    else:
        save = save_whisper if kind == "whisper" else save_hubert
        conf = dict(path=str(save(tmp_path)), layer=1)
        conf |= dict(upstream="hf_hubert_custom") if kind == "s3prl" else {}
        longest = dict(chunk_sec=2.0) if kind == "whisper" else {}
        whole = build_extractor(kind, **conf | longest)
        chunked = build_extractor(kind, **conf, chunk_sec=0.5)
    waveform = torch.from_numpy(tiny.wave(0, 1.53))[None]
    features, lengths = chunked(waveform, torch.tensor([waveform.shape[1]]))
    pieces = waveform.split(pieces_of(chunked, waveform.shape[1]), dim=1)
    assert len(pieces) == 4  # 0.03 s alone would be too short for s3prl
    alone = [whole(piece, torch.tensor([piece.shape[1]]))[0] for piece in pieces]
    assert torch.equal(features, torch.cat(alone, dim=1))
    assert lengths == whole.num_frames(waveform.shape[1]) == features.shape[1]
    assert chunked.num_frames(SAMPLE_RATE) == 50
