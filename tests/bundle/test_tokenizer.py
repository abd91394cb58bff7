"""Tokenizer: the same bits alone and in a batch, the same as its parts and as the dump."""

from pathlib import Path

import pytest
import soundfile
import tiny
import torch

from espnet_entropy.bundle.bundle import Bundle, load_extractor
from espnet_entropy.bundle.segmented import Segmentation
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.dump import read_dump
from espnet_entropy.lm.entropy import predictive_entropies


@pytest.fixture(scope="module")
def tokenizer(parts):
    return UnitTokenizer.from_bundle(parts.bundle)


def waves():
    return [
        torch.from_numpy(tiny.wave(seed, seconds))
        for seed, seconds in enumerate(tiny.SECONDS.values())
    ]


def padded(garbage):
    lengths = torch.tensor([len(w) for w in waves()])
    batch = torch.nn.utils.rnn.pad_sequence(waves(), batch_first=True, padding_value=garbage)
    return batch, lengths


def test_is_its_parts_in_a_row(parts, tokenizer):
    bundle, wave = Bundle.open(parts.bundle), waves()[0]
    length = torch.tensor([len(wave)])
    features, frames = load_extractor(parts.bundle)(wave.unsqueeze(0), length)
    units = bundle.codebook().assign(features)
    tokens = tokenizer(wave.unsqueeze(0), length)
    assert torch.equal(tokens.units, units)
    assert torch.equal(tokens.lengths, frames)
    entropies = predictive_entropies(bundle.unit_lm(), units, frames)
    torch.testing.assert_close(tokens.entropies, entropies)
    assert units.unique().numel() > 3 and entropies.std() > 0.1  # not vacuous


@pytest.mark.parametrize("garbage", [0.0, 0.7, float("nan")], ids=["silence", "loud", "nan"])
def test_equals_the_dump(parts, tokenizer, garbage):
    """The dump went over files, shards and two commands, which tokenize one by one."""
    tokens = tokenizer(*padded(garbage))
    assert tokens.units.shape == tokens.entropies.shape
    for row, (_, units, entropies) in enumerate(read_dump(parts.dump)):
        assert tokens.lengths[row] == len(units)
        assert torch.equal(tokens.units[row, : len(units)], torch.from_numpy(units))
        assert torch.equal(tokens.entropies[row, : len(units)], torch.from_numpy(entropies))
        assert not tokens.units[row, len(units) :].any()
        assert not tokens.entropies[row, len(units) :].any()


def test_without_unit_lm(parts, tokenizer):
    units_only = UnitTokenizer.from_codebook(parts.codebook)
    tokens = units_only(*padded(0.0))
    assert tokens.entropies is None
    assert torch.equal(tokens.units, tokenizer(*padded(0.0)).units)
    assert units_only.sample_rate == 16000


@pytest.mark.parametrize(
    "wave, message",
    [
        (torch.zeros(1, 100), "too short"),
        (torch.full((1, 4000), float("nan")), "largest sample"),
    ],
    ids=["short", "nan"],
)
def test_bad_sound_is_refused(tokenizer, wave, message):
    with pytest.raises(ValueError, match=message) as caught:
        tokenizer(wave, torch.tensor([wave.shape[1]]))
    assert "of the batch" not in str(caught.value)
    # Among valid utterances, the message has its position.
    both = torch.stack([torch.from_numpy(tiny.wave(0, 0.5)), torch.zeros(8000)])
    both[1, : wave.shape[1]] = wave[0]
    with pytest.raises(ValueError, match=rf"^utterance 1 of the batch: .*{message}"):
        tokenizer(both, torch.tensor([8000, wave.shape[1]]))


@pytest.mark.parametrize(
    "samples, message",
    [
        (torch.zeros(0), "0 samples"),
        (torch.zeros(2, 8000), r"\(2, 8000\); expected one channel"),
        (torch.tensor(0.5), "expected one channel"),
        (100 * torch.from_numpy(tiny.wave(1, 0.5)), r"expected finite floats in \[-1, 1\]"),
    ],
    ids=["empty", "channels", "number", "loud"],
)
def test_samples_that_are_no_sound_are_refused(tokenizer, samples, message):
    with pytest.raises(ValueError, match=message):
        tokenizer.tokenize(samples.numpy())


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_that_cannot_be_tokenized_is_named(parts, tokenizer, tmp_path, kind):
    path = tmp_path / "short.wav"
    soundfile.write(path, tiny.wave(0, 0.005), 16000)
    segmentation = Segmentation.from_bundle(parts.bundle)
    for call in (tokenizer.tokenize, segmentation):
        with pytest.raises(ValueError) as caught:
            call(kind(path))
        assert str(caught.value) == (
            f"{path}: 80 samples (0.0050 s) are too short for one frame of mfcc; leave it out"
        )
