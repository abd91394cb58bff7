"""Show a dump to an unmodified ESPnet recipe: its sets, with `org/` and `lm_train.txt`.

Tables are copied, because the recipe's stage 4 writes into them; arks stay where they are.
"""

from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.links import link_set


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw of the recipe that made the dump")
    parser.add_argument("--train_set", required=True, help="its name in the dump")
    parser.add_argument("--valid_set", required=True)
    parser.add_argument("--test_sets", nargs="*", default=[])
    parser.add_argument("--output", default="dump/raw", help="dump/raw of the stock recipe")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Copy the tables of each set."""
    dump, output = Path(args.dump), Path(args.output)
    if dump.resolve() == output.resolve():
        raise ValueError(f"--dump and --output are both {output}; link it into another recipe")
    for name in (args.train_set, args.valid_set):
        link_set(dump / name, output / "org" / name)
        link_set(dump / name, output / name)
    for name in args.test_sets:
        link_set(dump / name, output / name)
    texts = read_table(output / args.train_set / "text")
    write_table(output / "lm_train.txt", {utt: text for utt, text in texts.items() if text})
    print(f"{output}: {args.train_set}, {args.valid_set} {' '.join(args.test_sets)}".rstrip())


if __name__ == "__main__":
    main()
