"""Measure thresholds against rates on a held-out dump."""

import math

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.calibration import calibrate
from espnet_entropy.data import load_padded_dump
from espnet_entropy.segment import SegmenterConfig


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of held-out speech")
    parser.add_argument("--num_units", type=int, required=True, help="K")
    parser.add_argument("--frame_rate", type=float, default=50.0, help="units per second")
    parser.add_argument(
        "--gap_cost", type=float, default=SegmenterConfig.gap_cost, help="of dp, as models set it"
    )
    parser.add_argument("--output", required=True, help="YAML to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Calibrate every method and say which rates each can reach."""
    if not 0 < args.frame_rate < math.inf:
        raise ValueError(f"--frame_rate is {args.frame_rate:g}, but must be positive")
    units, entropies, lengths = load_padded_dump(args.dump)
    hours = float(lengths.sum()) / args.frame_rate / 3600
    calibration = calibrate(
        units,
        entropies,
        lengths,
        num_units=args.num_units,
        frame_rate_hz=args.frame_rate,
        held_out=dict(dump=str(args.dump), utterances=len(lengths), hours=round(hours, 4)),
        gap_cost=args.gap_cost,
    )
    calibration.save(args.output)
    print(f"calibrated on {len(lengths)} utterances, {hours:.3f} h of {args.dump}:")
    for method, grid in calibration.methods.items():
        rates = grid["rate_hz"]
        reach = f"{rates[0]:.1f} to {rates[-1]:.1f} Hz" if rates else "no rate reached"
        print(f"  {method:20s} {reach}")


if __name__ == "__main__":
    main()
