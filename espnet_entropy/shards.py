"""Shards: what each one leaves on disk, and how they become one table again."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import kaldiio
import numpy as np

from espnet_entropy.data import atomic_text, read_matrix, read_table, write_table
from espnet_entropy.provenance import Provenance, Source, read_settings, stale

# The files of a dump that hold the sha256 of its codebook's and of its unit LM's file in a bundle.
CODEBOOK_HASH = "codebook_sha256"
UNIT_LM_HASH = "unit_lm_sha256"


class Entry(NamedTuple):
    """An array in an ark: `file.ark:offset`, and its shape, which nobody has to read it for."""

    where: str
    shape: tuple[int, ...]


def shard_paths(folder: Path | str, shard: int) -> tuple[Path, Path]:
    """(ark, scp) of a shard. The scp is written last: where it exists, the shard is whole."""
    stem = Path(folder) / "shards" / f"units.{shard}"
    return stem.with_name(stem.name + ".ark"), stem.with_name(stem.name + ".scp")


def made_from_path(folder: Path | str, shard: int) -> Path:
    """Where a shard's record of what it was made from is."""
    return Path(folder) / "shards" / f"made_from.{shard}"


def write_shard(
    folder: Path | str,
    shard: int,
    arrays: Iterable[tuple[str, np.ndarray]],
    made_from: Provenance | None = None,
) -> dict[str, Entry]:
    """Write a shard's ark, the shapes of its arrays, its record, then its scp.

    Tables of the whole set that point into a former ark of this shard are removed: they are wrong
    until the shards are merged again.

    Args:
        folder: the dump's folder.
        shard: number from 1.
        arrays: (utterance, array) pairs: int32 (T,) units, float32 (T, 2) units and entropies,
            or float32 (S, D) vectors.
        made_from: settings, and the inputs that `arrays` has noted; without it the shard is never
            taken for whole.

    Returns:
        Where each array is.
    """
    ark, scp = shard_paths(folder, shard)
    ark.parent.mkdir(parents=True, exist_ok=True)
    # What stands at the final place belongs to an earlier, unfinished attempt.
    scp.unlink(missing_ok=True)
    made_from_path(folder, shard).unlink(missing_ok=True)
    temporary = ark.with_name(f".{ark.name}.{os.getpid()}.tmp")
    table: dict[str, Entry] = {}
    try:
        with open(temporary, "wb") as file:
            for utt, array in arrays:
                # Kaldi's entries point behind the key and its space.
                offset = file.tell() + len(utt.encode()) + 1
                kaldiio.save_ark(file, {utt: array})
                table[utt] = Entry(f"{ark}:{offset}", array.shape)
            file.flush()
            os.fsync(file.fileno())
        _remove_tables(Path(folder), ark)
        os.replace(temporary, ark)
    finally:
        temporary.unlink(missing_ok=True)
    shapes = {utt: ",".join(map(str, entry.shape)) for utt, entry in table.items()}
    write_table(scp.with_suffix(".shape"), shapes)
    if made_from is not None:
        made_from.save(made_from_path(folder, shard))
    write_table(scp, {utt: entry.where for utt, entry in table.items()})
    return table


def _remove_tables(folder: Path, ark: Path) -> None:
    """Remove merged tables of an ark that is about to be replaced, and no other scp files."""
    if not ark.exists():
        return
    for table in folder.glob("*.scp"):
        try:
            if f" {ark}:" in table.read_text(encoding="utf-8", errors="replace"):
                table.unlink()
        except FileNotFoundError:  # another shard's job was faster
            pass


def _offset(where: str) -> int:
    return int(where.rpartition(":")[2])


def _read_shard(folder: Path | str, shard: int) -> dict[str, Entry]:
    """What `write_shard` has returned.

    Raises:
        ValueError: the shard is missing, or its files do not belong together.
    """
    _, scp = shard_paths(folder, shard)
    if not scp.exists():
        raise ValueError(f"{scp} is missing; run the stage that writes this shard again")
    for path in (scp, scp.with_suffix(".shape")):
        # An offset that lost its last digit would be another one.
        if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            raise ValueError(f"{path} is cut off; run the stage that writes this shard again")
    places, shapes = read_table(scp), read_table(scp.with_suffix(".shape"))
    try:
        table = {
            utt: Entry(where, tuple(int(size) for size in shapes[utt].split(",")))
            for utt, where in places.items()
        }
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{scp.with_suffix('.shape')} does not fit {scp}: {error}; remove "
            f"{scp.parent} and dump again"
        ) from error
    if table:
        # Where an ark was cut off after it had been written, its end is lost.
        read_matrix(max((entry.where for entry in table.values()), key=_offset))
    return table


def is_whole(folder: Path | str, shard: int, settings: dict, sources: dict[str, Source]) -> bool:
    """Whether a shard has been made with these settings from these inputs.

    Prints why a shard that is there has to be made again.

    Args:
        folder: the dump's folder.
        shard: number from 1.
        settings: what the arrays depend on besides their inputs.
        sources: the inputs of the shard by utterance.
    """
    if not shard_paths(folder, shard)[1].exists():
        return False
    try:
        _read_shard(folder, shard)
        reason = stale(made_from_path(folder, shard), settings, sources)
    except ValueError as error:
        reason = error
    if reason is not None:
        print(f"shard {shard} of {folder} is made again: {reason}")
        return False
    print(f"shard {shard} of {folder} is there already")
    return True


def failed_path(folder: Path | str, shard: int) -> Path:
    """Where a shard lists the utterances that could not be dumped, and why."""
    return Path(folder) / "shards" / f"failed.{shard}"


def read_failed(folder: Path | str, num_shards: int, most: int) -> dict[str, str]:
    """Utterances that could not be dumped, of all shards, with the reasons.

    Raises:
        ValueError: there are more than `most`.
    """
    failed = {}
    for shard in range(1, num_shards + 1):
        path = failed_path(folder, shard)
        failed |= read_table(path) if path.exists() else {}
    if len(failed) > most:
        utt, reason = next(iter(failed.items()))
        raise ValueError(
            f"{folder}: {len(failed)} utterances could not be dumped, {most} are tolerated "
            f"(--max_failed_utts): {utt}: {reason}"
        )
    return failed


def merge_shards(folder: Path | str, num_shards: int, expected: Iterable[str]) -> dict[str, Entry]:
    """One table of all shards, without reading what is in their arks.

    Raises:
        ValueError: a shard is missing or cut off, shards were made with different settings, their
            utterances are not the expected ones, or there are none at all.
    """
    if num_shards < 1:
        raise ValueError(f"--num_shards is {num_shards}: a dump has at least one; give its number")
    table: dict[str, Entry] = {}
    for shard in range(1, num_shards + 1):
        entries = _read_shard(folder, shard)
        twice = sorted(entries.keys() & table.keys())
        if twice:
            raise ValueError(
                f"{shard_paths(folder, shard)[1]}: {twice[0]} stands in an earlier shard too; the "
                f"number of shards changed: remove {Path(folder) / 'shards'} and dump again"
            )
        table |= entries
    _check_same_settings(folder, num_shards)
    expected = set(expected)
    missing, surplus = sorted(expected - table.keys()), sorted(table.keys() - expected)
    if missing or surplus:
        raise ValueError(
            f"{folder}: {len(missing)} utterances are missing ({', '.join(missing[:3])}) and "
            f"{len(surplus)} are not in the data ({', '.join(surplus[:3])}); the data changed "
            f"since the shards were made: remove {Path(folder) / 'shards'} and dump again"
        )
    if not table:
        raise ValueError(f"{folder} has no utterances; is its data folder empty? Make it again")
    return table


def _check_same_settings(folder: Path | str, num_shards: int) -> None:
    paths = [made_from_path(folder, shard) for shard in range(1, num_shards + 1)]
    first, *others = [read_settings(path) for path in paths]
    for shard, settings in enumerate(others, 2):
        if settings != first:
            raise ValueError(
                f"{folder}: shards 1 and {shard} were made with different settings; run the "
                "command that writes the shards again for each of them"
            )


def times_path(folder: Path | str, shard: int) -> Path:
    """Where a shard of vectors has its segment times; shards of a dump have none."""
    return Path(folder) / "shards" / f"segment_times.{shard}"


def write_codebook_hash(folder: Path | str, sha256: str) -> None:
    """Say in a dump's folder which codebook its units are of.

    Raises:
        ValueError: the folder holds units of another one.
    """
    _write_hash(folder, CODEBOOK_HASH, sha256, "units of another codebook")


def read_codebook_hash(folder: Path | str) -> str | None:
    """What `write_codebook_hash` has written; None where a dump does not say."""
    return _read_hash(folder, CODEBOOK_HASH)


def write_unit_lm_hash(folder: Path | str, sha256: str) -> None:
    """Say in a dump's folder which unit LM its entropies are of.

    Args:
        folder: `dump/raw/SET`.
        sha256: of the file that the unit LM has in a bundle.

    Raises:
        ValueError: the folder holds entropies of another one.
    """
    _write_hash(folder, UNIT_LM_HASH, sha256, "entropies of another unit LM")


def read_unit_lm_hash(folder: Path | str) -> str | None:
    """What `write_unit_lm_hash` has written; None where a dump does not say."""
    return _read_hash(folder, UNIT_LM_HASH)


def copy_hashes(source: Path | str, target: Path | str) -> None:
    """Say in a linked dump what the dump it shows says; nothing where that says nothing.

    Raises:
        ValueError: the target holds units or entropies of another codebook or unit LM.
    """
    writers = {CODEBOOK_HASH: write_codebook_hash, UNIT_LM_HASH: write_unit_lm_hash}
    for name, write in writers.items():
        sha256 = _read_hash(source, name)
        if sha256 is None:
            (Path(target) / name).unlink(missing_ok=True)
        else:
            write(target, sha256)


def _write_hash(folder: Path | str, name: str, sha256: str, what: str) -> None:
    if _read_hash(folder, name) not in (None, sha256):
        raise ValueError(f"{folder} holds {what}; choose another --output, or remove it")
    with atomic_text(Path(folder) / name) as file:
        file.write(sha256 + "\n")


def _read_hash(folder: Path | str, name: str) -> str | None:
    path = Path(folder) / name
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
