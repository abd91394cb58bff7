"""Recordings to units, and to segments at a rate: as text, JSON, TextGrids or arks.

text: one line per recording, `name 12:3 7:1 | 88:2`, where 12:3 is unit 12 for 3 frames and a bar
begins a segment. json: one line per recording, with units, entropies and segments in seconds.
textgrid: one file per recording in the folder --output, for Praat. ark: Kaldi arks in the folder
--output: units.scp, (T, 2) units and entropies, and segment_lengths.scp.

With --output, the same command continues after an error or an interruption. Finished lines of text,
JSON and arks are kept in OUTPUT.partial. An existing TextGrid is kept if made_from.jsonl beside it
says that it was made with this bundle and these options from this recording, and refused otherwise.
"""

import sys

from espnet_entropy.bin.common import (
    add_failure_argument,
    add_recording_arguments,
    make_parser,
    usable_device,
    user_errors,
)
from espnet_entropy.data.recordings import named_recordings
from espnet_entropy.data.running import Failures, Stopwatch
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
    recordings = named_recordings(
        args.files, args.wav_scp, args.list, channel=args.channel, check=not args.max_failed_utts
    )
    # Seconds, which --help need not wait for.
    from espnet_entropy.bundle.bundle import identity
    from espnet_entropy.bundle.outputs import WRITERS, Counted
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
    stopwatch, made = Stopwatch(), Counted(segmentation)
    failures, settings = Failures(args.max_failed_utts, what=""), {}
    if args.output:
        names = ("segmenter", "on_change", "rate", "lead", "format")
        settings = identity(args.bundle) | {name: getattr(args, name) for name in names}
    WRITERS[args.format](args.output, recordings, settings, made, failures)
    rate = f", {made.segments / max(made.seconds, 1e-9):.2f} segments/s" if made.seconds else ""
    shift = 1 / segmentation.frame_rate_hz
    summary = stopwatch.summary("tokenize", made.recordings, made.frames, shift)
    left_out = len(failures.reasons)
    print(f"{summary}{rate}{f'; {left_out} left out' if left_out else ''}", file=sys.stderr)


if __name__ == "__main__":
    main()
