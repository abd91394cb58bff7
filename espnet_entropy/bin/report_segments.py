"""Segments with times at the calibrated rates, and the rates reached on each set."""

from pathlib import Path

import torch

from espnet_entropy.bin.common import (
    add_calibration_arguments,
    command,
    load_calibration,
    make_parser,
)
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.origin import origin_of_dump
from espnet_entropy.report.render import write_result
from espnet_entropy.report.tables import rate_parts
from espnet_entropy.segment import RECOMMENDED_SEGMENTER
from espnet_entropy.segment.boundaries import (
    ON_CHANGE,
    SegmenterConfig,
    find_boundaries,
    segments_of,
)
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.segmenters import SEGMENTERS, THRESHOLD_NAMES
from espnet_entropy.segment.timing import segment_times


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", nargs="+", required=True, help="dump/raw/SET folders")
    add_calibration_arguments(parser)
    parser.add_argument(
        "--segmenter", nargs="+", default=[RECOMMENDED_SEGMENTER], help="e.g. global peaks"
    )
    parser.add_argument("--on_change", choices=("true", "false"), default="false")
    parser.add_argument("--rates", nargs="+", type=float, default=[24.0, 15.0, 7.0], help="Hz")
    parser.add_argument("--output", required=True, help="folder to write")
    return parser


@command(get_parser)
def main(args) -> None:
    """Write `rates.json`, `rates.md` and a `SET_METHOD_RATEhz.segments` for each setting."""
    calibration = load_calibration(args)
    rows = []
    for folder in args.dump:
        calibration.check_origin(args.calibration, origin_of_dump(folder), folder)
        batches = list(padded_batches(folder))
        for segmenter in args.segmenter:
            for rate_hz in args.rates:
                on_change = args.on_change == "true" and SEGMENTERS[segmenter].thresholds
                method = segmenter + (ON_CHANGE if on_change else "")
                config = calibration.config(method, rate_hz)
                rows.append(report(args, folder, batches, config, calibration))
    print(write_result(args.output, "rates", {"rates": rows}, rate_parts))


def report(args, folder, batches, config: SegmenterConfig, calibration: Calibration) -> dict:
    """Write one setting's segments; return its row."""
    row = {"set": Path(folder).name, "segmenter": config.method, "rate_hz": config.rate_hz}
    try:
        thresholds = calibration.thresholds(config)
    except ValueError:  # out of reach
        return row | dict(thresholds_nats=None, reached_hz=None, one_frame_share=None)
    segments = {}
    for utts, *batch in batches:
        boundaries = find_boundaries(*batch, config, thresholds, calibration.points)
        _, segment_lengths = segments_of(boundaries, batch[2])
        segments |= {utt: row[row > 0] for utt, row in zip(utts, segment_lengths, strict=True)}
    stem = f"{row['set']}_{config.method}_{config.rate_hz:g}hz"
    with atomic_text(Path(args.output) / f"{stem}.segments") as file:
        for utt in sorted(segments):
            for start, end in segment_times(segments[utt], config.frame_rate_hz):
                file.write(f"{utt} {start:.2f} {end:.2f}\n")
    lengths = torch.cat(list(segments.values()))
    seconds = float(lengths.sum()) / config.frame_rate_hz
    used = {key: float(thresholds[THRESHOLD_NAMES.index(key)]) for key in config.kind.thresholds}
    singles = int((lengths == 1).sum()) / len(lengths)
    return row | dict(
        thresholds_nats=used, reached_hz=len(lengths) / seconds, one_frame_share=singles
    )


if __name__ == "__main__":
    main()
