"""Measure thresholds against rates on a held-out dump."""

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.calibration import calibrate
from espnet_entropy.data import load_padded_dump


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of held-out speech")
    parser.add_argument("--num_units", type=int, required=True, help="K")
    parser.add_argument("--frame_rate", type=float, default=50.0, help="units per second")
    parser.add_argument("--output", required=True, help="YAML to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Calibrate every method and say which rates each can reach."""
    units, entropies, lengths = load_padded_dump(args.dump)
    hours = float(lengths.sum()) / args.frame_rate / 3600
    calibration = calibrate(
        units,
        entropies,
        lengths,
        num_units=args.num_units,
        frame_rate_hz=args.frame_rate,
        held_out=dict(dump=str(args.dump), utterances=len(lengths), hours=round(hours, 4)),
    )
    calibration.save(args.output)
    print(f"calibrated on {len(lengths)} utterances, {hours:.3f} h of {args.dump}:")
    for method, grid in calibration.methods.items():
        rates = grid["rate_hz"]
        reach = f"{rates[0]:.1f} to {rates[-1]:.1f} Hz" if rates else "no rate reached"
        print(f"  {method:20s} {reach}")


if __name__ == "__main__":
    main()
