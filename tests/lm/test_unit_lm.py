"""The unit LM: windows against one call per position, padding, ESPnet's scorer interface."""

import pytest
import reference
import tiny
import torch

from espnet_entropy.lm.unit_lm import LlamaLM

CONTEXT = 8


@pytest.fixture(scope="module")
def lm():
    return tiny.unit_lm(context=CONTEXT)


def sequence(length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, tiny.NUM_UNITS, (length,), generator=generator)


def with_start(lm, *sequences):
    """(B, L): `<sos/eos>`, then units, 0 on the padding."""
    return torch.nn.utils.rnn.pad_sequence(
        [torch.cat([torch.tensor([lm.sos]), s]) for s in sequences], batch_first=True
    )


# Lengths around every edge of the windows, which start at units 0, 4, 8, ...
@pytest.mark.parametrize("length", [0, 1, 3, 7, 8, 9, 11, 12, 13, 30])
@torch.no_grad()
def test_windows_equal_one_call_per_position(lm, length):
    units = sequence(length)
    logits, hidden = lm(with_start(lm, units))
    assert hidden is None
    assert logits.shape == (1, length + 1, tiny.NUM_UNITS + 2) and logits.is_contiguous()
    slow = [reference.next_unit_logits(lm, units[:t].tolist()) for t in range(length + 1)]
    torch.testing.assert_close(logits[0], torch.tensor(slow), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_context_is_bounded(lm):
    """Units more than `context` back change nothing; nearer ones do; later ones never do."""
    units = sequence(40)
    before = lm(with_start(lm, units))[0][0]
    other = units.clone()
    other[20] = (other[20] + 1) % tiny.NUM_UNITS
    differs = (lm(with_start(lm, other))[0][0] - before).abs().amax(1) > 1e-4
    assert not differs[:21].any()
    assert differs[21:24].all()
    assert not differs[20 + CONTEXT :].any()


@torch.no_grad()
def test_padding_and_neighbours_are_harmless(lm):
    sequences = [sequence(length, seed=length) for length in (5, 30, 13, 1)]
    ids = with_start(lm, *sequences)
    for fill in (0, 7):
        for row, units in enumerate(sequences):
            ids[row, len(units) + 1 :] = fill
        together = lm(ids)[0]
        for row, units in enumerate(sequences):
            alone = lm(with_start(lm, units))[0][0]
            torch.testing.assert_close(together[row, : len(alone)], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("windows_per_batch", [1, 3, 100])
@torch.no_grad()
def test_windows_per_batch_changes_nothing(lm, windows_per_batch, monkeypatch):
    ids = with_start(lm, sequence(30), sequence(22, seed=1))
    expected = lm(ids)[0]
    monkeypatch.setattr(lm, "windows_per_batch", windows_per_batch)
    torch.testing.assert_close(lm(ids)[0], expected, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_weight():
    lm = tiny.unit_lm(context=CONTEXT).train()
    lm(with_start(lm, sequence(20)))[0].square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in lm.parameters())


@pytest.mark.parametrize("context", [0, 1, 7])
def test_odd_contexts_are_refused(context):
    with pytest.raises(ValueError, match=f"even number of units, but is {context}"):
        LlamaLM(10, hidden_size=8, num_layers=1, num_heads=1, context=context)
