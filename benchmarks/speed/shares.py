"""Where the time of wav to text goes, step by step: the profile that says what to change next."""

import statistics
from collections.abc import Callable

import torch

from benchmarks.speed.asr_rates import batch_of, decoder_of, recogniser
from benchmarks.speed.entropy_pass import NUM_UNITS, SECONDS, some_units, unit_lm
from benchmarks.speed.measure import Row, seconds, time_of
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.units.codebook import Codebook

REPEATS = 3
WHOLE = "wav to text at 15 Hz, the sum of the steps"


def steps(device: str) -> dict[str, Callable[[], object]]:
    """What is done to a recording of SECONDS, in its order; each on inputs of its own."""
    from transformers import HubertConfig, HubertModel

    torch.manual_seed(0)
    hubert, lm = HubertModel(HubertConfig()).eval().to(device), unit_lm(device)
    wave = torch.randn(1, round(SECONDS * 16000), device=device)
    units = some_units(device)
    frames = torch.randn(units[0].shape[1], 768, device=device)
    codebook = Codebook(torch.randn(NUM_UNITS, 768)).to(device)
    model = recogniser(15.0, device).eval()
    speech, lengths = batch_of(1, device)[:2]
    boundaries = model.frontend.encoder
    vectors, vector_lengths = model.frontend(speech, lengths)
    decode = decoder_of(model)

    def encode():
        model.encoder(vectors, vector_lengths)

    named = {
        "frame features: HuBERT base": lambda: hubert(wave),
        "k-means units": lambda: codebook.assign(frames),
        "entropies: the paper's LM": lambda: predictive_entropies(lm, *units),
        "segments": lambda: boundaries.find_boundaries(
            speech[..., 0].long(), speech[..., 1], lengths
        ),
        "segments and vectors: CALE": lambda: model.frontend(speech, lengths),
        "encoder: E-Branchformer": encode,
        "all from units on: vectors, encoder, beam search": lambda: decode(speech, lengths),
    }
    return {name: torch.no_grad()(step) for name, step in named.items()}


def quick(device: str) -> list[str]:
    """Every step runs."""
    named = steps(device)
    for step in named.values():
        step()
    return [f"{len(named)} steps run"]


def rows(device: str) -> list[Row]:
    """A share a step."""
    took = {}
    for name, step in steps(device).items():
        step()
        took[name] = statistics.median(time_of(step, device) for _ in range(REPEATS))
    # The steps in between are parts of the last.
    names = list(took)
    whole = sum(took[name] for name in (*names[:3], names[-1]))
    return [
        Row(name, WHOLE, sec / whole, None, note=f"{SECONDS:g} s of audio: {seconds(sec)}")
        for name, sec in took.items()
    ]
