"""Learn a k-means codebook from recordings."""

import sys

from espnet_entropy.bin.common import (
    add_channel_argument,
    add_failure_argument,
    command,
    make_parser,
    mapping,
    usable_device,
)
from espnet_entropy.bundle.build import write_codebook
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.running import Failures
from espnet_entropy.units.codebook import learn_codebook, sample_features
from espnet_entropy.units.features import EXTRACTORS, build_extractor
from espnet_entropy.units.normalization import NORMALIZE

# The share of the variance that the largest dimensions hold is large above this, and above four
# times what it would be if all were equal. Whisper tiny.en's last layer, whose units tell phones
# apart much better if its features are normalised, has 22 % in 5 of 384; its third, which does not
# need it, has 7 %.
LARGEST, LARGE_SHARE, LARGE_RATIO = 5, 0.2, 4


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
        "--normalize",
        default="none",
        choices=NORMALIZE,
        help="features get mean 0 and variance 1: each frame, or each dimension as in the frames "
        "learnt from",
    )
    parser.add_argument(
        "--max_frames", type=int, default=1_000_000, help="frames learnt from; bounds the memory"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--output", required=True, help="folder to write")
    add_failure_argument(parser)
    return parser


@command(get_parser)
def main(args) -> None:
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
    codebook, inertia = learn_codebook(
        sample, args.num_units, normalize=args.normalize, seed=args.seed
    )
    variances = codebook.normalization(sample).var(0, correction=0)
    variance = variances.sum().item()
    if variance == 0:
        raise ValueError(f"all {len(sample)} frames are equal; give recordings with sound")
    largest = min(LARGEST, len(variances))
    share = variances.topk(largest).values.sum().item() / variance
    learning = dict(seed=args.seed, frames=len(sample), inertia=inertia)
    learning |= dict(normalize=args.normalize, variance_share_of_largest=share)
    write_codebook(args.output, codebook, extractor, learning)
    print(
        f"codebook: {args.num_units} units from {len(sample)} frames, mean squared distance "
        f"{inertia:.3f} ({100 * inertia / variance:.1f} % of the variance); {largest} of "
        f"{len(variances)} dimensions hold {100 * share:.0f} % of the variance"
    )
    if share > max(LARGE_SHARE, LARGE_RATIO * largest / len(variances)):
        print(
            f"warning: {largest} of {len(variances)} dimensions hold {100 * share:.0f} % of the "
            "variance, so units may depend on little else; compare with --normalize dimension, "
            "or with another layer",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
