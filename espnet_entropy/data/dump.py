"""The dump: ESPnet's layouts over its shards, and what is in it, one by one or in batches."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from espnet_entropy.data.kaldi import atomic_text, read_matrix, read_table, write_table
from espnet_entropy.data.shards import Entry, times_path

# What a dump's audio_format file says. ESPnet's recipes read arks where the name has "ark" in it.
AUDIO_FORMAT = "units.ark"


def read_units(path: Path | str) -> Iterator[tuple[str, np.ndarray]]:
    """(utterance, int32 (T,)) of a `units.scp`; ValueError names what is anything else."""
    for utt, entry in read_table(path).items():
        yield utt, read_units_entry(entry, f"{path}, utt {utt}")


def read_units_entry(entry: str, where: str) -> np.ndarray:
    """int32 (T,) units of one ark entry; ValueError begins with `where` if it holds others."""
    try:
        units = read_matrix(entry)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error
    if units.ndim != 1 or units.dtype != np.int32:
        raise ValueError(
            f"{where}: units are an int32 vector, but {entry} is {units.dtype} {units.shape}; is "
            "this a table of dump/units? Make it by dump_units"
        )
    return units


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
    if keys is not None:
        keys = list(keys)
        missing = next((utt for utt in keys if utt not in table), None)
        if missing is not None:
            raise ValueError(f"{folder} has no utterance {missing}")
        table = {utt: table[utt] for utt in keys}
    yield from read_entries(table, folder)


def read_entries(
    table: dict[str, str], folder: Path | str
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """What `read_dump` gives, of rows of its `wav.scp`; errors name the folder."""
    for utt, entry in table.items():
        matrix = read_matrix(entry)
        if matrix.ndim != 2 or matrix.shape[1] != 2 or not np.isfinite(matrix).all():
            raise ValueError(f"{folder}, utt {utt}: not a finite (T, 2) matrix: {matrix.shape}")
        units = matrix[:, 0].astype(np.int64)
        if (units != matrix[:, 0]).any():
            raise ValueError(f"{folder}, utt {utt}: unit ids are not integers")
        yield utt, units, matrix[:, 1].astype(np.float32)


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


def write_units_table(folder: Path | str, table: dict[str, Entry]) -> None:
    """`units.scp` and `text_shape` (frames per utterance, ESPnet's shape file of the LM).

    Args:
        folder: where to write.
        table: utterance -> int32 (T,) units.
    """
    folder = Path(folder)
    write_table(folder / "text_shape", {utt: str(e.shape[0]) for utt, e in table.items()})
    _write_scp(folder / "units.scp", table)


def write_arrays_table(folder: Path | str, table: dict[str, Entry], name: str) -> None:
    """`NAME.scp` of arrays that belong to no layout of ESPnet, such as spectrograms."""
    _write_scp(Path(folder) / f"{name}.scp", table)


def write_espnet_layout(folder: Path | str, table: dict[str, Entry], data: Path | str) -> None:
    """ESPnet's `dump/raw/SET` after its formatting stage, `wav.scp` last.

    Args:
        folder: where to write.
        table: utterance -> float32 (T, 2) units and entropies.
        data: Kaldi data folder with text, utt2spk.
    """
    folder, data = Path(folder), Path(data)
    (folder / "wav.scp").unlink(missing_ok=True)
    _write_texts_and_speakers(folder, table, data)
    write_table(folder / "utt2num_samples", {utt: str(e.shape[0]) for utt, e in table.items()})
    _write_settings(folder, feats_type="raw", audio_format=AUDIO_FORMAT)
    _write_scp(folder / "wav.scp", table)


def write_features_layout(
    folder: Path | str, table: dict[str, Entry], data: Path | str, num_shards: int
) -> None:
    """ESPnet's folder of extracted features, `feats.scp` last, with the times of the vectors.

    `segment_times` has a line `utterance start end`, in seconds, for each vector, shard after
    shard. (Kaldi's tools would take a file called `segments` for a cutting of recordings into
    utterances.)

    Args:
        folder: where to write; its shards hold vectors and their times.
        table: utterance -> float32 (S, D) vectors.
        data: folder with text, utt2spk, such as the dump that the vectors were made from.
        num_shards: of the folder.
    """
    folder, data = Path(folder), Path(data)
    (folder / "feats.scp").unlink(missing_ok=True)
    _write_texts_and_speakers(folder, table, data)
    with atomic_text(folder / "segment_times") as output:
        for shard in range(1, num_shards + 1):
            with open(times_path(folder, shard), encoding="utf-8") as part:
                shutil.copyfileobj(part, output)
    shapes = {utt: f"{e.shape[0]},{e.shape[1]}" for utt, e in table.items()}
    write_table(folder / "feats_shape", shapes)
    dim = next(iter(table.values())).shape[1]
    _write_settings(folder, feats_type="extracted", feats_dim=str(dim))
    _write_scp(folder / "feats.scp", table)


def _write_scp(path: Path, table: dict[str, Entry]) -> None:
    write_table(path, {utt: entry.where for utt, entry in table.items()})


def _write_texts_and_speakers(folder: Path, table: dict[str, Entry], data: Path) -> None:
    """What of a data folder belongs to the utterances of `table`."""
    speakers: dict[str, list[str]] = {}
    utt2spk = read_table(data / "utt2spk")
    for name in ("text", "utt2spk", "text.tc"):
        if not (data / name).exists():
            # A table of other data does not belong to this dump.
            (folder / name).unlink(missing_ok=True)
            continue
        content = read_table(data / name)
        lacking = sorted(set(table) - set(content))
        if lacking:
            raise ValueError(f"{data / name} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
        # To ESPnet a second blank or another one, as French texts have, is a token of its own.
        write_table(folder / name, {utt: " ".join(content[utt].split()) for utt in table})
    for utt in sorted(table):
        if not utt2spk[utt]:
            raise ValueError(f"{data / 'utt2spk'}: {utt} has no speaker; write one behind it")
        if len(utt2spk[utt].split()) > 1:
            raise ValueError(
                f"{data / 'utt2spk'}: {utt} has the speaker {utt2spk[utt]!r}, but a speaker is one "
                "word; remove other columns"
            )
        speakers.setdefault(utt2spk[utt], []).append(utt)
    write_table(folder / "spk2utt", {spk: " ".join(utts) for spk, utts in speakers.items()})


def _write_settings(folder: Path, **settings: str) -> None:
    """Files of one word, by which ESPnet's recipes know what a folder holds."""
    for name, content in settings.items():
        with atomic_text(folder / name) as file:
            file.write(content + "\n")
