"""Recordings to units, and to segments at a rate: as text, JSON, TextGrids or arks.

text: a line a recording, `name 12:3 7:1 | 88:2`, where 12:3 is unit 12 for 3 frames and a bar
begins a segment. json: a line a recording, with units, entropies and segments in seconds. textgrid:
a file a recording in the folder --output, for Praat; those that are there are not made again. ark:
Kaldi arks in the folder --output: units.scp, (T, 2) units and entropies, and segment_lengths.scp.
"""

import json
import sys
from pathlib import Path

from espnet_entropy.bin.common import (
    Stopwatch,
    add_recording_arguments,
    make_parser,
    named_recordings,
    progress,
    usable_device,
    user_errors,
)

FORMATS = ("text", "json", "textgrid", "ark")


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they have moved")
    parser.add_argument("--segmenter", default="dp", help="global relative combined peaks dp ...")
    parser.add_argument("--on_change", choices=("true", "false"), default="false")
    parser.add_argument("--rate", type=float, default=15.0, help="segments a second to aim at")
    parser.add_argument(
        "--lead", type=int, default=0, help="frames that a boundary comes before its unit"
    )
    parser.add_argument("--format", choices=FORMATS, default="text")
    parser.add_argument("--output", help="file (text, json; standard output if left out) or folder")
    parser.add_argument("--device", default="cpu", help="torch device")
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
    from espnet_entropy.segmented import Segmentation

    segmentation = Segmentation.from_bundle(
        args.bundle,
        segmenter=args.segmenter,
        on_change=args.on_change == "true",
        rate_hz=args.rate,
        lead=args.lead,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
    )
    stopwatch = Stopwatch()
    made = WRITERS[args.format](args, recordings, segmentation)
    rate = f", {made.segments / max(made.seconds, 1e-9):.2f} segments/s" if made.seconds else ""
    shift = 1 / segmentation.frame_rate_hz
    summary = stopwatch.summary("tokenize", made.recordings, made.frames, shift)
    print(f"{summary}{rate}", file=sys.stderr)


class Made:
    """What was done, for the summary."""

    def __init__(self):
        self.recordings = self.frames = self.segments = 0
        self.seconds = 0.0


def each(recordings: dict, segmentation, made: Made):
    """(name, Segmented) of all recordings, counted; errors name theirs."""
    for name, recording in progress(recordings.items(), "tokenize", total=len(recordings)):
        try:
            done = segmentation(recording)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        made.recordings += 1
        made.frames += len(done.units)
        made.segments += len(done.segments)
        made.seconds += done.duration_sec
        yield name, done


def write_lines(args, recordings, segmentation, line_of) -> Made:
    """A line a recording, to a file that appears when whole or to standard output."""
    from espnet_entropy.data import atomic_text

    made = Made()
    lines = (line_of(name, done) + "\n" for name, done in each(recordings, segmentation, made))
    if args.output:
        with atomic_text(args.output) as file:
            file.writelines(lines)
    else:
        for line in lines:
            print(line, end="", flush=True)
    return made


def write_text(args, recordings, segmentation) -> Made:
    """--format text."""
    return write_lines(args, recordings, segmentation, text_line)


def text_line(name: str, done) -> str:
    """`name 12:3 7:1 | 88:2`."""
    from espnet_entropy.timing import runs_of

    segments = (
        " ".join(f"{unit}:{frames}" for unit, frames in runs_of(segment.units))
        for segment in done.segments
    )
    return f"{name} {' | '.join(segments)}"


def write_json(args, recordings, segmentation) -> Made:
    """--format json."""
    return write_lines(args, recordings, segmentation, json_line)


def json_line(name: str, done) -> str:
    """One JSON object."""
    return json.dumps(
        dict(
            name=name,
            duration_sec=round(done.duration_sec, 4),
            frame_rate_hz=done.frame_rate_hz,
            rate_hz=round(done.rate_hz, 3),
            units=done.units.tolist(),
            entropies=[round(value, 4) for value in done.entropies.tolist()],
            segments=[
                dict(
                    start_sec=round(segment.start_sec, 4),
                    end_sec=round(segment.end_sec, 4),
                    units=segment.units,
                )
                for segment in done.segments
            ],
        ),
        ensure_ascii=False,
    )


def write_textgrids(args, recordings, segmentation) -> Made:
    """--format textgrid: one file a recording, named after it."""
    from espnet_entropy.textgrid import write_textgrid

    targets = {name: Path(args.output) / f"{Path(name).name}.TextGrid" for name in recordings}
    if len(set(targets.values())) < len(targets):
        raise ValueError("two recordings have one file name; give --wav_scp with names of your own")
    missing = {name: made for name, made in recordings.items() if not targets[name].exists()}
    if len(missing) < len(recordings):
        print(
            f"{len(recordings) - len(missing)} are there already; remove them to make them anew",
            file=sys.stderr,
        )
    made = Made()
    for name, done in each(missing, segmentation, made):
        write_textgrid(targets[name], tiers_of(done), done.duration_sec)
    return made


def tiers_of(done) -> dict[str, list[tuple[float, float, str]]]:
    """`segments` and `units`, the latter without repetitions."""
    from espnet_entropy.timing import runs_of

    units, start = [], 0
    for unit, frames in runs_of(done.units.tolist()):
        end = start + frames
        units.append((start / done.frame_rate_hz, end / done.frame_rate_hz, str(unit)))
        start = end
    segments = [(s.start_sec, s.end_sec, " ".join(map(str, s.units))) for s in done.segments]
    return {"segments": segments, "units": units}


def write_arks(args, recordings, segmentation) -> Made:
    """--format ark: units.scp and segment_lengths.scp."""
    import numpy as np

    from espnet_entropy.data import write_table
    from espnet_entropy.shards import write_shard

    spaced = [name for name in recordings if len(name.split()) != 1]
    if spaced:
        raise ValueError(f"{spaced[0]!r} has blanks, which names in arks cannot; give --wav_scp")
    made, folder, lengths = Made(), Path(args.output), {}

    def arrays():
        for name, done in each(recordings, segmentation, made):
            lengths[name] = np.array([len(s.units) for s in done.segments], np.int32)
            yield name, np.stack((done.units, done.entropies), axis=1).astype(np.float32)

    units = write_shard(folder, 1, arrays())
    parts = write_shard(folder / "segment_lengths", 1, lengths.items())
    for name, table in (("segment_lengths.scp", parts), ("units.scp", units)):
        write_table(folder / name, {key: entry.where for key, entry in table.items()})
    return made


WRITERS = dict(zip(FORMATS, (write_text, write_json, write_textgrids, write_arks), strict=True))


if __name__ == "__main__":
    main()
