"""Streaming beside chunked offline, and its cost a second over an hour."""

import statistics

import torch
from torch import Tensor

from benchmarks.speed.measure import Row, clock, compare, seconds, time_of
from espnet_entropy.bundle.streaming import StreamingTokenizer
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import build_extractor

NUM_UNITS, CHUNK_SEC, PUSH_SEC = 200, 2.0, 0.1
THRESHOLDS = torch.tensor([5.0, 0.1])


def sound(duration_sec: float, seed: int = 0) -> Tensor:
    """(N,) tones that change 12 times a second, in noise."""
    generator = torch.Generator().manual_seed(seed)
    steps = torch.randint(100, 3000, (round(duration_sec * 12) + 1,), generator=generator)
    time = torch.arange(round(duration_sec * 16000)) / 16000
    tone = 0.3 * torch.sin(2 * torch.pi * steps[(time * 12).long()] * (time % 1.0))
    return tone + 0.01 * torch.randn(len(time), generator=generator)


def tokenizer(device: str, **lm_conf) -> UnitTokenizer:
    """MFCC in chunks, a codebook of frames, and a unit LM of random weights."""
    extractor = build_extractor("mfcc", chunk_sec=CHUNK_SEC)
    wave = sound(20.0, seed=1)
    features, _ = extractor(wave[None], torch.tensor([len(wave)]))
    torch.manual_seed(0)
    lm = LlamaLM(NUM_UNITS + 2, **lm_conf).eval()
    return UnitTokenizer(extractor, Codebook(features[0, ::5]), lm, device)


def streamed(stream: StreamingTokenizer, wave: Tensor) -> tuple[Tensor, Tensor]:
    """Units and entropies of a whole stream, pushed in tenths of a second."""
    stream.reset()
    parts = [stream.push(part) for part in wave.split(round(PUSH_SEC * 16000))]
    parts.append(stream.flush())
    return torch.cat([p.units for p in parts]), torch.cat([p.entropies for p in parts])


def check(made: UnitTokenizer, wave: Tensor) -> str:
    """The stream's units and entropies beside offline's.

    Raises:
        ValueError: a unit differs, or an entropy by more than rounding.
    """
    config = SegmenterConfig("peaks")
    units, entropies = streamed(StreamingTokenizer(made, config, THRESHOLDS), wave)
    offline = made.tokenize(wave)
    if not torch.equal(units, offline.units[0]):
        raise ValueError(f"{int((units != offline.units[0]).sum())} units of the stream differ")
    worst = (entropies - offline.entropies[0]).abs().max().item()
    if worst > 1e-4:
        raise ValueError(f"entropies of the stream differ by {worst:.3g} nats")
    return f"offline: {len(units):,} units equal, entropies within {worst:.1g} nats"


def quick(device: str) -> list[str]:
    """Correctness at small sizes."""
    made = tokenizer(device, hidden_size=16, num_layers=2, num_heads=2, context=64)
    return [check(made, sound(7.3))]


def rows(device: str) -> list[Row]:
    """Two minutes beside offline; minutes after an hour beside the first."""
    made = tokenizer(device)
    stream = StreamingTokenizer(made, SegmenterConfig("peaks"), THRESHOLDS)
    wave = sound(120.0)
    timing = compare(
        lambda: streamed(stream, wave), lambda: made.tokenize(wave), device=device, repeats=3
    )
    setting = f"MFCC, LM of 4 layers and D = 256, chunks of {CHUNK_SEC:g} s, pushes of {PUSH_SEC} s"
    return [
        Row(
            "streaming, 2 min of audio",
            "chunked offline",
            timing.ratio,
            None,
            note=f"{setting}; latency {stream.latency_sec:.3f} s + computing: {timing}",
            checked=check(made, wave),
        ),
        _after_an_hour(made, setting, device),
    ]


def _after_an_hour(made: UnitTokenizer, setting: str, device: str) -> Row:
    """Minutes of a stream that is an hour old, by turns with those of a new one."""
    old, new = (StreamingTokenizer(made, SegmenterConfig("peaks"), THRESHOLDS) for _ in range(2))
    for minute in range(60):
        for part in sound(60.0, seed=minute).split(round(CHUNK_SEC * 16000)):
            old.push(part)
    pushes, slowest = [], 0.0

    def push_a_minute(stream: StreamingTokenizer) -> None:
        nonlocal slowest
        for part in pushes:
            begin = clock(device)
            stream.push(part)
            slowest = max(slowest, clock(device) - begin)

    ratios, costs = [], []
    for minute in range(10):
        pushes[:] = sound(60.0, seed=minute).split(round(PUSH_SEC * 16000))
        first, last = (time_of(lambda s=s: push_a_minute(s), device) for s in (new, old))
        ratios.append(last / first)
        costs.append((last / 60, first / 60))
    ours, peer = (seconds(statistics.median(side)) for side in zip(*costs, strict=True))
    return Row(
        "streaming, a second of audio after an hour",
        "a second at the beginning",
        statistics.median(ratios),
        1.1,
        note=f"{setting}: {ours} against {peer}; slowest push {seconds(slowest)}",
    )
