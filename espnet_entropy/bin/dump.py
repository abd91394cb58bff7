"""Recordings to units and entropies in one pass: one shard of `dump/raw/SET`."""

from espnet_entropy.bin.common import (
    add_dump_arguments,
    make_parser,
    print_shard,
    shard_options,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.bundle.dumping import arrays_of, units_and_entropies
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.reuse import DumpedBefore
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shard_runs import make_recordings_shard
from espnet_entropy.data.shards import write_codebook_hash, write_unit_lm_hash


def get_parser():
    parser = make_parser(__doc__)
    add_dump_arguments(parser, "dump/raw/SET")
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they were moved")
    parser.add_argument(
        "--reuse",
        help="dump folder of the units1 recipe that made the bundle: its units and entropies of "
        "the same recordings are copied",
    )
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        tokenizer = UnitTokenizer.from_bundle(
            args.bundle, device=usable_device(args.device), extractor_path=args.extractor_path
        )
        # Without the calibration, on which a dump does not depend.
        settings = {k: v for k, v in identity(args.bundle).items() if k != FILES[2]}
        write_codebook_hash(args.output, settings[FILES[0]])
        write_unit_lm_hash(args.output, settings[FILES[1]])
        unit_settings = {k: v for k, v in settings.items() if k != FILES[1]}
        rows = read_rows(args.output, args.wav_scp, args.shard, args.num_shards)
        before = DumpedBefore(args.reuse, args.output, unit_settings, settings, set(rows))
        stopwatch = Stopwatch()
        array_of = before.or_else(arrays_of(tokenizer, units_and_entropies))
        table = make_recordings_shard(settings=settings, array_of=array_of, **shard_options(args))
        if before.copied:
            print(f"shard {args.shard}: {before.copied} utterances copied from {args.reuse}")
        print_shard(stopwatch, args.shard, table, tokenizer.extractor.frame_shift_sec)


if __name__ == "__main__":
    main()
