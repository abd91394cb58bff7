"""The unit LM offline, in batches and unit by unit: the same entropies, in bounded memory."""

import pytest
import reference
import tiny
import torch

from espnet_entropy.lm.entropy import EntropyStream, predictive_entropies
from espnet_entropy.lm.lm_state import WindowState


def model(context):
    return tiny.unit_lm(context=context)


def sequences(batch, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, tiny.NUM_UNITS, (batch, length), generator=generator)


def offline(lm, units):
    return predictive_entropies(lm, units, torch.full((len(units),), units.shape[1]))


def streamed(lm, units, sizes):
    stream = EntropyStream(lm)
    return torch.cat([stream(block) for block in units.split(sizes, dim=1)], dim=1)


# A context of 2 is a bigram LM: each window but the first predicts one unit from one other.
@pytest.mark.parametrize("context", [2, 4, 10, 32])
@pytest.mark.parametrize("windows", [0.5, 1, 3.7], ids=lambda w: f"{w}-windows")
def test_offline_batched_and_unit_by_unit(context, windows):
    lm, length = model(context), max(1, round(windows * context))
    units = sequences(3, length)
    together = offline(lm, units)
    alone = torch.cat([offline(lm, row.unsqueeze(0)) for row in units])
    torch.testing.assert_close(alone, together, atol=1e-5, rtol=0)
    torch.testing.assert_close(streamed(lm, units, 1), together, atol=1e-5, rtol=0)
    slow = reference.predictive_entropies(lm, units[1].tolist())
    torch.testing.assert_close(together[1], torch.tensor(slow), atol=1e-5, rtol=0)
    assert length < 4 or together.std() > 0.1  # not vacuous


@pytest.mark.parametrize("sizes", [[16] * 5, [80], [1, 30, 2, 47], [5, 3, 8, 64]], ids=str)
def test_blocks_of_any_size(sizes):
    lm, units = model(16), sequences(2, 80)
    expected = offline(lm, units)
    torch.testing.assert_close(streamed(lm, units, sizes), expected, atol=1e-5, rtol=0)


def test_a_long_stream_keeps_one_window():
    lm, units = model(8), sequences(1, 100)
    stream, held = EntropyStream(lm), []
    for unit in units.split(1, dim=1):
        stream(unit)
        held.append(sum(k.numel() + v.numel() for k, v in stream._state.keys_values))
    assert max(held) == held[7] == 2 * 2 * 8 * 16  # layers, keys and values, context, dimension
    assert stream._state.num_inputs == 100


def test_streams_are_checked():
    lm = model(8)
    stream = EntropyStream(lm)
    with pytest.raises(ValueError, match=r"units are \(1, 0\), expected \(B, n\)"):
        stream(torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ValueError, match=f"the codebook has {tiny.NUM_UNITS} units"):
        stream(torch.tensor([[tiny.NUM_UNITS]]))
    stream(torch.tensor([[0], [1]]))
    with pytest.raises(ValueError, match="units of 1 streams, but 2 were begun"):
        stream(torch.tensor([[0]]))
    with pytest.raises(ValueError, match="training mode"):
        EntropyStream(model(8).train())


def with_start(lm, units):
    return torch.cat([units.new_full((len(units), 1), lm.sos), units], dim=1)


@torch.no_grad()
def test_espnets_scores_go_on_from_their_states():
    """A search keeps some hypotheses, some of them twice, and may come back to older states."""
    lm = model(8)
    ids = with_start(lm, sequences(3, 29))
    expected = lm(ids)[0].log_softmax(-1)
    states, kept = [None] * 3, torch.arange(3)
    for length in range(1, 31):
        scores, states = lm.batch_score(ids[kept, :length], states, None)
        torch.testing.assert_close(scores, expected[kept, length - 1], atol=1e-5, rtol=0)
        alone, state = lm.score(ids[kept[0], :length], None, None)
        torch.testing.assert_close(alone, scores[0], atol=1e-5, rtol=1e-5)
        assert state.num_inputs == states[0].num_inputs == length
        if length == 28:
            older = states, kept
        if length % 7 == 0:
            chosen = [-1, 0, 0, 1][: 2 + length % 3]
            kept, states = kept[chosen], [states[i] for i in chosen]
    states, kept = older
    scores, _ = lm.batch_score(ids[kept, :29], states, None)
    torch.testing.assert_close(scores, expected[kept, 28], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_state_costs_one_position(monkeypatch):
    """Only where a window begins, its first half is computed anew."""
    lm, computed = model(8), []
    forward = lm.llama.model.forward

    def counted(input_ids, **options):
        computed.append(input_ids.shape[1])
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(lm.llama.model, "forward", counted)
    ids, states = with_start(lm, sequences(1, 20)), [None]
    for length in range(1, 21):
        _, states = lm.batch_score(ids[:, :length], states, None)
    # Windows end at 8, 12, 16 inputs; each next one begins with <sos/eos> and 3 units.
    assert computed == [1] * 8 + [4, 1, 1, 1, 1] * 3


def test_states_of_different_lengths_are_not_joined():
    lm = model(8)
    states = [lm.advance(torch.full((1, n), lm.sos))[1] for n in (2, 3)]
    with pytest.raises(ValueError, match="2 to 3 inputs cannot share a state"):
        WindowState.join(states)
