"""Recordings to units: one shard of `dump/units/SET`, from which the unit LM learns."""

from espnet_entropy.bin.common import (
    add_dump_arguments,
    make_parser,
    print_shard,
    shard_options,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.bundle.dumping import arrays_of, units_alone
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.data.shard_runs import make_recordings_shard
from espnet_entropy.data.shards import write_codebook_hash


def get_parser():
    parser = make_parser(__doc__)
    add_dump_arguments(parser, "dump/units/SET")
    parser.add_argument("--codebook", required=True, help="folder written by learn_codebook")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        tokenizer = UnitTokenizer.from_codebook(args.codebook, device=usable_device(args.device))
        settings = identity(args.codebook)
        write_codebook_hash(args.output, settings[FILES[0]])
        stopwatch, array_of = Stopwatch(), arrays_of(tokenizer, units_alone)
        table = make_recordings_shard(settings=settings, array_of=array_of, **shard_options(args))
        print_shard(stopwatch, args.shard, table, tokenizer.extractor.frame_shift_sec)


if __name__ == "__main__":
    main()
