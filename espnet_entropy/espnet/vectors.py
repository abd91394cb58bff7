"""A trained model's vectors as the features of a set, with the times of their segments."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.data.dump import read_entries
from espnet_entropy.data.kaldi import atomic_text, file_hash
from espnet_entropy.data.provenance import Source
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shard_runs import make_shard
from espnet_entropy.data.shards import times_path
from espnet_entropy.espnet.trained import load_frontend
from espnet_entropy.segment.timing import segment_times


class Exported(NamedTuple):
    """Numbers of one shard: utterances, frames, vectors, and frames per second."""

    utterances: int
    frames: int
    vectors: int
    frame_rate_hz: float


def export_vectors(
    model_config: Path | str,
    model_file: Path | str,
    dump: Path | str,
    output: Path | str,
    *,
    rate: float | None = None,
    shard: int = 1,
    num_shards: int = 1,
    device: str = "cpu",
) -> Exported | None:
    """Write one shard of vectors (S, D) and the times of their segments.

    Args:
        model_config, model_file: config and checkpoint of the training.
        dump: `dump/raw/SET`.
        output: folder to write.
        rate: segments per second of a model of many rates; None keeps that of its config.
        shard, num_shards: number of the shard, from 1, and number of all shards.
        device: torch device.

    Returns:
        None if the shard exists with this model and from this dump.

    Raises:
        ValueError: the model cannot be read or does not fit the dump, or an utterance (which is
            named) cannot be encoded.
    """
    settings = dict(
        model_config=file_hash(model_config), model_file=file_hash(model_file), rate=rate
    )
    rows = read_rows(output, f"{dump}/wav.scp", shard, num_shards)
    frontend = load_frontend(model_config, model_file, [dump])
    if rate is not None:
        frontend.set_rate(rate)
    encoder = frontend.encoder.to(device)
    frame_rate_hz = encoder.segmenter.frame_rate_hz
    lengths: dict[str, Tensor] = {}

    def array_of(utt: str) -> np.ndarray:
        _, units, entropies = next(read_entries({utt: rows[utt]}, dump))
        vectors, lengths[utt] = _encode(encoder, utt, units, entropies)
        return vectors.cpu().numpy()

    def write_times() -> None:
        with atomic_text(times_path(output, shard)) as file:
            for utt in lengths:
                for start, end in segment_times(lengths[utt], frame_rate_hz):
                    file.write(f"{utt} {start:.2f} {end:.2f}\n")

    sources = {utt: Source.of(entry) for utt, entry in rows.items()}
    table = make_shard(output, shard, settings, sources, array_of, finish=write_times)
    if table is None:
        return None
    frames = sum(int(of_utt.sum()) for of_utt in lengths.values())
    return Exported(len(table), frames, sum(map(len, lengths.values())), frame_rate_hz)


@torch.inference_mode()
def _encode(encoder: SegmentEncoder, utt: str, units, entropies) -> tuple[Tensor, Tensor]:
    """Vectors (S, D) and segment lengths (S,) in frames of one utterance; errors name it."""
    device = encoder.embedding.weight.device
    batch = (torch.from_numpy(column).unsqueeze(0).to(device) for column in (units, entropies))
    try:
        encoded = encoder.encode(*batch, torch.tensor([len(units)], device=device))
    except ValueError as error:
        raise ValueError(f"utt {utt}: {error}") from error
    return encoded.vectors[0], encoded.segment_lengths[0]
