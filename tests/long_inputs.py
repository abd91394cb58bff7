"""What long inputs cost: `python tests/long_inputs.py STEP ...` prints time and peak memory.

The peak is of a process of its own, so the tests call this as a command too. Linux's VmHWM is
read, since `getrusage` also counts what a parent held before it became this process.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch

UNITS_PER_SECOND = 50
SAMPLE_RATE = 16000


def peak_gb() -> float:
    """Largest resident memory of this process so far, in GB (1e9 bytes)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    raise OSError("/proc/self/status names no VmHWM")


def random_utterance(args) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Units that last for two frames on average, entropies, length; batch of one."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.randint(0, args.num_units, (1, args.units), generator=generator)
    starts = torch.rand(1, args.units, generator=generator) < 0.5
    starts[:, 0] = True
    frames = torch.arange(args.units).expand(1, -1)
    units = draws.gather(1, frames.masked_fill(~starts, 0).cummax(1).values)
    entropies = 5 * torch.rand(1, args.units, generator=generator)
    return units, entropies, torch.tensor([args.units])


def aggregate(args) -> dict:
    """Vectors of one utterance, with gradients under --backward."""
    from espnet_entropy.aggregate.encoder import SegmentEncoder
    from espnet_entropy.segment.boundaries import SegmenterConfig

    conf = dict(num_layers=args.layers, conv_kernel=args.conv_kernel, dropout=0.1)
    if args.block_units:
        conf["block_units"] = args.block_units
    encoder = SegmentEncoder(
        args.num_units,
        args.dim,
        SegmenterConfig("uniform", rate_hz=args.rate),
        aggregator="cale",
        aggregator_conf=conf,
        unit_mask=0.08,
        dropout=0.1,
    ).train(args.backward)
    encoder.thresholds.zero_()
    utterance = random_utterance(args)
    yield
    with torch.set_grad_enabled(args.backward):
        encoded = encoder.encode(*utterance)
        if args.backward:
            encoded.vectors.square().mean().backward()
    yield dict(segments=int(encoded.num_segments))


def _unit_lm(args):
    from espnet_entropy.lm.unit_lm import LlamaLM

    lm = LlamaLM(args.num_units + 2, args.dim, args.layers, 4, context=args.context)
    return lm.eval()


def entropies(args) -> dict:
    """Entropies of one utterance offline."""
    from espnet_entropy.lm.entropy import predictive_entropies

    lm, (units, _, lengths) = _unit_lm(args), random_utterance(args)
    yield
    mean = predictive_entropies(lm, units, lengths).mean()
    yield dict(mean_nats=round(float(mean), 4))


def stream(args) -> dict:
    """Entropies of one utterance unit by unit."""
    from espnet_entropy.lm.entropy import EntropyStream

    lm, (units, _, _) = _unit_lm(args), random_utterance(args)
    entropy_stream, total = EntropyStream(lm), 0.0
    yield
    for block in units.split(args.block_units or 1, dim=1):
        total += float(entropy_stream(block).sum())
    yield dict(mean_nats=round(total / args.units, 4))


def tokenize(args) -> dict:
    """A sound file, read and tokenized."""
    from espnet_entropy.bundle.build import load_trained_lm
    from espnet_entropy.bundle.bundle import load_extractor
    from espnet_entropy.bundle.tokenizer import UnitTokenizer
    from espnet_entropy.data.audio import read_audio
    from espnet_entropy.units.codebook import Codebook

    if args.bundle:
        tokenizer = UnitTokenizer.from_bundle(args.bundle)
    else:
        codebook = Codebook.load(Path(args.codebook) / "codebook.safetensors")
        lm = load_trained_lm(args.unit_lm).eval()
        tokenizer = UnitTokenizer(load_extractor(args.codebook), codebook, lm)
    yield
    wave = torch.from_numpy(read_audio(args.sound, SAMPLE_RATE))
    tokens = tokenizer(wave.unsqueeze(0), torch.tensor([len(wave)]))
    yield dict(units=tokens.units.shape[1], distinct=len(tokens.units.unique()))


def segment(args) -> dict:
    """Boundaries of one utterance by one segmenter."""
    from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries

    config = SegmenterConfig(args.segmenter, rate_hz=args.rate, min_rate_hz=5.0, max_segment=50)
    utterance = random_utterance(args)
    yield
    boundaries = find_boundaries(*utterance, config, torch.tensor([3.5, 1.0]))
    yield dict(segments=int(boundaries.sum()))


def calibrate(args) -> dict:
    """Thresholds of one segmenter, measured on one utterance."""
    from espnet_entropy.segment.calibration import calibrate as measure

    utterance = random_utterance(args)
    yield
    made = measure(
        [utterance],
        num_units=args.num_units,
        frame_rate_hz=UNITS_PER_SECOND,
        held_out={},
        methods=((args.segmenter, False),),
    )
    yield dict(rates=len(made.methods[args.segmenter]["rate_hz"]))


STEPS = {f.__name__: f for f in (aggregate, entropies, stream, tokenize, segment, calibrate)}


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=sorted(STEPS))
    parser.add_argument("--units", type=int, default=180_000, help="frames; 180,000 are an hour")
    parser.add_argument("--num_units", type=int, default=500, help="K")
    parser.add_argument("--dim", type=int, default=512, help="of vectors or of the unit LM")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--rate", type=float, default=15.0, help="Hz")
    parser.add_argument("--context", type=int, default=1024, help="of the unit LM, in units")
    parser.add_argument("--conv_kernel", type=int, default=0, help="of CALE")
    parser.add_argument("--block_units", type=int, help="of CALE, or of a stream")
    parser.add_argument("--backward", action="store_true", help="of aggregate")
    parser.add_argument("--segmenter", default="dp")
    parser.add_argument("--bundle", help="of tokenize; or --codebook and --unit_lm")
    parser.add_argument("--codebook", help="folder of a codebook")
    parser.add_argument("--unit_lm", help="checkpoint of a unit LM")
    parser.add_argument("--sound", help="of tokenize: a sound file")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    step = STEPS[args.step](args)
    next(step)  # imports, parameters and inputs
    before, began = peak_gb(), time.perf_counter()
    result = next(step)
    seconds = round(time.perf_counter() - began, 1)
    peak = peak_gb()
    memory = dict(start_gb=round(before, 3), peak_gb=round(peak, 3), seconds=seconds)
    json.dump(memory | result, sys.stdout)
    print()


if __name__ == "__main__":
    main()
