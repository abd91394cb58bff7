"""Convert a table of pairs, or copy their sources for comparison: one shard.

Existing files are kept if they were made from the same recordings. A folder with files of another
model or of other settings is refused.
"""

from espnet_entropy.bin.common import add_failure_argument, make_parser, user_errors
from espnet_entropy.bin.vc_inference import (
    add_model_arguments,
    add_sampling_arguments,
    make_converter,
    sampling,
)
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.vc.convert_pairs import SYSTEMS, convert_pairs


def get_parser():
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    parser.add_argument("--pairs", required=True, help="table: name, source, target, ...")
    parser.add_argument(
        "--system",
        required=True,
        help="segments per second of the conversion; `source` for the recordings themselves, "
        "`copy` for spectrogram and vocoder without conversion",
    )
    parser.add_argument("--output", required=True, help="folder for NAME.wav")
    parser.add_argument("--num_shards", type=int, default=1, help="into how many the table is cut")
    parser.add_argument("--shard", type=int, default=1, help="which one to make, from 1")
    add_sampling_arguments(parser)
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Make the files that are not there yet."""
    if not 1 <= args.shard <= args.num_shards:
        raise ValueError(f"shard {args.shard} is not between 1 and {args.num_shards}")
    converter = make_converter(args, None if args.system in SYSTEMS else _rate(args.system))
    stopwatch = Stopwatch()
    pairs, made, left_out = convert_pairs(
        converter,
        args.pairs,
        args.system,
        args.output,
        shard=args.shard,
        num_shards=args.num_shards,
        max_failed=args.max_failed_utts,
        **sampling(args),
    )
    if made or left_out:
        print(f"shard {args.shard}: {made} files in {stopwatch.elapsed:.0f} s; {left_out} left out")
    else:
        print(f"shard {args.shard}: all {pairs} files exist already")


def _rate(system: str) -> float:
    try:
        return float(system)
    except ValueError:
        raise ValueError(
            f"--system {system!r} is neither a rate in Hz nor {' nor '.join(SYSTEMS)}"
        ) from None


if __name__ == "__main__":
    main()
