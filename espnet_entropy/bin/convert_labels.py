"""Units from and to the label files of ESPnet and fairseq: a line `utterance 12 12 7 ...` each.

ESPnet's recipes call them pseudo_labels_kmK.txt; its LM task reads them as text_int.
"""

import re
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import make_parser, progress, user_errors
from espnet_entropy.data import atomic_text, read_table
from espnet_entropy.dump import read_units, write_units_table
from espnet_entropy.shards import write_shard


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("import", help="label file to dump/units/SET")
    take.add_argument("--labels", required=True, help="e.g. pseudo_labels_km500.txt")
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
    table = read_table(args.labels)
    if not table:
        raise ValueError(f"{args.labels} is empty: there are no labels in it")
    arrays = (
        (utt, parse_units(table[utt], args.num_units, f"{args.labels}, utt {utt}"))
        for utt in progress(sorted(table), "labels")
    )
    entries = write_shard(args.output, 1, arrays)
    write_units_table(args.output, entries)
    print(f"{len(entries)} utterances in {args.output}")


def parse_units(text: str, num_units: int, where: str) -> np.ndarray:
    """`12 12 7` -> int32 (T,); ValueError unless there are some, all whole and below K."""
    words = text.split()
    try:
        # int() also takes 1_000 and the digits of other scripts.
        strange = [word for word in words if not re.fullmatch(r"-?[0-9]+", word)]
        if strange:
            raise ValueError(repr(strange[0]))
        units = np.array([int(word) for word in words], np.int32)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{where}: unit ids are whole numbers: {error}") from error
    if len(units) == 0:
        raise ValueError(f"{where}: there are no units; remove this line")
    if units.min() < 0 or units.max() >= num_units:
        raise ValueError(
            f"{where}: ids lie in [{units.min()}, {units.max()}], but --num_units is {num_units}"
        )
    return units


def export_labels(args) -> None:
    """`convert_labels export`."""
    count = 0
    with atomic_text(Path(args.output)) as file:
        for utt, units in progress(read_units(args.units_scp), "labels"):
            file.write(f"{utt} {' '.join(map(str, units.tolist()))}\n")
            count += 1
    print(f"{count} utterances in {args.output}")


if __name__ == "__main__":
    main()
