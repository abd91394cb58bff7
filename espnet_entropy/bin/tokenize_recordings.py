"""Recordings to units, and to segments at a rate: as text, JSON, TextGrids or arks.

text: one line per recording, `name 12:3 7:1 | 88:2`, where 12:3 is unit 12 for 3 frames and a bar
begins a segment. json: one line per recording, with units, entropies and segments in seconds.
textgrid: one file per recording in the folder --output, for Praat. ark: Kaldi arks in the folder
--output: units.scp, (T, 2) units and entropies, and segment_lengths.scp.

With --output, the same command continues after an error or an interruption. Finished lines of text,
JSON and arks are kept in OUTPUT.partial. An existing TextGrid is kept if made_from.jsonl beside it
says that it was made with this bundle and these options from this recording, and refused otherwise.
"""

import json
import sys
from pathlib import Path

from espnet_entropy.bin.common import (
    Failures,
    Stopwatch,
    add_failure_argument,
    add_recording_arguments,
    make_parser,
    named_recordings,
    progress,
    usable_device,
    user_errors,
)
from espnet_entropy.segment import RECOMMENDED_SEGMENTER

FORMATS = ("text", "json", "textgrid", "ark")


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they have moved")
    parser.add_argument(
        "--segmenter", default=RECOMMENDED_SEGMENTER, help="global relative combined peaks dp ..."
    )
    parser.add_argument("--on_change", choices=("true", "false"), default="false")
    parser.add_argument("--rate", type=float, default=15.0, help="segments a second to aim at")
    parser.add_argument(
        "--lead", type=int, default=0, help="frames that a boundary comes before its unit"
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", help="file (text, json; standard output if left out) or folder")
    parser.add_argument("--device", default="cpu", help="torch device")
    add_failure_argument(parser)
    add_recording_arguments(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Tokenize all recordings; ValueError names the one that cannot be read."""
    if args.format in ("textgrid", "ark") and not args.output:
        raise ValueError(f"--format {args.format} needs --output, a folder")
    recordings = named_recordings(args)
    # Seconds, which --help need not wait for.
    from espnet_entropy.bundle.segmented import Segmentation

    segmentation = Segmentation.from_bundle(
        args.bundle,
        segmenter=args.segmenter,
        on_change=args.on_change == "true",
        rate_hz=args.rate,
        lead=args.lead,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
    )
    stopwatch, made = Stopwatch(), Made(segmentation, Failures(args.max_failed_utts, what=""))
    WRITERS[args.format](args, recordings, made)
    rate = f", {made.segments / max(made.seconds, 1e-9):.2f} segments/s" if made.seconds else ""
    shift = 1 / segmentation.frame_rate_hz
    summary = stopwatch.summary("tokenize", made.recordings, made.frames, shift)
    left_out = len(made.failures.reasons)
    print(f"{summary}{rate}{f'; {left_out} left out' if left_out else ''}", file=sys.stderr)


def settings_of(args) -> dict:
    """Settings and models that the results depend on."""
    from espnet_entropy.bundle.bundle import identity

    names = ("segmenter", "on_change", "rate", "lead", "format")
    return identity(args.bundle) | {name: getattr(args, name) for name in names}


class Made:
    """A segmentation that counts its results for the summary."""

    def __init__(self, segmentation, failures: Failures):
        self.segmentation, self.failures = segmentation, failures
        self.recordings = self.frames = self.segments = 0
        self.seconds = 0.0

    def __call__(self, recording):
        """`Segmented` of a `Recording`."""
        done = self.segmentation(recording)
        self.recordings += 1
        self.frames += len(done.units)
        self.segments += len(done.segments)
        self.seconds += done.duration_sec
        return done


def write_text(args, recordings, made: Made) -> None:
    """--format text."""
    from espnet_entropy.bundle.formats import text_line

    write_lines(args, recordings, made, text_line)


def write_json(args, recordings, made: Made) -> None:
    """--format json."""
    from espnet_entropy.bundle.formats import json_line

    write_lines(args, recordings, made, json_line)


def write_lines(args, recordings, made: Made, line_of) -> None:
    """Write one line per recording, atomically to a file or directly to standard output."""
    from espnet_entropy.bin import kept_lines

    def make(name: str, recording) -> str:
        return line_of(name, made(recording))

    settings = settings_of(args) if args.output else {}
    kept_lines.write_lines(args.output, recordings, settings, make, made.failures)


def write_textgrids(args, recordings, made: Made) -> None:
    """--format textgrid: one file per recording, named after it."""
    from espnet_entropy.bundle.formats import tiers_of
    from espnet_entropy.data.provenance import Journal, fingerprint
    from espnet_entropy.data.textgrid import write_textgrid

    folder = Path(args.output)
    targets = {name: folder / f"{Path(name).name}.TextGrid" for name in recordings}
    if len(set(targets.values())) < len(targets):
        raise ValueError("two recordings have one file name; give --wav_scp with names of your own")
    path = folder / "made_from.jsonl"
    if not any(folder.glob("*.TextGrid")):
        path.unlink(missing_ok=True)
    journal = Journal(path, settings_of(args))
    sources = {name: recording.origin for name, recording in recordings.items()}
    there = {name for name, target in targets.items() if target.exists()}
    for name in sorted(there):
        if not journal.has(name, sources[name]):
            raise ValueError(
                f"{targets[name]} exists, but {path} does not say that it was made from the "
                f"present {recordings[name].source}; remove it, or choose another --output"
            )
    if there:
        print(f"{len(there)} TextGrids exist already", file=sys.stderr)
    for name in progress([name for name in targets if name not in there], "recordings"):
        known = fingerprint(sources[name])
        try:
            done = made(recordings[name])
        except ValueError as error:
            made.failures.leave_out(name, error)
            continue
        # Before the TextGrid, so that one of a killed command has its record.
        journal.add(name, known)
        write_textgrid(targets[name], tiers_of(done), done.duration_sec)
    made.failures.write(folder / "failed_utts")


def write_arks(args, recordings, made: Made) -> None:
    """--format ark: units.scp and segment_lengths.scp."""
    import numpy as np

    from espnet_entropy.bin.kept_lines import kept_lines
    from espnet_entropy.data.kaldi import write_table
    from espnet_entropy.data.shards import write_shard

    spaced = [name for name in recordings if len(name.split()) != 1]
    if spaced:
        raise ValueError(f"{spaced[0]!r} has blanks, which names in arks cannot; give --wav_scp")
    folder, lengths = Path(args.output), {}

    def arrays(lines):
        for name, line in lines:
            columns = json.loads(line)
            lengths[name] = np.array(columns.pop("lengths"), np.int32)
            yield name, np.stack((columns["units"], columns["entropies"]), axis=1, dtype=np.float32)

    def make(_: str, recording) -> str:
        return exact_line(made(recording))

    settings = settings_of(args)
    with kept_lines(args.output, recordings, settings, make, made.failures) as lines:
        units = write_shard(folder, 1, arrays(lines))
        parts = write_shard(folder / "segment_lengths", 1, lengths.items())
        for name, table in (("segment_lengths.scp", parts), ("units.scp", units)):
            write_table(folder / name, {key: entry.where for key, entry in table.items()})
        made.failures.write(folder / "failed_utts")


def exact_line(done) -> str:
    """JSON with all digits of the entropies, from which arks are made."""
    lengths = [len(segment.units) for segment in done.segments]
    return json.dumps(
        dict(units=done.units.tolist(), entropies=done.entropies.tolist(), lengths=lengths)
    )


WRITERS = dict(zip(FORMATS, (write_text, write_json, write_textgrids, write_arks), strict=True))


if __name__ == "__main__":
    main()
