"""Check that a dump's shards are all there and make one table of them."""

from espnet2.utils.types import str2bool

from espnet_entropy.bin.common import add_failure_argument, make_parser, user_errors
from espnet_entropy.data.dump import (
    write_arrays_table,
    write_espnet_layout,
    write_features_layout,
    write_units_table,
)
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.recordings import read_utterances
from espnet_entropy.data.shards import Entry, merge_shards, read_failed, times_path


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--output", required=True, help="dump/units/SET, dump/raw/SET, vectors/SET")
    parser.add_argument("--num_shards", type=int, default=1)
    parser.add_argument("--expect", required=True, help="wav.scp or units.scp of all utterances")
    parser.add_argument("--name", help="of a table of arrays of any other kind, such as mel")
    parser.add_argument("--data", help="folder with text and utt2spk, not for units alone")
    parser.add_argument(
        "--skip_empty_text",
        type=str2bool,
        default=False,
        help="true: leave out utterances without words, and list them in empty_texts",
    )
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Units become units.scp, units with entropies ESPnet's layout, vectors ESPnet's features."""
    failed = read_failed(args.output, args.num_shards, args.max_failed_utts)
    expected = [utt for utt in read_utterances(args.expect) if utt not in failed]
    table = merge_shards(args.output, args.num_shards, expected)
    write_table(f"{args.output}/failed_utts", failed)
    empty = empty_texts(args, table)
    table = {utt: entry for utt, entry in table.items() if utt not in empty}
    if args.name:
        write_arrays_table(args.output, table, args.name)
    elif len(next(iter(table.values())).shape) == 1:
        write_units_table(args.output, table)
    elif args.data is None:
        raise ValueError(f"{args.output} holds matrices; give --data with text and utt2spk")
    elif times_path(args.output, 1).exists():
        write_features_layout(args.output, table, args.data, args.num_shards)
    else:
        write_espnet_layout(args.output, table, args.data)
    left_out = f"; {len(failed)} could not be read: {args.output}/failed_utts" if failed else ""
    if empty:
        left_out += f"; {len(empty)} have no words: {args.output}/empty_texts"
    print(f"{args.output}: {len(table)} utterances from {args.num_shards} shards{left_out}")


def empty_texts(args, table: dict[str, Entry]) -> set[str]:
    """The utterances of `table` without words, which are written to `empty_texts`.

    Returns:
        An empty set unless --skip_empty_text is true.

    Raises:
        ValueError: no utterance has words.
    """
    if not args.skip_empty_text:
        return set()
    texts = read_table(f"{args.data}/text")
    empty = {utt for utt in table if texts.get(utt) == ""}
    if empty == table.keys():
        raise ValueError(f"{args.data}/text: no utterance has words; add the transcripts")
    write_table(f"{args.output}/empty_texts", dict.fromkeys(empty, "no words"))
    return empty


if __name__ == "__main__":
    main()
