"""Score segments as words, as ZeroSpeech 2017 (track 2) does; no text is used to make them."""

import itertools
from collections import ChainMap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.running import progress
from espnet_entropy.evaluate.alignment import check_alignments, read_alignments
from espnet_entropy.evaluate.boundary_report import references_of
from espnet_entropy.evaluate.boundary_scores import TICKS_PER_SEC, Reference
from espnet_entropy.evaluate.matched_rate import at_rates, boundaries_at, read_batches
from espnet_entropy.evaluate.merged_segments import merge_segments, segment_means
from espnet_entropy.evaluate.word_discovery import (
    SCHEMES,
    GoldWords,
    count_words,
    gold_words,
    pause_counts,
    word_scores,
)
from espnet_entropy.report.render import write_result
from espnet_entropy.report.tables import word_parts
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.points import unit_points

METHODS = ("content", "dp", "peaks", "global", "uniform", "dedup")
COMPONENTS = 64  # of the centroids, for the classes of segments
OFFSETS_SEC = np.arange(-10, 11) / 100


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--dump", nargs="+", required=True, help="dump/raw/SET folders")
    parser.add_argument("--words", nargs="+", required=True, help="CTM file of each dump")
    parser.add_argument("--phones", nargs="+", required=True, help="CTM file of each dump")
    parser.add_argument("--bundle", required=True, help="whose thresholds are used")
    parser.add_argument("--choose_on", required=True, help="SET that chooses the time offset")
    parser.add_argument("--methods", nargs="+", default=METHODS, help="segmenters")
    parser.add_argument(
        "--rates", nargs="+", type=float, default=[2.0, 3.0, 4.0, 5.0, 6.0], help="Hz"
    )
    parser.add_argument(
        "--merge", nargs="*", default=["dedup"], help="methods whose segments are merged, too"
    )
    parser.add_argument("--merge_rates", nargs="+", type=float, default=[12.0], help="of these, Hz")
    parser.add_argument("--classes", nargs="+", type=int, default=[20], help="of their segments")
    parser.add_argument("--bpe_sizes", nargs="+", type=int, default=[4000], help="pieces of BPE")
    parser.add_argument("--seed", type=int, default=0, help="of the classes")
    parser.add_argument(
        "--max_phone_sec", type=float, default=0.5, help="of the utterances of the second table"
    )
    parser.add_argument("--output", required=True, help="folder for words.md and words.json")
    return parser


@dataclass(frozen=True)
class Utterance:
    """One with words: what it is scored against."""

    gold: GoldWords
    duration_sec: float
    longest_phone_sec: float


@dataclass(frozen=True)
class Set:
    """One dump with its alignments."""

    batches: list
    references: dict[str, Reference]
    utterances: dict[str, Utterance]


@command(get_parser)
def main(args) -> None:
    """Write `words.json` and `words.md`; print the tables."""
    if not len(args.dump) == len(args.words) == len(args.phones):
        raise ValueError(
            f"{len(args.dump)} dumps, {len(args.words)} files of words and {len(args.phones)} of "
            "phones; give one of each for every dump, in the same order"
        )
    bundle = Bundle.open(args.bundle)
    sets = {}
    for paths in zip(args.dump, args.words, args.phones, strict=True):
        bundle.check_dump(paths[0])
        sets[Path(paths[0]).name] = read_set(*paths, bundle.frame_rate_hz)
    if args.choose_on not in sets:
        raise ValueError(f"--choose_on {args.choose_on} is none of the dumps {', '.join(sets)}")
    calibration = bundle.calibration()
    rows, notes = score_methods(sets, calibration, args)
    points = unit_points(bundle.codebook().centroids, COMPONENTS).numpy()
    rows += score_merged(sets, calibration, points, args)
    # What the pauses of the alignment alone give away.
    nothing = {utt: np.empty(0) for of_set in sets.values() for utt in of_set.utterances}
    rows.append(dict(method="no boundaries", rate_hz=None) | score(sets, nothing, args))
    everyone = [u for of_set in sets.values() for u in of_set.utterances.values()]
    result = dict(
        sets=list(sets),
        choose_on=args.choose_on,
        max_phone_sec=args.max_phone_sec,
        utterances=len(everyone),
        filtered=sum(is_kept(u, args.max_phone_sec) for u in everyone),
        rows=rows,
        left_out=notes,
    )
    print(write_result(args.output, "words", result, word_parts))


def score_methods(sets: dict[str, Set], calibration: Calibration, args) -> tuple[list, list]:
    """Rows of the segmenters at each rate, and what could not be scored."""
    rows, notes = [], []
    for method, rate_hz in progress(at_rates(args.methods, args.rates), "methods"):
        config = calibration.config(method, rate_hz)
        try:
            found = find(sets, config, calibration)
        except ValueError as error:
            notes.append(f"{called(config)}: {error}")
            continue
        rows.append(dict(method=method, rate_hz=rate_hz) | score(sets, found, args))
    return rows, notes


def score_merged(
    sets: dict[str, Set], calibration: Calibration, points: np.ndarray, args
) -> list[dict]:
    """Rows of merged segments, for each number of classes and pieces."""
    rows = []
    for method, rate_hz in progress(at_rates(args.merge, args.merge_rates), "merged"):
        config = calibration.config(method, rate_hz)
        found = find(sets, config, calibration)
        means = means_of(sets, found, config.frame_rate_hz, points)
        for num_classes, size in itertools.product(args.classes, args.bpe_sizes):
            begins = merge_segments(
                means,
                num_classes=num_classes,
                vocab_size=size,
                model=Path(args.output) / f"{method}_{num_classes}_{size}.model",
                seed=args.seed,
            )
            merged = {utt: times[begins[utt][1:]] for utt, times in found.items()}
            name = f"{called(config)}, {num_classes} classes, BPE {size}"
            rows.append(dict(method=name, rate_hz=None) | score(sets, merged, args))
    return rows


def read_set(dump: str, words: str, phones: str, frame_rate_hz: float) -> Set:
    """A dump and the utterances of it that have words."""
    batches, frames = read_batches(padded_batches(dump))
    durations = {utt: count / frame_rate_hz for utt, count in frames.items()}
    levels = [
        check_alignments(read_alignments(path), durations, min_cover=0.0)
        for path in (words, phones)
    ]
    utterances = {}
    for utt, duration_sec in durations.items():
        try:
            gold = gold_words(levels[0][utt], levels[1][utt])
        except ValueError as error:
            raise ValueError(f"utt {utt}: {error}") from error
        if gold is not None:
            spoken = [i.end_sec - i.start_sec for i in levels[1][utt] if not i.is_silence]
            utterances[utt] = Utterance(gold, duration_sec, max(spoken))
    return Set(batches, references_of(levels[0], durations), utterances)


def is_kept(utterance: Utterance, max_phone_sec: float) -> bool:
    """Whether none of its phones is longer, as far as 1/100000 s says."""
    return round(utterance.longest_phone_sec, 5) <= max_phone_sec


def called(config: SegmenterConfig) -> str:
    """A method with its rate."""
    return config.method + ("" if config.rate_hz is None else f" {config.rate_hz:g} Hz")


def find(sets: dict[str, Set], config: SegmenterConfig, calibration: Calibration) -> dict:
    """Where segments start, in seconds, by utterance; 0 is left out."""
    times = {}
    for of_set in sets.values():
        times |= boundaries_at(of_set.batches, of_set.references, config, calibration).times
    return times


def means_of(sets: dict[str, Set], found: dict, frame_rate_hz: float, points: np.ndarray) -> dict:
    """The mean points of the segments of all utterances."""
    means = {}
    for of_set in sets.values():
        for utts, units, _, lengths in of_set.batches:
            for utt, row, length in zip(utts, units, lengths, strict=True):
                starts = np.rint(found[utt] * frame_rate_hz).astype(np.int64)
                means[utt] = segment_means(row[:length].numpy(), starts, points)
    return means


def score(sets: dict[str, Set], found: dict, args) -> dict:
    """All figures of one method: the offset that one set chooses, then the scores of all."""

    def counts(utterances: dict[str, Utterance], scheme: str, offset_sec: float):
        return np.array(
            [
                count_words(u.gold, found[utt] + offset_sec, u.duration_sec, scheme)
                for utt, u in utterances.items()
            ]
        )

    chosen_on = sets[args.choose_on].utterances
    f1 = [word_scores(counts(chosen_on, "time", offset)).f1 for offset in OFFSETS_SEC]
    best = [offset for offset, value in zip(OFFSETS_SEC, f1, strict=True) if value == max(f1)]
    offset_sec = float(min(best, key=abs))
    everyone = dict(ChainMap(*(of_set.utterances for of_set in sets.values())))
    pauses = sum(
        pause_counts(u.gold, found[utt] + offset_sec, u.duration_sec) for utt, u in everyone.items()
    )
    spoken = sum(np.diff(u.gold.stretches).sum() for u in everyone.values())
    row = dict(
        offset_sec=offset_sec,
        chosen_f1=max(f1),
        overall_hz=pauses[1] / pauses[3] * TICKS_PER_SEC,
        speech_hz=(pauses[1] - pauses[0]) / spoken * TICKS_PER_SEC,
        pause_boundary_share=pauses[0] / max(pauses[1], 1),
        pause_time_share=pauses[2] / pauses[3],
    )
    kept = [is_kept(u, args.max_phone_sec) for u in everyone.values()]
    of_all = {scheme: counts(everyone, scheme, offset_sec) for scheme in SCHEMES}
    row["all"] = {scheme: word_scores(made).as_json() for scheme, made in of_all.items()}
    row["filtered"] = {scheme: word_scores(made[kept]).as_json() for scheme, made in of_all.items()}
    return row


if __name__ == "__main__":
    main()
