"""What corpora of 100 hours to a million cost: python benchmarks/scale.py [--output docs/scale.md].

Measures, on one thread, what a second of speech costs in each stage at the paper's sizes (CPU time,
so that other work on the machine counts little), counts the same work in floating-point
operations, and multiplies. Nothing of it has been run at these sizes. GPU hours are the counted
operations at an assumed rate, and stand for nothing but that assumption.
"""

import argparse
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import HubertConfig, HubertModel

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet_entropy.report.results_page import insert, provenance
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.units.codebook import Codebook

HOURS = (100, 960, 20_000, 1_000_000)
SECONDS = 15.0  # of an utterance; LibriSpeech's are at most 35, MLS's 10 to 20
FRAMES = 750
NUM_UNITS = 500
PAPERS_LM = Path(__file__).resolve().parents[1] / "egs2/TEMPLATE/units1/conf/train_lm_paper.yaml"
# FLAC of LibriSpeech: train-clean-100 is 6.3 GB (openslr.org/12) and has 100.6 hours.
AUDIO_MB_PER_HOUR = 63
# Of an H100 SXM by NVIDIA's data sheet, operations a second: bf16 (dense) for trainings, float32
# for what makes dumps; and the share of it that we assume.
PEAK_BF16, PEAK_FLOAT32, ASSUMED_SHARE = 989e12, 67e12, 0.3


def cost(work, backward: bool = False) -> tuple[float, float]:
    """(CPU seconds, floating-point operations) of a second of speech, from one utterance."""
    counter = FlopCounterMode(display=False)
    with counter, torch.set_grad_enabled(backward):
        work()
    times = []
    for _ in range(3):
        begin = time.process_time()
        with torch.set_grad_enabled(backward):
            work()
        times.append(time.process_time() - begin)
    return min(times) / SECONDS, counter.get_total_flops() / SECONDS


def stages() -> dict[str, tuple[float, float]]:
    """Cost of a second of speech by stage."""
    torch.manual_seed(0)
    hubert = HubertModel(HubertConfig()).eval()
    wave = torch.randn(1, round(SECONDS * 16000))
    codebook = Codebook(torch.randn(NUM_UNITS, 768))
    features = torch.randn(FRAMES, 768)
    lm = LlamaLM(NUM_UNITS + 2, **read_yaml(PAPERS_LM)["lm_conf"])
    units = torch.randint(0, NUM_UNITS, (1, FRAMES))
    lengths = torch.tensor([FRAMES])

    def train_lm():
        logits, _ = lm(units[:, :-1])
        torch.nn.functional.cross_entropy(logits[0], units[0, 1:]).backward()

    def recogniser(rate_hz):
        segmenter = SegmenterConfig(segmenter="uniform", rate_hz=rate_hz)
        conf = dict(num_layers=4, num_heads=8)
        encoder = SegmentEncoder(NUM_UNITS, 512, segmenter, aggregator="cale", aggregator_conf=conf)
        layer = torch.nn.TransformerEncoderLayer(512, 8, 2048, batch_first=True)
        body = torch.nn.TransformerEncoder(layer, 12)
        entropies = torch.rand(1, FRAMES)

        def train():
            body(encoder.encode(units, entropies, lengths).vectors).square().mean().backward()

        return train

    lm.train()
    costs = {"unit LM, a training epoch": cost(train_lm, backward=True)}
    lm.eval()
    return {
        "units: HuBERT base": cost(lambda: hubert(wave)),
        "units: k-means": cost(lambda: codebook.assign(features)),
        **costs,
        "entropies": cost(lambda: predictive_entropies(lm, units, lengths)),
        "recogniser's encoder at 50 Hz, an epoch": cost(recogniser(50.0), backward=True),
        "recogniser's encoder at 15 Hz, an epoch": cost(recogniser(15.0), backward=True),
    }


def amount(value: float, unit: str) -> str:
    """As exact as such an estimate deserves."""
    if value < 0.05:
        return f"below 0.1 {unit}"
    return f"{value:,.0f} {unit}" if value >= 10 else f"{value:.1f} {unit}"


def time_table(costs: dict[str, tuple[float, float]]) -> list[list[str]]:
    """Core hours as measured, and GPU hours as assumed, for each size."""
    rows = [["stage", *(f"{hours:,} h" for hours in HOURS)]]
    for name, (cpu_sec, flops) in costs.items():
        peak = PEAK_BF16 if "epoch" in name else PEAK_FLOAT32
        gpu_sec = flops / (peak * ASSUMED_SHARE)
        rows.append(
            [name]
            + [f"{amount(h * cpu_sec, 'core h')}, {amount(h * gpu_sec, 'GPU h')}" for h in HOURS]
        )
    return rows


def disk_table() -> list[list[str]]:
    """Bytes on disk, from the formats alone: 4 bytes a unit, 8 with its entropy."""
    per_hour_mb = {
        "audio (FLAC)": AUDIO_MB_PER_HOUR,
        "dump/units": 50 * 3600 * 4 / 1e6,
        "dump/raw": 50 * 3600 * 8 / 1e6,
        "features, which we do not write": 50 * 3600 * 768 * 4 / 1e6,
    }
    rows = [["on disk", *(f"{hours:,} h" for hours in HOURS)]]
    for name, mb in per_hour_mb.items():
        rows.append([name, *(amount(hours * mb / 1e3, "GB") for hours in HOURS)])
    rows.append(["utterances of 15 s", *(f"{round(hours * 3600 / SECONDS):,}" for hours in HOURS)])
    return rows


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=Path("docs/scale.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    torch.set_num_threads(1)
    costs = stages()
    per_second = [["stage", "CPU s", "GFLOP"]]
    for name, (cpu_sec, flops) in costs.items():
        per_second.append([name, f"{cpu_sec:.3g}", f"{flops / 1e9:.3g}"])
    text = insert(
        args.output,
        "scale",
        f"{provenance('python benchmarks/scale.py', [0])} One thread, float32.",
        "A second of speech costs:",
        per_second,
        "A corpus costs (core hours measured, GPU hours assumed, see below):",
        time_table(costs),
        disk_table(),
    )
    print(text)


if __name__ == "__main__":
    main()
