"""Show a dump to an unmodified ESPnet recipe: its sets, with `org/` and `lm_train.txt`.

Tables are copied, because the recipe's stage 4 writes into them; arks stay where they are.
"""

from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import atomic_text, read_table, write_table
from espnet_entropy.data.shards import copy_hashes

NEEDED = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2num_samples")
SETTINGS = ("feats_type", "audio_format")


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


def link_set(source: Path, target: Path) -> None:
    """One set: its tables copied, with absolute paths of arks.

    Raises:
        ValueError: a table is missing, an ark is not where `wav.scp` says, both folders are the
            same, or the target holds a dump of another codebook or unit LM.
    """
    if source.resolve() == target.resolve():
        raise ValueError(f"{target} is a link to {source}, whose tables would be lost; remove it")
    lacking = [name for name in (*NEEDED, *SETTINGS) if not (source / name).is_file()]
    if lacking:
        raise ValueError(f"{source} lacks {', '.join(lacking)}; make this dump again")
    copy_hashes(source, target)
    (target / "wav.scp").unlink(missing_ok=True)
    texts = [path.name for path in source.glob("text*")]
    for name in sorted({*NEEDED[1:], *texts}):
        write_table(target / name, read_table(source / name))
    for name in SETTINGS:
        with atomic_text(target / name) as file:
            file.write((source / name).read_text())
    entries = read_table(source / "wav.scp")
    write_table(
        target / "wav.scp",
        {utt: absolute_entry(source, utt, entry) for utt, entry in entries.items()},
    )


def absolute_entry(source: Path, utt: str, entry: str) -> str:
    """`/folder/file.ark:offset` of an entry relative to the recipe that made `source`."""
    path, _, offset = entry.rpartition(":")
    # dump/raw/SET lies three folders below its recipe.
    for folder in (source.resolve().parents[2], Path.cwd()):
        if (folder / path).is_file():
            return f"{folder / path}:{offset}"
    raise ValueError(
        f"{source}/wav.scp, utt {utt}: no file {path} in {source.resolve().parents[2]} or "
        f"{Path.cwd()}; run from the folder of the recipe that made the dump, or make it again"
    )


if __name__ == "__main__":
    main()
