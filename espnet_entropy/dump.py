"""The dump: shards of arks, the tables over them, ESPnet's layout, and batches of what is in it."""

import heapq
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import kaldiio
import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_entropy.data import atomic_text, read_matrix, read_table, write_table

# What a dump's audio_format file says. ESPnet's recipes read arks where the name has "ark" in it.
AUDIO_FORMAT = "units.ark"


def read_units(path: Path | str) -> Iterator[tuple[str, np.ndarray]]:
    """(utterance, int32 (T,)) of a `units.scp`."""
    for utt, entry in read_table(path).items():
        yield utt, read_matrix(entry)


def read_dump(
    folder: Path | str, keys: Iterable[str] | None = None
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(utterance, units int64 (T,), entropies float32 (T,) in nats) of `dump/raw/SET`.

    Args:
        folder: the dump.
        keys: only these utterances, in this order; all if None.

    Raises:
        ValueError: an entry is not a (T, 2) matrix of integral unit ids and finite entropies, or
            an utterance of `keys` is not there.
    """
    table = read_table(Path(folder) / "wav.scp")
    for utt in table if keys is None else keys:
        if utt not in table:
            raise ValueError(f"{folder} has no utterance {utt}")
        matrix = read_matrix(table[utt])
        if matrix.ndim != 2 or matrix.shape[1] != 2 or not np.isfinite(matrix).all():
            raise ValueError(f"{folder}, utt {utt}: not a finite (T, 2) matrix: {matrix.shape}")
        units = matrix[:, 0].astype(np.int64)
        if (units != matrix[:, 0]).any():
            raise ValueError(f"{folder}, utt {utt}: unit ids are not integers")
        yield utt, units, matrix[:, 1].astype(np.float32)


def load_padded_dump(folder: Path | str) -> tuple[Tensor, Tensor, Tensor]:
    """A whole dump as units (B, T) int64, entropies (B, T) float32 and lengths (B,) int64."""
    utterances = list(read_dump(folder))
    if not utterances:
        raise ValueError(f"{folder} is empty")
    return _padded(utterances)


def _padded(utterances: list) -> tuple[Tensor, Tensor, Tensor]:
    units, entropies = (
        pad_sequence([torch.from_numpy(u[column]) for u in utterances], batch_first=True)
        for column in (1, 2)
    )
    return units, entropies, torch.tensor([len(u) for _, u, _ in utterances])


def padded_batches(
    folder: Path | str, keys: Iterable[str] | None = None, *, max_frames: int = 500_000
) -> Iterator[tuple[list[str], Tensor, Tensor, Tensor]]:
    """A dump in batches of utterances of similar length, so that little of them is padding.

    Args:
        folder: `dump/raw/SET`.
        keys: only these utterances; all if None.
        max_frames: of a batch, padding included; a longer utterance is a batch of its own.

    Yields:
        Utterances, units (B, T) int64, entropies (B, T) float32 and lengths (B,) int64; short
        utterances first, each of them in one batch.

    Raises:
        ValueError: there is nothing to read, or an utterance of `keys` is not there.
    """
    utterances = sorted(read_dump(folder, keys), key=lambda utterance: len(utterance[1]))
    if not utterances:
        raise ValueError(f"{folder} is empty")
    first = 0
    for last in range(1, len(utterances) + 1):
        is_full = last < len(utterances) and (
            (last + 1 - first) * len(utterances[last][1]) > max_frames
        )
        if is_full or last == len(utterances):
            utts = [utt for utt, *_ in utterances[first:last]]
            yield utts, *_padded(utterances[first:last])
            first = last


def shard_keys(
    keys: Iterable[str], shard: int, num_shards: int, sizes: dict[str, float] | None = None
) -> list[str]:
    """The keys of one shard.

    Args:
        keys: of the whole set; their order does not matter.
        shard: number from 1.
        num_shards: into how many the set is cut.
        sizes: seconds or frames of each; shards are then about equally long. Without them every
            num_shards-th key in C-locale order belongs to one.

    Returns:
        Keys in C-locale order.
    """
    if not 1 <= shard <= num_shards:
        raise ValueError(f"shard {shard} is not between 1 and {num_shards}")
    if sizes is None:
        return sorted(keys)[shard - 1 :: num_shards]
    # The longest first, each to the shard that has the least so far.
    loads = [(0.0, number) for number in range(1, num_shards + 1)]
    chosen = []
    for key in sorted(keys, key=lambda key: (-sizes[key], key)):
        load, number = loads[0]
        heapq.heapreplace(loads, (load + sizes[key], number))
        if number == shard:
            chosen.append(key)
    return sorted(chosen)


def read_sizes(table: Path | str) -> dict[str, float] | None:
    """How long the utterances of a table are, from the first such file beside it.

    Args:
        table: `wav.scp` with `utt2dur` (seconds) or `utt2num_samples`, `units.scp` with
            `text_shape` (frames).

    Returns:
        Sizes by utterance, None where there is no such file.

    Raises:
        ValueError: the file has no number for an utterance of the table.
    """
    for name in ("utt2dur", "utt2num_samples", "text_shape"):
        path = Path(table).with_name(name)
        if path.exists():
            sizes = read_table(path)
            try:
                return {utt: float(sizes[utt].split(",")[0]) for utt in read_table(table)}
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"{path} does not fit {table}: {error}; make it anew, or remove it"
                ) from error
    return None


def shard_paths(folder: Path | str, shard: int) -> tuple[Path, Path]:
    """(ark, scp) of a shard. The scp is written last: where it exists, the shard is whole."""
    stem = Path(folder) / "shards" / f"units.{shard}"
    return stem.with_name(stem.name + ".ark"), stem.with_name(stem.name + ".scp")


def write_shard(
    folder: Path | str, shard: int, arrays: Iterable[tuple[str, np.ndarray]]
) -> dict[str, str]:
    """Write a shard's ark, then its scp.

    Args:
        folder: the dump's folder.
        shard: number from 1.
        arrays: (utterance, array) pairs: int32 (T,) units, float32 (T, 2) units and entropies,
            or float32 (S, D) vectors.

    Returns:
        The scp's table.
    """
    ark, scp = shard_paths(folder, shard)
    ark.parent.mkdir(parents=True, exist_ok=True)
    # What stands at the final place belongs to an earlier, unfinished attempt.
    scp.unlink(missing_ok=True)
    temporary = ark.with_name(f".{ark.name}.{os.getpid()}.tmp")
    table = {}
    try:
        with open(temporary, "wb") as file:
            for utt, array in arrays:
                # Kaldi's entries point behind the key and its space.
                offset = file.tell() + len(utt.encode()) + 1
                kaldiio.save_ark(file, {utt: array})
                table[utt] = f"{ark}:{offset}"
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, ark)
    finally:
        temporary.unlink(missing_ok=True)
    write_table(scp, table)
    return table


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


def merge_shards(folder: Path | str, num_shards: int, expected: Iterable[str]) -> dict[str, str]:
    """One table of all shards.

    Raises:
        ValueError: a shard is missing, its utterances are not the expected ones, or there are
            none at all.
    """
    table = {}
    for shard in range(1, num_shards + 1):
        _, scp = shard_paths(folder, shard)
        if not scp.exists():
            raise ValueError(f"{scp} is missing; run the stage that writes this shard again")
        entries = read_table(scp)
        twice = sorted(set(entries) & set(table))
        if twice:
            raise ValueError(
                f"{scp}: {twice[0]} stands in an earlier shard too; the number of shards changed: "
                f"remove {Path(folder) / 'shards'} and dump again"
            )
        table |= entries
    missing = sorted(set(expected) - set(table))
    surplus = sorted(set(table) - set(expected))
    if missing or surplus:
        raise ValueError(
            f"{folder}: {len(missing)} utterances are missing ({', '.join(missing[:3])}) and "
            f"{len(surplus)} are not in the data ({', '.join(surplus[:3])}); the data changed "
            f"since the shards were made: remove {Path(folder) / 'shards'} and dump again"
        )
    if not table:
        raise ValueError(f"{folder} has no utterances; is its data folder empty? Make it again")
    return table


def write_units_table(folder: Path | str, table: dict[str, str]) -> None:
    """`units.scp` and `text_shape` (frames per utterance, ESPnet's shape file of the LM)."""
    folder = Path(folder)
    lengths = {utt: str(len(read_matrix(entry))) for utt, entry in table.items()}
    write_table(folder / "text_shape", lengths)
    write_table(folder / "units.scp", table)


def write_espnet_layout(
    folder: Path | str, table: dict[str, str], data: Path | str
) -> dict[str, int]:
    """ESPnet's `dump/raw/SET` after its formatting stage, `wav.scp` last.

    Args:
        folder: where to write.
        table: utterance -> ark entry of a float32 (T, 2) matrix.
        data: Kaldi data folder with text, utt2spk.

    Returns:
        Frames per utterance.
    """
    folder, data = Path(folder), Path(data)
    (folder / "wav.scp").unlink(missing_ok=True)
    frames = {utt: len(read_matrix(entry)) for utt, entry in table.items()}
    _write_texts_and_speakers(folder, table, data)
    write_table(folder / "utt2num_samples", {utt: str(n) for utt, n in frames.items()})
    _write_settings(folder, feats_type="raw", audio_format=AUDIO_FORMAT)
    write_table(folder / "wav.scp", table)
    return frames


def times_path(folder: Path | str, shard: int) -> Path:
    """Where a shard of vectors has its segment times; shards of a dump have none."""
    return Path(folder) / "shards" / f"segment_times.{shard}"


def write_features_layout(
    folder: Path | str, table: dict[str, str], data: Path | str, num_shards: int
) -> None:
    """ESPnet's folder of extracted features, `feats.scp` last, with the times of the vectors.

    `segment_times` has a line `utterance start end`, in seconds, for each vector, shard after
    shard. (Kaldi's tools would take a file called `segments` for a cutting of recordings into
    utterances.)

    Args:
        folder: where to write; its shards hold vectors and their times.
        table: utterance -> ark entry of a float32 (S, D) matrix.
        data: folder with text, utt2spk, such as the dump that the vectors were made from.
        num_shards: of the folder.
    """
    folder, data = Path(folder), Path(data)
    (folder / "feats.scp").unlink(missing_ok=True)
    shapes = {utt: read_matrix(entry).shape for utt, entry in table.items()}
    _write_texts_and_speakers(folder, table, data)
    with atomic_text(folder / "segment_times") as output:
        for shard in range(1, num_shards + 1):
            with open(times_path(folder, shard), encoding="utf-8") as part:
                shutil.copyfileobj(part, output)
    write_table(folder / "feats_shape", {utt: f"{s},{d}" for utt, (s, d) in shapes.items()})
    dim = next(iter(shapes.values()))[1]
    _write_settings(folder, feats_type="extracted", feats_dim=str(dim))
    write_table(folder / "feats.scp", table)


def _write_texts_and_speakers(folder: Path, table: dict[str, str], data: Path) -> None:
    """What of a data folder belongs to the utterances of `table`."""
    speakers: dict[str, list[str]] = {}
    utt2spk = read_table(data / "utt2spk")
    for name in ("text", "utt2spk", "text.tc"):
        if not (data / name).exists():
            continue
        content = read_table(data / name)
        lacking = sorted(set(table) - set(content))
        if lacking:
            raise ValueError(f"{data / name} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
        write_table(folder / name, {utt: content[utt] for utt in table})
    for utt in sorted(table):
        speakers.setdefault(utt2spk[utt], []).append(utt)
    write_table(folder / "spk2utt", {spk: " ".join(utts) for spk, utts in speakers.items()})


def _write_settings(folder: Path, **settings: str) -> None:
    """Files of one word, by which ESPnet's recipes know what a folder holds."""
    for name, content in settings.items():
        with atomic_text(folder / name) as file:
            file.write(content + "\n")
