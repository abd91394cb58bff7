"""Units and entropies of whole sets, as arrays of a dump."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from espnet_entropy.bundle.build import load_trained_lm, unit_lm_hash
from espnet_entropy.bundle.bundle import FILES, identity, read_description
from espnet_entropy.bundle.tokenizer import Tokens, UnitTokenizer
from espnet_entropy.data.dump import read_units_entry
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.data.provenance import Source
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shard_runs import make_shard
from espnet_entropy.data.shards import Entry, write_codebook_hash, write_unit_lm_hash
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.lm.unit_lm import LlamaLM


def units_alone(tokens: Tokens) -> np.ndarray:
    """(T,) int32 units of one utterance, from which the unit LM learns."""
    return tokens.units[0].cpu().numpy().astype(np.int32)


def units_and_entropies(tokens: Tokens) -> np.ndarray:
    """(T, 2) float32: what ESPnet reads as an utterance's speech."""
    columns = (tokens.units[0].cpu().numpy(), tokens.entropies[0].cpu().numpy())
    return np.stack(columns, axis=1).astype(np.float32)


def arrays_of(
    tokenizer: UnitTokenizer, to_array: Callable[[Tokens], np.ndarray]
) -> Callable[[Recording], np.ndarray]:
    """A function that makes the array of a recording, for `make_recordings_shard`."""

    def array_of(recording: Recording) -> np.ndarray:
        wave = torch.from_numpy(recording.samples(tokenizer.sample_rate))
        return to_array(tokenizer(wave.unsqueeze(0), torch.tensor([len(wave)])))

    return array_of


def dump_entropies(
    units_scp: Path | str,
    codebook: Path | str,
    unit_lm: Path | str,
    output: Path | str,
    *,
    shard: int = 1,
    num_shards: int = 1,
    device: str = "cpu",
) -> dict[str, Entry] | None:
    """Write one shard of `dump/raw/SET` from units, without the sound.

    Args:
        units_scp: `dump/units/SET/units.scp`.
        codebook: folder of the codebook.
        unit_lm: checkpoint of the unit LM's training.
        output: `dump/raw/SET`.
        shard, num_shards: number of the shard, from 1, and number of all shards.
        device: torch device.

    Returns:
        The arrays' places; None if the shard exists and was made from this unit LM and these
        units.

    Raises:
        ValueError: codebook, unit LM and units do not belong together, or units are out of range.
    """
    lm = load_trained_lm(unit_lm)
    settings = identity(codebook) | {FILES[1]: unit_lm_hash(lm)}
    num_units = read_description(codebook)["num_units"]
    if lm.num_units != num_units:
        raise ValueError(f"{unit_lm} knows {lm.num_units} units, {codebook} has {num_units}")
    difference = origin_of_dump(Path(units_scp).parent).difference(
        Origin(settings[FILES[0]]), codebook
    )
    if difference:
        raise ValueError(
            f"{units_scp} was made with {difference}; dump the units again with this "
            "codebook, or give the codebook that they were made with"
        )
    write_codebook_hash(output, settings[FILES[0]])
    write_unit_lm_hash(output, settings[FILES[1]])
    lm, rows = lm.to(device), read_rows(output, units_scp, shard, num_shards)

    def array_of(utt: str) -> np.ndarray:
        units = read_units_entry(rows[utt], f"{units_scp}, utt {utt}").astype(np.int64)
        try:
            entropies = _entropies(lm, units, device)
        except ValueError as error:
            raise ValueError(f"utt {utt}: {error}") from error
        return np.stack((units, entropies), axis=1).astype(np.float32)

    sources = {utt: Source.of(entry) for utt, entry in rows.items()}
    return make_shard(output, shard, settings, sources, array_of)


def _entropies(lm: LlamaLM, units: np.ndarray, device: str) -> np.ndarray:
    batch = torch.from_numpy(units).unsqueeze(0).to(device)
    length = torch.tensor([len(units)], device=device)
    return predictive_entropies(lm, batch, length)[0].cpu().numpy()
