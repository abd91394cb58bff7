"""Align the known text of a set's recordings: phones.ctm and words.ctm.

PocketSphinx (English; words and phones), or a Whisper model of CTranslate2 (English; words) to
compare with. Utterances that cannot be aligned are left out and listed in `left_out`.
"""

import hashlib
import json
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import astuple
from multiprocessing import get_context
from pathlib import Path

from espnet_entropy.bin.common import (
    Stopwatch,
    add_channel_argument,
    make_parser,
    progress,
    user_errors,
)
from espnet_entropy.data.kaldi import atomic_text, read_table, write_table
from espnet_entropy.data.provenance import Provenance, Source, stale
from espnet_entropy.data.recordings import Recording, read_recordings
from espnet_entropy.evaluate.alignment import Alignments, Interval, read_ctm, write_ctm
from espnet_entropy.evaluate.force_align import (
    SAMPLE_RATE,
    compare_words,
    sphinx_aligner,
    whisper_aligner,
)

# Number of utterances in a part; an interrupted run makes its current part again.
PART_SIZE = 100

Row = tuple[Recording, str]  # a recording and its text


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="data folder with wav.scp, text, segments")
    add_channel_argument(parser)
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--whisper", help="folder of a Whisper model, in place of PocketSphinx")
    parser.add_argument("--compare_with", help="words.ctm of another aligner; says how they agree")
    parser.add_argument(
        "--max_left_out_share", type=float, default=0.2, help="of the utterances, else it fails"
    )
    parser.add_argument("--nj", type=int, default=1, help="processes")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Align part by part, skip finished parts, then write the tables."""
    if args.nj < 1:
        raise ValueError(f"--nj is {args.nj}: one process at least")
    rows = read_rows(Path(args.data), args.channel)
    output, stopwatch = Path(args.output), Stopwatch()
    parts = [rows[first : first + PART_SIZE] for first in range(0, len(rows), PART_SIZE)]
    files = [part_path(output, part, args.whisper) for part in parts]
    align_parts(parts, files, args)
    made = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    left_out = {utt: reason for part in made for utt, reason in part["left_out"].items()}
    if len(left_out) > args.max_left_out_share * len(rows) or len(left_out) == len(rows):
        raise ValueError(
            f"{len(left_out)} of {len(rows)} utterances could not be aligned, "
            f"{args.max_left_out_share:g} of them are tolerated (--max_left_out_share): "
            + ", ".join(f"{utt}: {reason}" for utt, reason in list(left_out.items())[:3])
        )
    for name in ("phones.ctm", "words.ctm", "agreement.json"):
        # From other recordings or another aligner, which may not make all of these files.
        (output / name).unlink(missing_ok=True)
    write_table(output / "left_out", left_out)
    for tier in ("phones", "words"):
        alignments = {u: [Interval(*i) for i in v] for part in made for u, v in part[tier].items()}
        if any(alignments.values()):
            write_ctm(output / f"{tier}.ctm", alignments)
    seconds = sum(part["seconds"] for part in made)
    print(
        f"{output}: {len(rows) - len(left_out)} utterances aligned, {len(left_out)} left out, "
        f"{seconds / 3600:.3f} h in {stopwatch.elapsed:.1f} s "
        f"({seconds / stopwatch.elapsed:.0f} x real time)"
    )
    if args.compare_with:
        compare(read_ctm(args.compare_with), read_ctm(output / "words.ctm"), output)


def read_rows(data: Path, channel: int | None) -> list[Row]:
    """Utterances with recording and text, in order.

    Raises:
        ValueError: there are no recordings, or one has no text.
    """
    recordings = read_recordings(data / "wav.scp", channel=channel)
    texts = read_table(data / "text")
    lacking = sorted(recordings.keys() - texts.keys())
    if lacking:
        raise ValueError(f"{data}/text lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    if not recordings:
        raise ValueError(f"{data}/wav.scp holds no recordings; make the data again")
    return [(recordings[utt], texts[utt]) for utt in sorted(recordings)]


def part_path(output: Path, rows: list[Row], whisper: str | None) -> Path:
    """Path of a part; its name depends on the recordings, the texts and the model."""
    key = json.dumps([[(astuple(recording), text) for recording, text in rows], whisper])
    return output / "parts" / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"


def align_parts(parts: list[list[Row]], files: list[Path], args) -> None:
    """Make the parts that are missing or were made from other files, in nj processes."""
    missing = [
        (rows, file)
        for rows, file in zip(parts, files, strict=True)
        if not file.exists() or stale(_record(file), {}, _sources(rows, args.whisper))
    ]
    if args.nj == 1 or len(missing) < 2:
        align = _aligner(args.whisper) if missing else None
        for rows, file in missing:
            align_part(rows, file, align, args.whisper, show=True)
        return
    # Spawned, because a forked process may hang if its parent has threads.
    with ProcessPoolExecutor(args.nj, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_part_job, rows, file, args.whisper) for rows, file in missing]
        for job in progress(as_completed(jobs), "parts", total=len(jobs)):
            job.result()


def _part_job(rows: list[Row], file: Path, whisper: str | None) -> None:
    align_part(rows, file, _aligner(whisper), whisper, show=False)


def _aligner(whisper: str | None):
    return whisper_aligner(whisper) if whisper else sphinx_aligner()


def _record(file: Path) -> Path:
    return file.with_suffix(".made_from")


def _sources(rows: list[Row], whisper: str | None) -> dict[str, Source]:
    """The files that a part depends on: its recordings and the model."""
    model = {"": Source(f"{whisper}/model.bin")} if whisper else {}
    return model | {recording.utterance: recording.origin for recording, _ in rows}


def align_part(rows: list[Row], file: Path, align, whisper: str | None, *, show: bool) -> None:
    """Align some utterances and write them as JSON, after the record of their input."""
    file.unlink(missing_ok=True)
    made_from = Provenance({})
    for name, source in _sources(rows, whisper).items():
        made_from.note(name, source)
    made_from.save(_record(file))
    made = dict(words={}, phones={}, left_out={}, seconds=0.0)
    for recording, text in progress(rows, "utterances") if show else rows:
        utt = recording.utterance
        try:
            waveform = recording.samples(SAMPLE_RATE)
            made["words"][utt], made["phones"][utt] = align(waveform, text)
        except ValueError as error:
            made["left_out"][utt] = " ".join(str(error).split())
            continue
        made["seconds"] += len(waveform) / SAMPLE_RATE
    with atomic_text(file) as stream:
        json.dump(made, stream)


def compare(first: Alignments, second: Alignments, output: Path) -> None:
    """Say how two aligners agree, and keep it in `agreement.json`."""
    made = compare_words(first, second)
    with atomic_text(output / "agreement.json") as file:
        json.dump(vars(made), file, indent=1)
    for edge in ("start", "end"):
        median, p90, bias, spread = (
            1000 * getattr(made, f"{edge}_{name}_sec")
            for name in ("median", "p90", "bias", "spread")
        )
        print(
            f"  {edge}s of {made.num_words} words: median difference {median:.0f} ms, "
            f"90th percentile {p90:.0f} ms, this aligner later by {bias:.0f} ms (median); "
            f"beside that {spread:.0f} ms (median)"
        )


if __name__ == "__main__":
    main()
