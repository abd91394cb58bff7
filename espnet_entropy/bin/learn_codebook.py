"""Learn a k-means codebook from recordings."""

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
from espnet_entropy.data.running import Failures
from espnet_entropy.units.codebook import learn_codebook, sample_features
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
    """Sample features, learn from them, and write the codebook."""
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
    extractor = build_extractor(args.extractor, **args.extractor_conf).to(device)
    failures = Failures(args.max_failed_utts)
    sample = sample_features(recordings, extractor, args.max_frames, args.seed, failures, device)
    codebook, inertia = learn_codebook(sample, args.num_units, seed=args.seed)
    learning = dict(seed=args.seed, frames=len(sample), inertia=inertia)
    write_codebook(args.output, codebook, extractor, learning)
    variance = sample.var(0, correction=0).sum().item()
    print(
        f"codebook: {args.num_units} units from {len(sample)} frames, mean squared distance "
        f"{inertia:.3f} ({100 * inertia / variance:.1f} % of the variance)"
    )


if __name__ == "__main__":
    main()
