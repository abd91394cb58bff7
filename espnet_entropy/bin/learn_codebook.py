"""Learn a k-means codebook from recordings."""

import torch

from espnet_entropy.bin.common import (
    add_channel_argument,
    add_failure_argument,
    make_parser,
    mapping,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.build import write_codebook
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.running import Failures, progress
from espnet_entropy.units.codebook import learn_codebook
from espnet_entropy.units.features import EXTRACTORS, build_extractor


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--wav_scp", nargs="+", required=True, help="wav.scp files to learn from")
    add_channel_argument(parser)
    parser.add_argument("--extractor", default="whisper", choices=sorted(EXTRACTORS))
    parser.add_argument(
        "--extractor_conf", type=mapping, default={}, help="e.g. '{path: DIR, layer: 3}'"
    )
    parser.add_argument("--num_units", type=int, default=500, help="K")
    parser.add_argument(
        "--max_frames", type=int, default=1_000_000, help="frames learnt from; bounds the memory"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--output", required=True, help="folder to write")
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Sample whole utterances in a seeded order until there are enough frames, and learn."""
    if not 1 <= args.num_units <= args.max_frames:
        raise ValueError(
            f"--num_units is {args.num_units} and --max_frames {args.max_frames}: "
            "at least one unit is needed, and a frame for each"
        )
    device = usable_device(args.device)
    recordings = [
        recording
        for wav_scp in args.wav_scp
        for recording in read_recordings(wav_scp, channel=args.channel).values()
    ]
    order = torch.randperm(
        len(recordings), generator=torch.Generator().manual_seed(args.seed)
    ).tolist()
    extractor = build_extractor(args.extractor, **args.extractor_conf).to(device)
    sample = torch.empty(args.max_frames, extractor.dim, device=device)
    filled, failures = 0, Failures(args.max_failed_utts)
    for index in progress(order, "features"):
        try:
            wave = torch.from_numpy(recordings[index].samples(extractor.sample_rate))
            features, _ = extractor(wave.unsqueeze(0).to(device), torch.tensor([len(wave)]))
        except ValueError as error:
            failures.leave_out(recordings[index].utterance, error)
            continue
        rows = features[0][: args.max_frames - filled]
        sample[filled : filled + len(rows)] = rows
        filled += len(rows)
        if filled == args.max_frames:
            break
    codebook, inertia = learn_codebook(sample[:filled], args.num_units, seed=args.seed)

    learning = dict(seed=args.seed, frames=filled, inertia=inertia)
    write_codebook(args.output, codebook, extractor, learning)
    variance = sample[:filled].var(0, correction=0).sum().item()
    print(
        f"codebook: {args.num_units} units from {filled} frames, mean squared distance "
        f"{inertia:.3f} ({100 * inertia / variance:.1f} % of the variance)"
    )


if __name__ == "__main__":
    main()
