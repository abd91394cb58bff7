"""Measure thresholds against rates on a held-out dump."""

import math
from pathlib import Path

import torch

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.batch import check_unit_range
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.origin import origin_of_dump
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.calibration import Calibration, calibrate


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
    calibration = calibrate_dump(
        args.dump,
        num_units=args.num_units,
        frame_rate_hz=args.frame_rate,
        gap_cost=args.gap_cost,
    )
    calibration.save(args.output)


def calibrate_dump(
    dump: Path | str, *, num_units: int, frame_rate_hz: float, gap_cost: float
) -> Calibration:
    """Calibrate on `dump/raw/SET` and print the rates that each method reaches."""
    batches = [batch for _, *batch in padded_batches(dump)]
    for units, *_ in batches:
        check_unit_range(units, num_units)
    lengths = torch.cat([lengths for *_, lengths in batches])
    hours = float(lengths.sum()) / frame_rate_hz / 3600
    measured = dict(dump=str(dump), utterances=len(lengths), hours=round(hours, 4))
    calibration = calibrate(
        batches,
        num_units=num_units,
        frame_rate_hz=frame_rate_hz,
        held_out=measured | origin_of_dump(dump)._asdict(),
        gap_cost=gap_cost,
    )
    print(f"calibrated on {len(lengths)} utterances, {hours:.3f} h of {dump}:")
    for method, grid in calibration.methods.items():
        print(f"  {method:20s} {reach(grid)}")
    return calibration


def reach(grid: dict[str, list[float]]) -> str:
    """`5.0 to 24.0 Hz` of a method's grid."""
    rates = grid["rate_hz"]
    return f"{rates[0]:.1f} to {rates[-1]:.1f} Hz" if rates else "no rate reached"


if __name__ == "__main__":
    main()
