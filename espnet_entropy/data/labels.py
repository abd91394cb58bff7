"""Units in the label files of ESPnet, fairseq and textless-nlp."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import atomic_text, read_lines, read_table
from espnet_entropy.data.running import progress

FORMATS = ("espnet", "textless", "km")


def read_labels(path: str, form: str | None, names: str | None) -> dict[str, str]:
    """The units of each utterance, as they are written in a label file.

    Args:
        path: the label file.
        form: its format; None means espnet, and refuses files that look like another format.
        names: file with the utterance names of a km file.

    Raises:
        ValueError: a file cannot be read, the lines look like another format, an utterance has no
            name or occurs twice, or the numbers of names and lines differ.
    """
    if (form == "km") != (names is not None):
        raise ValueError("--format km and --names belong together: give both or neither")
    if form == "textless":
        return _unique((line.rpartition("|")[::2] for line in read_lines(path)), path)
    if form == "km":
        utts, lines = _read_names(names), list(read_lines(path))
        if len(utts) != len(lines):
            raise ValueError(
                f"{names} names {len(utts)} utterances, but {path} has {len(lines)} lines; give "
                "the names of the same set"
            )
        return _unique(zip(utts, lines, strict=True), names)
    if form is None:
        _refuse_other_formats(path)
    return read_table(path)


def _read_names(path: str) -> list[str]:
    """Utterances in the order of a km file: lines, or stems of the file names in a manifest."""
    lines = list(read_lines(path))
    if not path.endswith(".tsv"):
        return [line.strip() for line in lines]
    for number, line in enumerate(lines, 1):
        if not re.fullmatch(r"[^\t]+" if number == 1 else r"[^\t]+\t[0-9]+", line):
            raise ValueError(
                f"{path}, line {number}: {line!r}, but fairseq's manifest consists of the folder "
                "and lines `file<TAB>samples`; give a file of one name per line that does not end "
                "in .tsv"
            )
    return [Path(line.partition("\t")[0]).stem for line in lines[1:]]


def _unique(rows: Iterable[tuple[str, str]], path: str) -> dict[str, str]:
    table: dict[str, str] = {}
    for utt, units in rows:
        if len(utt.split()) != 1 or utt in table:
            raise ValueError(
                f"{path}: {utt!r} occurs twice or is not one word, but each utterance needs its "
                "own name without spaces"
            )
        table[utt] = units
    return table


def _refuse_other_formats(path: str) -> None:
    """Raise ValueError if the first unit of each line would be read as the utterance's name."""
    words = [line.split()[0] for line in read_lines(path) if line.strip()]
    piped = next((word for word in words if "|" in word), None)
    if piped is not None:
        raise ValueError(
            f"{path} has a line that begins with {piped!r}, as textless-nlp's do; read it with "
            "--format textless, or with --format espnet if this is the name of an utterance"
        )
    comma = next((word for word in words if "," in word), None)
    if comma is not None:
        raise ValueError(
            f"{path} has a line that begins with {comma!r}, as tables with commas do; write lines "
            "`utterance 12 12 7`, or add --format espnet if this is the name of an utterance"
        )
    if words and all(re.fullmatch("[0-9]+", word) for word in words):
        raise ValueError(
            f"{path} has only numbers as names of utterances, which may be units; read a .km file "
            "with --format km --names FILE, or use --format espnet if they are names"
        )


def parse_units(text: str, num_units: int, where: str) -> np.ndarray:
    """`12 12 7` -> int32 (T,); ValueError if there are none, or one is no number from 0 to K - 1.

    Args:
        text: the units.
        num_units: K.
        where: place of the text, for error messages.
    """
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


def write_labels(path: Path | str, units_scp: Path | str) -> int:
    """Write lines `utterance 12 12 7` of a table of units; returns the number of utterances."""
    count = 0
    with atomic_text(path) as file:
        for utt, units in progress(read_units(units_scp), "labels"):
            file.write(f"{utt} {' '.join(map(str, units.tolist()))}\n")
            count += 1
    return count
