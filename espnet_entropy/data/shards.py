"""The files of shards, and how shards are merged into one table."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import kaldiio
import numpy as np

from espnet_entropy.data.kaldi import atomic_text, read_matrix, read_table, write_table
from espnet_entropy.data.provenance import Provenance, Source, read_settings, stale

# Files of a dump with the sha256 of its codebook and of its unit LM, as files of a bundle.
CODEBOOK_HASH = "codebook_sha256"
UNIT_LM_HASH = "unit_lm_sha256"


class Entry(NamedTuple):
    """An array in an ark: its place `file.ark:offset`, and its shape."""

    where: str
    shape: tuple[int, ...]


def shard_paths(folder: Path | str, shard: int) -> tuple[Path, Path]:
    """(ark, scp) of a shard. The scp is written last: where it exists, the shard is whole."""
    stem = Path(folder) / "shards" / f"units.{shard}"
    return stem.with_name(stem.name + ".ark"), stem.with_name(stem.name + ".scp")


def made_from_path(folder: Path | str, shard: int) -> Path:
    """Path of a shard's record of what it was made from."""
    return Path(folder) / "shards" / f"made_from.{shard}"


def write_shard(
    folder: Path | str,
    shard: int,
    arrays: Iterable[tuple[str, np.ndarray]],
    made_from: Provenance | None = None,
) -> dict[str, Entry]:
    """Write a shard's ark, the shapes of its arrays, its record, then its scp.

    Tables of the whole set that point into the former ark of this shard are removed, since they
    are wrong until the shards are merged again.

    Args:
        folder: the dump's folder.
        shard: number from 1.
        arrays: (utterance, array) pairs: int32 (T,) units, float32 (T, 2) units and entropies,
            or float32 (S, D) vectors.
        made_from: settings, and the inputs, which `arrays` notes in it; without this record,
            `is_whole` is never true for the shard.

    Returns:
        Where each array is.
    """
    ark, scp = shard_paths(folder, shard)
    ark.parent.mkdir(parents=True, exist_ok=True)
    # Existing files belong to an earlier shard.
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
    """Remove merged tables that point into an ark that will be replaced, and no other tables."""
    if not ark.exists():
        return
    for table in folder.glob("*.scp"):
        try:
            if f" {ark}:" in table.read_text(encoding="utf-8", errors="replace"):
                table.unlink()
        except FileNotFoundError:  # the job of another shard has removed it
            pass


def _offset(where: str) -> int:
    return int(where.rpartition(":")[2])


def _read_shard(folder: Path | str, shard: int) -> dict[str, Entry]:
    """Read the table that `write_shard` returned.

    Raises:
        ValueError: the shard is missing, or its files do not fit each other.
    """
    _, scp = shard_paths(folder, shard)
    if not scp.exists():
        raise ValueError(f"{scp} is missing; run the stage that writes this shard again")
    for path in (scp, scp.with_suffix(".shape")):
        # An offset without its last digit would be a wrong offset.
        if path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            raise ValueError(f"{path} is truncated; run the stage that writes this shard again")
    places, shapes = read_table(scp), read_table(scp.with_suffix(".shape"))
    try:
        if len(shapes) != len(places):
            raise ValueError(f"{len(shapes)} shapes for {len(places)} arrays")
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
        # Reads the last array, since the end is lost if the ark was truncated later.
        read_matrix(max((entry.where for entry in table.values()), key=_offset))
    return table


def is_whole(folder: Path | str, shard: int, settings: dict, sources: dict[str, Source]) -> bool:
    """Whether a shard exists and was made with these settings from these inputs.

    Prints why an existing shard has to be made again.

    Args:
        folder: the dump's folder.
        shard: number from 1.
        settings: settings and models that the arrays depend on.
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
    print(f"shard {shard} of {folder} is complete")
    return True


def failed_path(folder: Path | str, shard: int) -> Path:
    """Path of a shard's list of utterances that could not be dumped, with the reasons."""
    return Path(folder) / "shards" / f"failed.{shard}"


def read_failed(folder: Path | str, num_shards: int, most: int) -> dict[str, str]:
    """The utterances of all shards that could not be dumped, with the reasons.

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
            f"{folder}: {len(failed)} utterances could not be dumped, but --max_failed_utts allows "
            f"{most}: {utt}: {reason}"
        )
    return failed


def merge_shards(folder: Path | str, num_shards: int, expected: Iterable[str]) -> dict[str, Entry]:
    """One table of all shards; of each ark, only the last array is read.

    Raises:
        ValueError: a shard is missing or truncated, shards were made with different settings, their
            utterances are not the expected ones, or there are no utterances.
    """
    if num_shards < 1:
        raise ValueError(f"--num_shards is {num_shards}, but a dump has at least one shard")
    table: dict[str, Entry] = {}
    for shard in range(1, num_shards + 1):
        entries = _read_shard(folder, shard)
        twice = sorted(entries.keys() & table.keys())
        if twice:
            raise ValueError(
                f"{shard_paths(folder, shard)[1]}: {twice[0]} is in an earlier shard too, so the "
                f"number of shards has changed; remove {Path(folder) / 'shards'} and dump again"
            )
        table |= entries
    _check_same_settings(folder, num_shards)
    expected = set(expected)
    missing, surplus = sorted(expected - table.keys()), sorted(table.keys() - expected)
    if missing or surplus:
        raise ValueError(
            f"{folder}: {len(missing)} utterances are missing ({', '.join(missing[:3])}) and "
            f"{len(surplus)} are not in the data ({', '.join(surplus[:3])}); the data have changed "
            f"since the shards were made, so remove {Path(folder) / 'shards'} and dump again"
        )
    if not table:
        raise ValueError(f"{folder} has no utterances; make it again from data that are not empty")
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
    """Path of the segment times of a shard of vectors; shards of a dump have none."""
    return Path(folder) / "shards" / f"segment_times.{shard}"


def write_codebook_hash(folder: Path | str, sha256: str) -> None:
    """Write the hash of the codebook of a dump's units into its folder.

    Raises:
        ValueError: the folder holds units of another codebook.
    """
    _write_hash(folder, CODEBOOK_HASH, sha256, "units of another codebook")


def read_codebook_hash(folder: Path | str) -> str | None:
    """The hash that `write_codebook_hash` wrote; None if the dump has none."""
    return _read_hash(folder, CODEBOOK_HASH)


def write_unit_lm_hash(folder: Path | str, sha256: str) -> None:
    """Write the hash of the unit LM of a dump's entropies into its folder.

    Args:
        folder: `dump/raw/SET`.
        sha256: hash of the unit LM's file in a bundle.

    Raises:
        ValueError: the folder holds entropies of another unit LM.
    """
    _write_hash(folder, UNIT_LM_HASH, sha256, "entropies of another unit LM")


def read_unit_lm_hash(folder: Path | str) -> str | None:
    """The hash that `write_unit_lm_hash` wrote; None if the dump has none."""
    return _read_hash(folder, UNIT_LM_HASH)


def copy_hashes(source: Path | str, target: Path | str) -> None:
    """Copy the hashes of a dump to a dump that is linked to it; missing hashes are removed there.

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
        raise ValueError(f"{folder} holds {what}; choose another --output, or remove this one")
    with atomic_text(Path(folder) / name) as file:
        file.write(sha256 + "\n")


def _read_hash(folder: Path | str, name: str) -> str | None:
    path = Path(folder) / name
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None
