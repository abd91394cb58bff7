"""Pictures of a bundle: lengths of segments by method, and thresholds by rate."""

from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import command, make_parser


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--bundle", help="folder of the bundle; or give --calibration")
    parser.add_argument("--calibration", help="YAML written by calibrate")
    parser.add_argument("--dump", help="dump/raw/SET whose segments are drawn")
    parser.add_argument(
        "--segmenters",
        nargs="+",
        default=["global", "peaks", "dp", "uniform"],
        help="a panel each, of those that reach the rate",
    )
    parser.add_argument("--rate", type=float, default=15.0, help="Hz")
    parser.add_argument(
        "--output", required=True, help="folder for segment_lengths.png and thresholds.png"
    )
    return parser


@command(get_parser)
def main(args) -> None:
    """Draw what there is to draw: the lengths only with a dump."""
    # Seconds, which --help need not wait for.
    from espnet_entropy.bundle.bundle import Bundle
    from espnet_entropy.data.dump import padded_batches
    from espnet_entropy.report.pictures import plot_segment_lengths, plot_thresholds
    from espnet_entropy.segment.calibration import Calibration

    if (args.bundle is None) == (args.calibration is None):
        raise ValueError("give --bundle or --calibration, one of them")
    output = Path(args.output)
    if args.bundle:
        bundle = Bundle.open(args.bundle)
        calibration = bundle.calibration()
        if args.dump:
            bundle.check_dump(args.dump)
    else:
        calibration = Calibration.load(args.calibration)
    held_out = Path(str(calibration.held_out.get("dump", "held-out set"))).name
    plot_thresholds(
        output / "thresholds.png", calibration, title=f"Thresholds by rate, measured on {held_out}"
    )
    print(f"thresholds of {len(calibration.methods)} methods: {output}/thresholds.png")
    if args.dump is None:
        return
    batches = list(padded_batches(args.dump))
    lengths = {}
    for segmenter in args.segmenters:
        config = calibration.config(segmenter, args.rate)
        try:
            thresholds = calibration.thresholds(config)
        except ValueError as error:  # a rate out of its reach
            print(f"left out: {error}")
            continue
        lengths[segmenter] = lengths_of(batches, config, thresholds, calibration.points)
    name = Path(args.dump).name
    plot_segment_lengths(
        output / "segment_lengths.png",
        lengths=lengths,
        frame_rate_hz=calibration.frame_rate_hz,
        title=f"How long segments of {name} are, {args.rate:g} Hz aimed at",
    )
    print(f"segments of {', '.join(lengths)} on {name}: {output}/segment_lengths.png")


def lengths_of(batches: list, config, thresholds, points) -> np.ndarray:
    """(S,) frames of all segments in the batches of a dump."""
    from espnet_entropy.segment.boundaries import find_boundaries, segments_of

    found = []
    for _, *batch in batches:
        _, lengths = segments_of(find_boundaries(*batch, config, thresholds, points), batch[2])
        found.append(lengths[lengths > 0].numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    main()
