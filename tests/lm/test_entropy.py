"""Predictive entropies against one LM call per position."""

import math

import pytest
import reference
import tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet_entropy.lm.entropy import predictive_entropies

LM = tiny.unit_lm(context=8)
utterance = st.lists(st.integers(0, tiny.NUM_UNITS - 1), min_size=1, max_size=20)


@settings(max_examples=25)
@given(st.lists(utterance, min_size=1, max_size=3), st.sampled_from([0, -1, 10**6]))
def test_entropies_equal_one_call_per_position(utts, garbage):
    frames = max(map(len, utts)) + 1
    units = torch.tensor([utt + [garbage] * (frames - len(utt)) for utt in utts])
    entropies = predictive_entropies(LM, units, torch.tensor(list(map(len, utts))))

    assert entropies.dtype == torch.float32 and entropies.shape == units.shape
    for row, utt in zip(entropies.tolist(), utts, strict=True):
        expected = reference.predictive_entropies(LM, utt)
        assert row[: len(utt)] == pytest.approx(expected, abs=1e-4)
        assert row[len(utt) :] == [0.0] * (frames - len(utt))


class Fixed(torch.nn.Module):
    """An LM with the logits of its forward, (B, L, K + 2)."""

    def map_logits(self, ids, function):
        return function(self(ids))


@pytest.mark.parametrize("special", [1e4, -1e4], ids=["likely", "unlikely"])
def test_special_tokens_take_no_share(special):
    """Whatever the LM thinks of <unk> and <sos/eos>, the units' entropy is the same."""

    class Constant(Fixed):
        num_units, sos = 3, 4

        def forward(self, ids):
            logits = torch.tensor([0.0, math.log(2.0), math.log(5.0), special, special])
            return logits.expand(*ids.shape, 5)

    entropies = predictive_entropies(
        Constant().eval(), torch.tensor([[0, 1, 2]]), torch.tensor([3])
    )
    expected = -sum(p * math.log(p) for p in (1 / 8, 2 / 8, 5 / 8))
    assert entropies[0].tolist() == pytest.approx([expected] * 3, abs=1e-6)


def test_certainty_is_zero_not_nan():
    class Certain(Fixed):
        num_units, sos = 2, 3

        def forward(self, ids):
            logits = torch.tensor([200.0, -200.0, 0.0, 0.0], dtype=torch.bfloat16)
            return logits.expand(*ids.shape, 4)

    entropies = predictive_entropies(Certain().eval(), torch.tensor([[0, 1]]), torch.tensor([2]))
    assert entropies.dtype == torch.float32
    assert entropies.tolist() == [[0.0, 0.0]]


def test_training_mode_is_refused():
    lm = tiny.unit_lm().train()
    with pytest.raises(ValueError, match="training mode"):
        predictive_entropies(lm, torch.zeros(1, 2).long(), torch.tensor([2]))


def test_units_of_another_codebook_are_refused():
    with pytest.raises(ValueError, match=f"the codebook has {tiny.NUM_UNITS} units"):
        predictive_entropies(LM, torch.tensor([[0, tiny.NUM_UNITS]]), torch.tensor([2]))


class Diverged(Fixed):
    """Predicts NaN at the third position."""

    num_units, sos = 3, 4

    def forward(self, ids):
        logits = torch.zeros(*ids.shape, 5)
        logits[:, 2] = float("nan")
        return logits


def test_predictions_that_are_no_numbers_are_refused():
    units, lm = torch.zeros(2, 4, dtype=torch.long), Diverged().eval()
    assert predictive_entropies(lm, units, torch.tensor([2, 1])).isfinite().all()
    with pytest.raises(ValueError, match="batch row 1, frame 2 is nan: .*diverged"):
        predictive_entropies(lm, units, torch.tensor([2, 4]))


@pytest.mark.parametrize("shape", [(0, 3), (1, 0)], ids=str)
def test_no_units_are_refused(shape):
    units, lengths = torch.zeros(shape, dtype=torch.long), torch.full((shape[0],), shape[1])
    with pytest.raises(ValueError, match="there is nothing to predict"):
        predictive_entropies(LM, units, lengths)
