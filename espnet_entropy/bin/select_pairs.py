"""A dump's utterances that have a translation, as a folder for speech translation.

The folder is ESPnet's `dump/raw/SET` for `st.sh`: `wav.scp` names the dump's arks, the transcripts
are `text.lc.rm.SRC` and the translations `text.tc.TGT`. `left_out` says which utterances are not
there, and why.
"""

from collections import Counter
from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.links import TABLES, write_pairs_set
from espnet_entropy.data.pairs import select_pairs


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--dump", required=True, help="dump/raw/SET, with the transcripts in text")
    parser.add_argument("--data", required=True, help="folder with text.tc.TGT, the translations")
    parser.add_argument("--src_lang", required=True, help="language of the recordings, e.g. en")
    parser.add_argument("--tgt_lang", required=True, help="language of the translations, e.g. es")
    parser.add_argument("--output", required=True, help="folder to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Select the pairs and write the folder."""
    dump, output = Path(args.dump), Path(args.output)
    if dump.resolve() == output.resolve():
        raise ValueError(f"--dump and --output are both {dump}; name another output")
    tables = {name: read_table(dump / name) for name in TABLES}
    pairs = select_pairs(sorted(tables["wav.scp"]), read_translations(args), args.tgt_lang)
    reasons = Counter(reason.partition(":")[0] for reason in pairs.left_out.values())
    told = "".join(f", {count} {reason}" for reason, count in sorted(reasons.items()))
    if not pairs.kept:
        raise ValueError(
            f"{args.data}/text.tc.{args.tgt_lang}: none of the {len(tables['wav.scp'])} utterances "
            f"of {dump} has a translation{told.replace(',', ':', 1)}"
        )
    write_pairs_set(dump, output, pairs, tables, (args.src_lang, args.tgt_lang))
    print(f"{output}: {len(pairs.kept)} utterances with a translation{told}")


def read_translations(args) -> dict[str, str]:
    """`text.tc.TGT`; ValueError names the languages that there are instead."""
    path = Path(args.data) / f"text.tc.{args.tgt_lang}"
    if not path.exists():
        known = sorted(p.name.rpartition(".")[2] for p in path.parent.glob("text.tc.*"))
        raise ValueError(
            f"{path} is missing; {path.parent} has translations into: {' '.join(known) or 'none'}"
        )
    return read_table(path)


if __name__ == "__main__":
    main()
