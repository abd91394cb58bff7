"""Sets of a dump for other folders: linked as they are, or with translations."""

import shutil
from pathlib import Path

from espnet_entropy.data.kaldi import atomic_text, read_table, write_table
from espnet_entropy.data.pairs import Pairs
from espnet_entropy.data.shards import CODEBOOK_HASH, UNIT_LM_HASH, copy_hashes

# Files of `dump/raw/SET` with one line per utterance, and its other files.
TABLES = ("text", "utt2spk", "utt2num_samples", "wav.scp")
SETTINGS = ("feats_type", "audio_format")


def link_set(source: Path, target: Path) -> None:
    """Copy the tables of one set, with absolute paths of arks.

    Raises:
        ValueError: a table is missing, an ark is not where `wav.scp` says, both folders are the
            same, or the target holds a dump of another codebook or unit LM.
    """
    if source.resolve() == target.resolve():
        raise ValueError(f"{target} is a link to {source}, whose tables would be lost; remove it")
    lacking = [name for name in (*TABLES, *SETTINGS, "spk2utt") if not (source / name).is_file()]
    if lacking:
        raise ValueError(f"{source} lacks {', '.join(lacking)}; make this dump again")
    copy_hashes(source, target)
    (target / "wav.scp").unlink(missing_ok=True)
    texts = [path.name for path in source.glob("text*")]
    for name in sorted({*TABLES[:-1], "spk2utt", *texts}):
        write_table(target / name, read_table(source / name))
    for name in SETTINGS:
        with atomic_text(target / name) as file:
            file.write((source / name).read_text())
    entries = read_table(source / "wav.scp")
    write_table(
        target / "wav.scp",
        {utt: _absolute_entry(source, utt, entry) for utt, entry in entries.items()},
    )


def _absolute_entry(source: Path, utt: str, entry: str) -> str:
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


def write_pairs_set(
    dump: Path,
    output: Path,
    pairs: Pairs,
    tables: dict[str, dict[str, str]],
    langs: tuple[str, str],
) -> None:
    """Write the utterances of a set that have a translation, as `dump/raw/SET` of `st.sh`.

    Args:
        dump: the set.
        output: folder to write; `wav.scp` is written last.
        pairs: the translations, and what is left out.
        tables: TABLES of the set, by name.
        langs: languages of the recordings and of the translations.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / "wav.scp").unlink(missing_ok=True)
    write_table(output / "left_out", pairs.left_out)
    for name in (*SETTINGS, CODEBOOK_HASH, UNIT_LM_HASH):
        if (dump / name).exists():
            shutil.copyfile(dump / name, output / name)
    write_table(output / f"text.tc.{langs[1]}", pairs.kept)
    speakers: dict[str, list[str]] = {}
    for utt in sorted(pairs.kept):
        speakers.setdefault(tables["utt2spk"][utt], []).append(utt)
    write_table(output / "spk2utt", {name: " ".join(utts) for name, utts in speakers.items()})
    for name in TABLES:
        target = f"text.lc.rm.{langs[0]}" if name == "text" else name
        write_table(output / target, {utt: tables[name][utt] for utt in pairs.kept})
