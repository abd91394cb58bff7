"""bf16 (ESPnet's --use_amp true on a GPU that has it): what may round, and what may not."""

import pytest
import tiny
import torch
from padded import load_padded_dump

from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.lm.entropy import predictive_entropies

AGGREGATORS = dict(
    cale={"num_layers": 2, "num_heads": 2, "conv_kernel": 3}, mean={}, max={}, attention={}
)


def used(model):
    """Parameters that have a gradient; the learned mask has none where nothing is masked."""
    return [(name, p) for name, p in model.named_parameters() if p.grad is not None]


def bf16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


def close(found, expected):
    """Relative to the whole: single numbers near zero may be anything."""
    return (found.float() - expected).norm() < 0.05 * expected.norm()


@pytest.mark.parametrize("aggregator", AGGREGATORS)
def test_segments_are_the_same_and_vectors_and_gradients_near(parts, aggregator):
    units, entropies, lengths = load_padded_dump(parts.dump)
    speech = torch.stack([units.float(), entropies], dim=2)
    torch.manual_seed(0)
    conf = dict(aggregator=aggregator, aggregator_conf=AGGREGATORS[aggregator], output_size=16)
    model = EntropyFrontend(
        bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, rate=10, unit_mask=0.0, **conf
    )
    results = []
    for context in (torch.enable_grad(), bf16()):
        model.zero_grad()
        with context:
            vectors, num_segments = model(speech, lengths)
            loss = vectors.float().square().mean()
        loss.backward()
        gradients = {name: p.grad.clone() for name, p in used(model)}
        results.append((vectors.detach(), num_segments, gradients))
    (vectors, num_segments, gradients), (rounded, other_segments, other_gradients) = results
    assert torch.equal(num_segments, other_segments)
    # bf16 was at work; the mean and the maximum multiply no matrices.
    assert torch.equal(rounded.float(), vectors) == (aggregator in ("mean", "max"))
    assert close(rounded, vectors)
    assert gradients.keys() == other_gradients.keys()
    whole, other = (
        torch.cat([g.flatten() for g in gs.values()]) for gs in (gradients, other_gradients)
    )
    assert other.isfinite().all() and close(other, whole)


def test_the_unit_lm_learns_alike():
    """ESPnet takes its cross entropy of logits that it casts to float32 itself, or of bf16."""
    units = torch.arange(40).reshape(2, 20) % tiny.NUM_UNITS
    gradients = []
    for context in (torch.enable_grad(), bf16()):
        lm = tiny.unit_lm(sharpness=1.0).train()
        with context:
            logits, _ = lm(units[:, :-1])
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), units[:, 1:].flatten()
            )
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in lm.parameters()]))
    assert close(gradients[1], gradients[0])


def test_entropies_are_float32_whatever_is_around_them():
    lm = tiny.unit_lm()
    units = torch.arange(40).reshape(2, 20) % tiny.NUM_UNITS
    lengths = torch.tensor([20, 20])
    expected = predictive_entropies(lm, units, lengths)
    with bf16():
        found = predictive_entropies(lm, units, lengths)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)
