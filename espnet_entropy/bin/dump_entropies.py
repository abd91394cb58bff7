"""Units to units and entropies, without touching sound again: one shard of `dump/raw/SET`."""

from espnet_entropy.bin.common import (
    add_shard_arguments,
    make_parser,
    print_shard,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.bundle import read_description
from espnet_entropy.bundle.dumping import dump_entropies
from espnet_entropy.data.running import Stopwatch


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--units_scp", required=True, help="dump/units/SET/units.scp")
    parser.add_argument("--codebook", required=True, help="folder written by learn_codebook")
    parser.add_argument("--unit_lm", required=True, help="checkpoint of the unit LM's training")
    parser.add_argument("--output", required=True, help="dump/raw/SET")
    add_shard_arguments(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        args.device = usable_device(args.device)
        stopwatch, options = Stopwatch(), {k: v for k, v in vars(args).items() if k != "config"}
        table = dump_entropies(**options)
        shift = read_description(args.codebook)["frame_shift_sec"]
        print_shard(stopwatch, args.shard, table, shift)


if __name__ == "__main__":
    main()
