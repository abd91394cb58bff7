"""The entropy pass of the paper's unit LM beside HuBERT base and beside the bare Llama."""

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.speed.measure import Row, Timing, compare, largest_difference, not_run
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.lm.unit_lm import LlamaLM

SECONDS, FRAMES, NUM_UNITS = 15.0, 750, 500
PAPERS_LM = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/units1/conf/train_lm_paper.yaml"


def unit_lm(device: str, **conf) -> LlamaLM:
    """Random weights; the paper's shape unless said otherwise."""
    torch.manual_seed(0)
    shape = conf or read_yaml(PAPERS_LM)["lm_conf"]
    return LlamaLM(NUM_UNITS + 2, **shape).eval().to(device)


def some_units(device: str, frames: int = FRAMES) -> tuple[Tensor, Tensor]:
    """(1, T) units, (1,) length."""
    generator = torch.Generator().manual_seed(0)
    units = torch.randint(NUM_UNITS, (1, frames), generator=generator)
    return units.to(device), torch.tensor([frames], device=device)


def check(lm: LlamaLM, units: Tensor, lengths: Tensor) -> str:
    """Entropies beside those of float64 probabilities over the same logits, position by position.

    Raises:
        ValueError: they differ by more than float32's rounding.
    """
    found = predictive_entropies(lm, units, lengths)
    start = units.new_full((1, 1), lm.sos)
    with torch.no_grad():
        logits, _ = lm(torch.cat([start, units[:, :-1]], dim=1))
    probabilities = logits[..., : lm.num_units].double().softmax(-1)
    expected = -torch.special.xlogy(probabilities, probabilities).sum(-1)
    return f"float64 softmax: {largest_difference(found, expected, at_most=1e-5):.1g} nats"


def quick(device: str) -> list[str]:
    """Correctness at small sizes, over several windows."""
    lm = unit_lm(device, hidden_size=32, num_layers=2, num_heads=2, context=64)
    return [check(lm, *some_units(device, 300))]


def rows(device: str) -> list[Row]:
    """In float32 both, one utterance of 15 s, random weights."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    hubert = HubertModel(HubertConfig()).eval().to(device)
    wave = torch.randn(1, round(SECONDS * 16000), device=device)
    lm, (units, lengths) = unit_lm(device), some_units(device)
    input = torch.cat([units.new_full((1, 1), lm.sos), units[:, :-1]], dim=1)

    def entropies(model):
        return lambda: predictive_entropies(model, units, lengths)

    @torch.inference_mode()
    def encode():
        return hubert(wave).last_hidden_state

    @torch.inference_mode()
    def bare():
        return lm.llama(input_ids=input, use_cache=False).logits

    checked = check(lm, units, lengths)
    small = unit_lm(device, hidden_size=256, num_layers=4, num_heads=4, context=1024)
    beside_hubert = compare(entropies(lm), encode, device=device, repeats=3)
    beside_llama = compare(entropies(lm), bare, device=device, repeats=5)
    smaller = compare(entropies(small), encode, device=device, repeats=3)
    return [
        _row("entropy pass, paper's LM", "HuBERT base's forward", beside_hubert, 0.7, checked),
        _row("entropy pass, paper's LM", "bare Llama forward", beside_llama, 1.1, checked),
        _row(
            "entropy pass, default LM (4 layers, D = 256)",
            "HuBERT base's forward",
            smaller,
            0.15,
            check(small, units, lengths),
        ),
        not_run(
            "a smaller LM's boundaries within a frame of the paper's LM's",
            "95 % agreement",
            "no LM of the paper's size has been trained",
            limit=0.95,
            at_least=True,
        ),
    ]


def _row(what: str, peer: str, timing: Timing, limit: float, checked: str) -> Row:
    note = f"float32, batch 1, {SECONDS:g} s of audio: {timing}"
    return Row(what, peer, timing.ratio, limit, note=note, checked=checked)
