"""What a dump's units are worth: codebook use, bitrates, purity and PNMI against phones."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from espnet_entropy.bin.boundary_scores import add_alignment_arguments, read_checked
from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.evaluate.alignment import SILENCE, frame_labels
from espnet_entropy.evaluate.boundary_report import references_of
from espnet_entropy.evaluate.matched_rate import at_rates, boundaries_at, read_batches
from espnet_entropy.evaluate.unit_quality import bitrates, codebook_use, joint_counts, phone_quality
from espnet_entropy.report.results_page import table
from espnet_entropy.segment.boundaries import SegmenterConfig

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


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
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
    text = f"{name}: {len(alignments)} of {len(units)} utterances have phones\n\n"
    text += unit_table(quality) + "\n\n" + rate_table(rates) + "\n"
    text += "".join(f"\nLeft out: {note}\n" for note in notes)
    output = Path(args.output)
    with atomic_text(output / f"{name}_units.md") as file:
        file.write(text)
    with atomic_text(output / f"{name}_units.json") as file:
        json.dump(dict(units=quality, rates=rates), file, indent=1)
    print(text)


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
        config = SegmenterConfig.of_method(
            method, rate_hz, frame_rate_hz=bundle.frame_rate_hz, gap_cost=calibration.gap_cost
        )
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


def unit_table(quality: dict) -> str:
    """Markdown of `measure_units`."""
    rows = [
        ["frames", "number", "units used", "perplexity", "phone purity", "cluster purity", "PNMI"]
    ]
    for name, made in quality.items():
        rows.append(
            [
                name,
                str(made["num_frames"]),
                f"{made['used']} of {made['num_units']}",
                f"{made['perplexity']:.1f}",
                *(f"{made[key]:.3f}" for key in ("phone_purity", "cluster_purity", "pnmi")),
            ]
        )
    return table(rows)


def rate_table(rates: list[dict]) -> str:
    """Markdown of `measure_rates`."""
    rows = [
        ["method", "segments/s", "in speech", "bits/s, log2 K", "entropy code"]
        + ["with durations, uniform", "entropy code"]
    ]
    costs = ("uniform_bps", "entropy_bps", "uniform_durations_bps", "entropy_durations_bps")
    for row in rates:
        name = row["method"] if row["rate_hz"] is None else f"{row['method']} {row['rate_hz']:g} Hz"
        rates_hz = [f"{row[key]:.2f}" for key in ("segments_hz", "speech_hz")]
        rows.append([name, *rates_hz, *(f"{row[key]:.0f}" for key in costs)])
    return table(rows)


if __name__ == "__main__":
    main()
