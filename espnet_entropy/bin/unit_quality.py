"""What a dump's units are worth: codebook use, bitrates, purity and PNMI against phones."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from espnet_entropy.bin.boundary_scores import add_alignment_arguments, read_checked
from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.evaluate.alignment import SILENCE, frame_labels
from espnet_entropy.evaluate.boundary_report import references_of
from espnet_entropy.evaluate.matched_rate import at_rates, boundaries_at, read_batches
from espnet_entropy.evaluate.unit_quality import bitrates, codebook_use, joint_counts, phone_quality
from espnet_entropy.report.render import write_result
from espnet_entropy.report.tables import unit_parts

METHODS = ("dense", "dedup", "dp", "peaks", "global", "uniform")


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET")
    parser.add_argument("--bundle", required=True, help="that the dump was made with")
    add_alignment_arguments(parser)
    parser.add_argument("--methods", nargs="+", default=METHODS, help="for rates and bitrates")
    parser.add_argument("--rates", nargs="+", type=float, default=[24.0, 15.0, 7.0], help="Hz")
    parser.add_argument("--output", required=True, help="folder for SET_units.md and .json")
    return parser


@command(get_parser)
def main(args) -> None:
    """Measure, write table and numbers, print the table."""
    if not args.phones:
        raise ValueError("no alignments of phones are given; name them with --phones")
    bundle = Bundle.open(args.bundle)
    bundle.check_dump(args.dump, needs_unit_lm=False)
    batches, frames = read_batches(padded_batches(args.dump))
    durations_sec = {utt: count / bundle.frame_rate_hz for utt, count in frames.items()}
    alignments = read_checked(args.phones, args.phone_tier, durations_sec, args)
    units = {
        utt: row[:length].numpy()
        for utts, all_units, _, lengths in batches
        for utt, row, length in zip(utts, all_units, lengths, strict=True)
    }
    quality = measure_units(units, alignments, bundle, args.time_offset)
    references = references_of(alignments, durations_sec)
    rates, notes = measure_rates(args, bundle, batches, units, references)
    name = Path(args.dump).name
    result = dict(
        set=name,
        utterances=len(units),
        aligned=len(alignments),
        units=quality,
        rates=rates,
        left_out=notes,
    )
    print(write_result(args.output, f"{name}_units", result, unit_parts))


def measure_units(units: dict, alignments: dict, bundle: Bundle, offset_sec: float) -> dict:
    """Figures over all frames of aligned utterances, and over those in which somebody speaks."""
    everything, spoken = [], []
    for utt, intervals in alignments.items():
        found = units[utt]
        labels = frame_labels(intervals, len(found), bundle.frame_rate_hz, offset_sec)
        everything.append((found, labels))
        kept = [place for place, label in enumerate(labels) if label != SILENCE]
        spoken.append((found[kept], [labels[place] for place in kept]))
    made = {}
    for name, pairs in (("all frames", everything), ("speech", spoken)):
        joint, _ = joint_counts(pairs, bundle.num_units)
        made[name] = asdict(codebook_use(joint.sum(axis=1))) | asdict(phone_quality(joint))
    return made


def measure_rates(
    args, bundle: Bundle, batches, units: dict, references: dict
) -> tuple[list[dict], list[str]]:
    """Rates and bitrates of each method, as models segment: the rate is that over everything.

    Returns:
        Rows, and what could not be measured since a method does not come to a rate.
    """
    calibration, rows, notes = bundle.calibration(), [], []
    jobs = at_rates(args.methods, args.rates)
    for method, rate_hz in jobs:
        config = calibration.config(method, rate_hz, frame_rate_hz=bundle.frame_rate_hz)
        try:
            made = boundaries_at(batches, references, config, calibration)
        except ValueError as error:
            notes.append(f"{method}{'' if rate_hz is None else f' at {rate_hz:g} Hz'}: {error}")
            continue
        segments = []
        for utt, times in made.times.items():
            starts = np.rint(times * bundle.frame_rate_hz).astype(np.int64)
            lengths = np.diff(starts, prepend=0, append=len(units[utt]))
            segments.append((units[utt], lengths))
        found = bitrates(segments, bundle.num_units, bundle.frame_rate_hz)
        row = dict(method=method, rate_hz=rate_hz, speech_hz=made.speech_hz)
        rows.append(row | asdict(found))
    return rows, notes


if __name__ == "__main__":
    main()
