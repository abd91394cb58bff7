"""What is to be converted into whose voice: a table of pairs."""

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from espnet_entropy.data.kaldi import atomic_text, read_table


@dataclass(frozen=True)
class Pair:
    """One conversion.

    Attributes:
        name: of the result's file, without its ending; unique in a table.
        source: sound file of what is said.
        target: sound file of the voice.
        source_speaker, target_speaker: for tables.
        text: what is said, normalised as scoring needs it; empty where no judge knows the language.
    """

    name: str
    source: str
    target: str
    source_speaker: str
    target_speaker: str
    text: str


COLUMNS = tuple(field.name for field in fields(Pair))


def read_pairs(path: Path | str) -> list[Pair]:
    """A table of tab-separated columns under a line with their names.

    Raises:
        ValueError: it cannot be read, has other columns, no row, or a name that is no file name or
            occurs twice.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not rows or tuple(rows[0]) != COLUMNS:
        raise ValueError(f"{path}: the first line must name the columns {', '.join(COLUMNS)}")
    pairs, names = [], set()
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(COLUMNS):
            raise ValueError(f"{path}, line {number}: {len(row)} columns, not {len(COLUMNS)}")
        pair = Pair(*row)
        if not pair.name or "/" in pair.name or pair.name.startswith("."):
            raise ValueError(f"{path}, line {number}: {pair.name!r} is no name for a file")
        if pair.name in names:
            raise ValueError(f"{path}, line {number}: {pair.name} occurs a second time")
        names.add(pair.name)
        pairs.append(pair)
    if not pairs:
        raise ValueError(f"{path} has no pairs")
    return pairs


def failed_path(folder: Path | str, shard: int) -> Path:
    """Path of a shard's list of pairs that were left out, with the reasons."""
    return Path(folder) / f"failed.{shard}"


def without_failed(pairs: list[Pair], folders: Iterable[Path]) -> list[Pair]:
    """The pairs that were not left out in any of these folders of conversions."""
    failed = {
        name
        for folder in folders
        for path in folder.glob("failed.*")
        for name in read_table(path)
        # A later run may have made it.
        if not (folder / f"{name}.wav").exists()
    }
    return [pair for pair in pairs if pair.name not in failed]


def write_pairs(path: Path | str, pairs: list[Pair]) -> None:
    """What `read_pairs` reads."""
    with atomic_text(path) as file:
        for row in (COLUMNS, *map(astuple, pairs)):
            file.write("\t".join(row) + "\n")
