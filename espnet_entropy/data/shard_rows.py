"""Divide a set into shards, and give each shard its rows of the set's table."""

import heapq
from collections.abc import Iterable
from pathlib import Path

from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.provenance import Provenance, Source, stale
from espnet_entropy.data.recordings import SEGMENTS, read_utterances

# Files beside a table that may have the lengths of its utterances.
SIZES = ("utt2dur", "utt2num_samples", "text_shape")


def shard_keys(
    keys: Iterable[str], shard: int, num_shards: int, sizes: dict[str, float] | None = None
) -> list[str]:
    """The keys of one shard.

    Args:
        keys: all keys of the set, in any order.
        shard: number of the shard, from 1.
        num_shards: number of shards.
        sizes: length of each utterance in seconds or frames, to make shards of about equal length.
            Without it, a shard has every num_shards-th key in C-locale order.

    Returns:
        Keys in C-locale order.
    """
    if not 1 <= shard <= num_shards:
        raise ValueError(f"shard {shard} is not between 1 and {num_shards}")
    return cut_keys(keys, num_shards, sizes)[shard - 1]


def cut_keys(
    keys: Iterable[str], num_shards: int, sizes: dict[str, float] | None = None
) -> list[list[str]]:
    """`shard_keys` of all shards, in the time that one takes."""
    if num_shards < 1:
        raise ValueError(f"--num_shards is {num_shards}, but a dump has at least one shard")
    if sizes is None:
        ordered = sorted(keys)
        return [ordered[first::num_shards] for first in range(num_shards)]
    # The longest utterance comes first, and each goes to the shortest shard so far.
    loads = [(0.0, shard) for shard in range(num_shards)]
    shards: list[list[str]] = [[] for _ in range(num_shards)]
    for key in sorted(keys, key=lambda key: (-sizes[key], key)):
        load, shard = loads[0]
        heapq.heapreplace(loads, (load + sizes[key], shard))
        shards[shard].append(key)
    return [sorted(shard) for shard in shards]


def read_sizes(table: Path | str) -> dict[str, float] | None:
    """Lengths of a table's utterances, from the first file of SIZES that is beside it.

    Args:
        table: `wav.scp`, with or without `segments`, beside `utt2dur` (seconds) or
            `utt2num_samples`; or `units.scp` beside `text_shape` (frames).

    Returns:
        Lengths by utterance; None if no such file exists.

    Raises:
        ValueError: the file has no number for an utterance of the table.
    """
    for name in SIZES:
        path = Path(table).with_name(name)
        if path.exists():
            sizes = read_table(path)
            try:
                return {utt: float(sizes[utt].split(",")[0]) for utt in read_utterances(table)}
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{path} does not fit {table}: {error}; make it again, or remove it"
                ) from error
    return None


def _rows_path(folder: Path | str, shard: int) -> Path:
    return Path(folder) / "shards" / f"rows.{shard}"


def _cut_record(folder: Path | str) -> Path:
    return Path(folder) / "shards" / "rows.made_from"


def _cut_from(table: Path | str) -> dict[str, Source]:
    """The files that determine the rows of a shard."""
    beside = {name: Source(str(Path(table).with_name(name))) for name in (SEGMENTS, *SIZES)}
    return {"table": Source(str(table))} | beside


def write_rows(folder: Path | str, table: Path | str, num_shards: int) -> int:
    """Write the rows of each shard, so that the job of a shard does not read the whole table.

    Args:
        folder: folder of the dump that is made from the table.
        table: `wav.scp`, or `units.scp`. If `segments` is beside `wav.scp`, its rows are written.
        num_shards: number of shards of the dump.

    Returns:
        The number of utterances.
    """
    cut = Provenance({"num_shards": num_shards})
    for name, source in _cut_from(table).items():
        cut.note(name, source)
    _cut_record(folder).unlink(missing_ok=True)
    rows = read_utterances(table)
    paths = [_rows_path(folder, shard) for shard in range(1, num_shards + 1)]
    for path, keys in zip(paths, cut_keys(rows, num_shards, read_sizes(table)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, {key: rows[key] for key in keys})
    cut.save(_cut_record(folder))
    return len(rows)


def read_rows(folder: Path | str, table: Path | str, shard: int, num_shards: int) -> dict[str, str]:
    """The rows of one shard in C-locale order, as `read_recordings` takes them.

    They are read from the file of `write_rows` if that was made from this table, and are computed
    otherwise. If `segments` is beside `wav.scp`, they are rows of `segments`.
    """
    path = _rows_path(folder, shard)
    settings = {"num_shards": num_shards}
    if path.exists() and not stale(_cut_record(folder), settings, _cut_from(table)):
        return read_table(path)
    rows = read_utterances(table)
    keys = shard_keys(rows, shard, num_shards, read_sizes(table))
    return {key: rows[key] for key in keys}
