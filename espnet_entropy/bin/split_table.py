"""Cut a table into the rows of each shard, so that each job only reads its own rows."""

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.shard_rows import write_rows


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--table", required=True, help="wav.scp (or segments beside it), units.scp")
    parser.add_argument("--output", required=True, help="dump/units/SET, dump/raw/SET, vectors/SET")
    parser.add_argument("--num_shards", type=int, default=1, help="into how many it is cut")
    return parser


@command(get_parser)
def main(args) -> None:
    count = write_rows(args.output, args.table, args.num_shards)
    print(f"{args.table}: {count} utterances in {args.num_shards} shards of {args.output}")


if __name__ == "__main__":
    main()
