"""Units from and to the label files of ESPnet, fairseq and textless-nlp.

espnet: lines `utterance 12 12 7`; ESPnet's recipes call such a file pseudo_labels_kmK.txt, and its
LM task reads it as text_int. textless: lines `utterance|12 12 7` of textless-nlp. km: lines
`12 12 7` of fairseq, with the names of the utterances in another file.
"""

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.dump import write_units_table
from espnet_entropy.data.labels import FORMATS, parse_units, read_labels, write_labels
from espnet_entropy.data.running import progress
from espnet_entropy.data.shards import write_shard


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("import", help="label file to dump/units/SET")
    take.add_argument("--labels", required=True, help="e.g. pseudo_labels_km500.txt")
    take.add_argument(
        "--format",
        choices=FORMATS,
        help="format of the label file (default: espnet; lines that look like another are refused)",
    )
    take.add_argument(
        "--names", help="utterances of a km file: one name per line, or fairseq's manifest (*.tsv)"
    )
    take.add_argument("--num_units", type=int, required=True, help="K, for the check of all ids")
    take.add_argument("--output", required=True, help="dump/units/SET to write")
    give = commands.add_parser("export", help="dump/units/SET to a label file")
    give.add_argument("--units_scp", required=True, help="dump/units/SET/units.scp")
    give.add_argument("--output", required=True, help="label file to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        {"import": import_labels, "export": export_labels}[args.command](args)


def import_labels(args) -> None:
    """`convert_labels import`."""
    table = read_labels(args.labels, args.format, args.names)
    if not table:
        raise ValueError(f"{args.labels} is empty: there are no labels in it")
    arrays = (
        (utt, parse_units(table[utt], args.num_units, f"{args.labels}, utt {utt}"))
        for utt in progress(sorted(table), "labels")
    )
    entries = write_shard(args.output, 1, arrays)
    write_units_table(args.output, entries)
    print(f"{len(entries)} utterances in {args.output}")


def export_labels(args) -> None:
    """`convert_labels export`."""
    print(f"{write_labels(args.output, args.units_scp)} utterances in {args.output}")


if __name__ == "__main__":
    main()
