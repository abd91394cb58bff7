"""Measure thresholds against rates on a held-out dump."""

import math

from espnet_entropy.bin.common import add_cost_arguments, command, make_parser, read_centroids
from espnet_entropy.data.origin import Origin
from espnet_entropy.segment.calibration import Calibration, calibrate_dump


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of held-out speech")
    parser.add_argument("--num_units", type=int, required=True, help="K")
    parser.add_argument("--frame_rate", type=float, default=50.0, help="units per second")
    parser.add_argument("--codebook", help="folder of learn_codebook; needed for content")
    add_cost_arguments(parser)
    parser.add_argument("--output", required=True, help="YAML to write")
    return parser


@command(get_parser)
def main(args) -> None:
    """Calibrate every method and say which rates each can reach."""
    if not 0 < args.frame_rate < math.inf:
        raise ValueError(f"--frame_rate is {args.frame_rate:g}, but must be positive")
    centroids, origin = None, Origin()
    if args.codebook is not None:
        centroids, origin = read_centroids(args.codebook)
    calibration = calibrate_dump(
        args.dump,
        num_units=args.num_units,
        frame_rate_hz=args.frame_rate,
        gap_cost=args.gap_cost,
        centroids=centroids,
        content=args.content,
    )
    calibration.check_origin(args.dump, origin, args.codebook)
    print_reach(calibration)
    calibration.save(args.output)


def print_reach(calibration: Calibration) -> None:
    """Print what was measured, and the rates that each method reaches."""
    measured = calibration.held_out
    print(
        f"calibrated on {measured['utterances']} utterances, {measured['hours']:.3f} h of "
        f"{measured['dump']}:"
    )
    for method in calibration.methods:
        print(f"  {method:20s} {calibration.reach(method)}")


if __name__ == "__main__":
    main()
