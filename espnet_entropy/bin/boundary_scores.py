"""Score a dump's boundaries against phones and words, beside chance.

All methods place the same number of boundaries per second inside speech.
"""

import json
import math
from collections import ChainMap
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.running import progress
from espnet_entropy.evaluate.alignment import (
    boundary_times,
    check_alignments,
    pauses_of,
    read_alignments,
    read_ctm,
)
from espnet_entropy.evaluate.boundary_report import ScoredMethod, references_of, score_method
from espnet_entropy.evaluate.boundary_scores import (
    MARGIN_SEC,
    TOLERANCES_SEC,
    Reference,
    share_within,
)
from espnet_entropy.evaluate.matched_rate import at_rates, match_rate, read_batches
from espnet_entropy.evaluate.spectral_flux import (
    HOP_SEC,
    SAMPLE_RATE,
    flux_boundaries,
    spectral_flux,
)
from espnet_entropy.report.plot_boundaries import plot_boundary_scores
from espnet_entropy.report.render import write_result
from espnet_entropy.report.tables import boundary_parts

FLUX = "spectral flux"
PAUSE = dict(shortest_sec=0.1, margin_sec=MARGIN_SEC)
ALIGNER_STEP_SEC = 0.01  # of PocketSphinx's times; those of Whisper are multiples of it


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="dump/raw/SET")
    parser.add_argument("--bundle", required=True, help="whose thresholds are used")
    add_alignment_arguments(parser)
    parser.add_argument("--syllables", help="CTM file that force_align writes beside the phones")
    parser.add_argument("--words", help="CTM file, or folder of TextGrids")
    parser.add_argument(
        "--aligners",
        nargs="+",
        default=[],
        help="NAME=FOLDER of force_align: its boundaries are scored like those of a method",
    )
    parser.add_argument("--wav_scp", help="recordings, for the peaks of the spectral flux")
    parser.add_argument(
        "--methods",
        nargs="+",
        help="names such as dp peaks+on_change uniform; default: the "
        "calibrated ones, uniform and dedup",
    )
    parser.add_argument("--rates", nargs="+", type=float, default=[24.0, 15.0, 7.0], help="Hz")
    parser.add_argument(
        "--tolerances",
        nargs="+",
        type=float,
        default=list(TOLERANCES_SEC),
        help="greatest distances of a match in seconds",
    )
    parser.add_argument(
        "--offsets_of",
        help="JSON file of another set: the boundaries of each row that it has are moved as was "
        "best there, at the first tolerance",
    )
    parser.add_argument("--seed", type=int, default=0, help="of chance levels and intervals")
    parser.add_argument("--output", required=True, help="folder for the table and the pictures")
    return parser


def add_alignment_arguments(parser) -> None:
    """What this command and unit_quality say of alignments."""
    parser.add_argument("--phones", help="CTM file, or folder of TextGrids")
    parser.add_argument("--phone_tier", default="phones", help="of TextGrids")
    parser.add_argument("--word_tier", default="words", help="of TextGrids")
    parser.add_argument(
        "--max_missing_share", type=float, default=0.2, help="utterances without alignment"
    )
    parser.add_argument(
        "--min_cover", type=float, default=0.5, help="share of each utterance to be covered"
    )
    parser.add_argument(
        "--time_offset", type=float, default=0.0, help="s, added to the times of the units"
    )


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


@dataclass(frozen=True)
class _Set:
    """What is scored.

    Attributes:
        name, batches, durations_sec: of the dump.
        levels: level -> utterance -> its reference.
        speakers: of the utterances, if the dump says so.
        offsets: (method, level, rate in Hz) -> seconds by which its boundaries are moved.
        pauses: utterance -> (n, 2) seconds, by the alignments of the first level.
    """

    name: str
    batches: list
    durations_sec: dict[str, float]
    levels: dict[str, dict[str, Reference]]
    speakers: dict[str, str] | None
    offsets: dict[tuple, float]
    pauses: dict[str, np.ndarray]

    def pause_share(self, times: dict[str, np.ndarray]) -> float | None:
        """Share of boundaries inside pauses."""
        return share_within([times[utt] for utt in self.pauses], list(self.pauses.values()))


def run(args) -> None:
    """Write `SET.md`, `SET.json` and `SET_RATEhz.png`; print the table."""
    if not all(0 < t < math.inf for t in args.tolerances):
        raise ValueError(f"--tolerances are {args.tolerances} s, but must be positive and finite")
    bundle = Bundle.open(args.bundle)
    bundle.check_dump(args.dump)
    calibration = bundle.calibration()
    data = read_set(args, bundle.frame_rate_hz)
    methods = args.methods or [*calibration.methods, "uniform", "dedup"]
    rows, notes = [], []
    for method, rate_hz in progress(at_rates(methods, args.rates), data.name):
        config = calibration.config(method, rate_hz)
        try:  # The rate is matched on the first level's utterances.
            made = match_rate(data.batches, next(iter(data.levels.values())), config, calibration)
        except ValueError as error:
            aimed = "" if rate_hz is None else f" at {rate_hz:g} Hz"
            notes.append(f"{method}{aimed}: {error}")
            continue
        times = {utt: found + args.time_offset for utt, found in made.times.items()}
        names = dict(method=method, rate_hz=rate_hz, overall_hz=made.overall_hz)
        rows += _rows(args, data, data.levels, times, config.frame_rate_hz, names)
    if args.wav_scp:
        rows += score_flux(args, data)
    for aligner in args.aligners:
        rows += score_aligner(args, data, *aligner.split("=", 1))
    if not rows:
        raise ValueError("nothing could be scored: " + "; ".join(notes))
    write_report(args, data, rows, notes)


def read_set(args, frame_rate_hz: float) -> _Set:
    """The dump, and the references of what it was aligned with."""
    paths = dict(
        phones=(args.phones, args.phone_tier),
        syllables=(args.syllables, None),
        words=(args.words, args.word_tier),
    )
    batches, frames = read_batches(padded_batches(args.dump))
    durations_sec = {utt: count / frame_rate_hz for utt, count in frames.items()}
    levels, pauses = {}, {}
    for level, (path, tier) in paths.items():
        if path:
            alignments = read_checked(path, tier, durations_sec, args)
            pauses = pauses or {
                utt: pauses_of(rows, durations_sec[utt], **PAUSE)
                for utt, rows in alignments.items()
            }
            # A boundary as far from speech as the widest tolerance must be able to match.
            margin_sec = max(MARGIN_SEC, *args.tolerances)
            levels[level] = references_of(alignments, durations_sec, margin_sec)
    if not levels:
        raise ValueError(
            "no alignments are given; name --phones, --syllables or --words, or several"
        )
    speakers = Path(args.dump) / "utt2spk"
    return _Set(
        Path(args.dump).name,
        batches,
        durations_sec,
        levels,
        read_table(speakers) if speakers.exists() else None,
        read_offsets(args),
        pauses,
    )


def read_offsets(args) -> dict[tuple, float]:
    """Best offsets of another set by (method, level, rate in Hz); none if it is not given.

    Raises:
        ValueError: the file is not one of this command, is of the same set or of boundaries that
            had been moved, or --time_offset is given too.
    """
    if not args.offsets_of:
        return {}
    if args.time_offset:
        raise ValueError("give either --time_offset or --offsets_of, not both")
    try:
        result = json.loads(Path(args.offsets_of).read_text(encoding="utf-8"))
        rows = result["boundaries"]
        first = [row for row in rows if row["tolerance_sec"] == args.tolerances[0]]
        offsets = {
            (r["method"], r["level"], r["rate_hz"]): float(r["best_offset"][1]) for r in first
        }
        moved = result.get("time_offset") or any(row.get("moved_sec") is not None for row in rows)
        same = result["set"] == Path(args.dump).name
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(
            f"{args.offsets_of} is no SET.json of boundary_scores ({error}); score that set first"
        ) from error
    if moved or same:
        raise ValueError(
            f"{args.offsets_of} is of {'this set' if same else 'boundaries that had been moved'}; "
            "score another set, without --time_offset and --offsets_of"
        )
    if not offsets:
        raise ValueError(
            f"{args.offsets_of} has no scores at {args.tolerances[0]:g} s; give that set the same "
            "--tolerances"
        )
    return offsets


def read_checked(path: str, tier: str, durations_sec: dict[str, float], args):
    """Alignments that fit the set."""
    return check_alignments(
        read_alignments(path, tier if Path(path).is_dir() else None),
        durations_sec,
        max_missing_share=args.max_missing_share,
        min_cover=args.min_cover,
    )


def _rows(args, data: _Set, levels, times, frame_rate_hz: float, names: dict) -> list[ScoredMethod]:
    """Rows of one method at the levels, moved where there is an offset of it."""
    rows = []
    for level, references in levels.items():
        moved_sec = data.offsets.get((names["method"], level, names["rate_hz"]))
        moved = {utt: found + (moved_sec or 0.0) for utt, found in times.items()}
        options = dict(frame_rate_hz=frame_rate_hz, seed=args.seed, set_name=data.name)
        options |= dict(tolerances_sec=args.tolerances, speakers=data.speakers)
        options |= dict(moved_sec=moved_sec)
        if names["overall_hz"] is not None:  # those of the flux and of aligners are in speech alone
            options["pause_share"] = data.pause_share(moved)
        rows += score_method(references, moved, level=level, **options, **names)
    return rows


def score_flux(args, data: _Set) -> list[ScoredMethod]:
    """Rows of the spectral flux at each rate."""
    recordings = read_recordings(args.wav_scp)
    # The first level's, and those of utterances that only another one has.
    references = dict(ChainMap(*data.levels.values()))
    wanted = references.keys()
    lacking = sorted(wanted - recordings.keys())
    if lacking:
        raise ValueError(f"{args.wav_scp} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    flux = {
        utt: spectral_flux(recordings[utt].samples(SAMPLE_RATE))
        for utt in progress(sorted(wanted), FLUX)
    }
    rows = []
    for rate_hz in args.rates:
        times = {u: flux_boundaries(flux[u], ref, rate_hz) for u, ref in references.items()}
        names = dict(method=FLUX, rate_hz=rate_hz, overall_hz=None)
        rows += _rows(args, data, data.levels, times, 1 / HOP_SEC, names)
    return rows


def score_aligner(args, data: _Set, name: str, folder: str = "") -> list[ScoredMethod]:
    """Rows of another aligner's boundaries, on the utterances that both have aligned.

    Raises:
        ValueError: the folder has no alignments of a level that is scored.
    """
    rows, names = [], dict(method=name, rate_hz=None, overall_hz=None)
    for level, references in data.levels.items():
        path = Path(folder) / f"{level}.ctm"
        found = read_ctm(path) if path.exists() else {}
        both = {utt: reference for utt, reference in references.items() if utt in found}
        if both:
            times = {utt: boundary_times(found[utt]) for utt in both}
            rows += _rows(args, data, {level: both}, times, 1 / ALIGNER_STEP_SEC, names)
    if not rows:
        raise ValueError(
            f"--aligners {name}={folder}: the folder has no {', '.join(data.levels)} of this set; "
            "give NAME=FOLDER, a folder of force_align"
        )
    return rows


def write_report(args, data: _Set, rows: list[ScoredMethod], notes: list[str]) -> None:
    """Table, numbers and pictures."""
    output = Path(args.output)
    result = dict(
        set=data.name,
        time_offset=args.time_offset,
        utterances=len(data.durations_sec),
        levels={level: len(references) for level, references in data.levels.items()},
        pause_share=sum(np.diff(rows).sum() for rows in data.pauses.values())
        / sum(data.durations_sec[utt] for utt in data.pauses),
        boundaries=[row.as_json() for row in rows],
        left_out=notes,
    )
    text = write_result(output, data.name, result, boundary_parts)
    for rate_hz in args.rates:
        if any(row.rate_hz == rate_hz for row in rows):
            plot_boundary_scores(output / f"{data.name}_{rate_hz:g}hz.png", rows, rate_hz)
    print(text)


if __name__ == "__main__":
    main()
