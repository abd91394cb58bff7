"""BPE on units: sentencepiece over units as characters, a baseline with variable-length segments.

Pieces are segments. A segmentation is computed beforehand and stored in a dump, in place of the
entropies, for the segmenter `stored`; source: the acoustic BPE of discrete speech units.
"""

import io
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import sentencepiece

from espnet_entropy.data.dump import read_dump, write_espnet_layout
from espnet_entropy.data.kaldi import file_hash
from espnet_entropy.data.running import progress
from espnet_entropy.data.shards import (
    UNIT_LM_HASH,
    read_codebook_hash,
    write_codebook_hash,
    write_shard,
    write_unit_lm_hash,
)

# A unit is a character of the private planes, which no normalisation touches: 65,534 of them.
FIRST = 0xF0000
MOST_UNITS = 0xFFFE


def learn_bpe(utterances: Iterable[np.ndarray], num_units: int, vocab_size: int) -> bytes:
    """Learn pieces from utterances of units.

    Args:
        utterances: int (T,) arrays.
        num_units: K; every unit is a piece, whether it occurs or not.
        vocab_size: number of pieces, K of them single units.

    Returns:
        sentencepiece's model file.

    Raises:
        ValueError: there are too many units, no utterances, or too few for so many pieces. What
            reading the utterances raises comes through.
    """
    if not 1 <= num_units <= MOST_UNITS:
        raise ValueError(f"{num_units} units; BPE on units takes 1 to {MOST_UNITS}")
    if vocab_size <= num_units:
        raise ValueError(f"vocab_size {vocab_size} must exceed the {num_units} single units")
    # A character that never occurs would be no piece: each unit is an utterance once.
    everything = chain(utterances, np.arange(num_units)[:, None])
    model, failures = io.BytesIO(), []

    def texts():
        # sentencepiece takes an error of its iterator for the end, or fails without its words.
        try:
            yield from map(_text, everything)
        except Exception as error:
            failures.append(error)

    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=texts(),
            model_writer=model,
            model_type="bpe",
            # <unk> alone stands beside the pieces.
            vocab_size=vocab_size + 1,
            bos_id=-1,
            eos_id=-1,
            character_coverage=1.0,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            split_by_unicode_script=False,
            split_by_number=False,
            split_by_whitespace=False,
            max_sentencepiece_length=64,
            # In bytes, four a unit: an utterance of an hour.
            max_sentence_length=1_000_000,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        # After an error of reading, which stands first.
        failures.append(
            ValueError(
                f"no BPE of {vocab_size} pieces over {num_units} units can be learnt: {error}; "
                "give more utterances or a smaller --vocab_size"
            )
        )
    if failures:
        raise failures[0]
    return model.getvalue()


def run_starts(units: np.ndarray) -> np.ndarray:
    """Where runs of equal units begin.

    Args:
        units: int (T,), T at least 1.

    Returns:
        (T,) bool, True at 0; `units[run_starts(units)]` is deduplicated.
    """
    return np.concatenate(([True], units[1:] != units[:-1]))


class UnitBpe:
    """A learnt model; `boundaries` applies it.

    Args:
        path: file written with what `learn_bpe` has returned.
        deduplicate: pieces are of deduplicated units, as the model has been learnt.

    Raises:
        ValueError: no such model there.
    """

    def __init__(self, path: Path | str, deduplicate: bool = False):
        self.deduplicate = deduplicate
        try:
            content = Path(path).read_bytes()
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{path} is no BPE model of units: {error}") from error

    def boundaries(self, units: np.ndarray) -> np.ndarray:
        """Where pieces begin.

        Args:
            units: int (T,), T at least 1.

        Returns:
            (T,) bool, True at 0.

        Raises:
            ValueError: a unit that the model does not know.
        """
        if self.deduplicate:
            starts = run_starts(units)
            starts[starts] = self._boundaries(units[starts])
            return starts
        return self._boundaries(units)

    def _boundaries(self, units: np.ndarray) -> np.ndarray:
        ids = self.processor.encode(_text(units), out_type=int)
        if self.processor.unk_id() in ids:
            unknown = [
                unit
                for unit in np.unique(units)
                if self.processor.piece_to_id(chr(FIRST + int(unit))) == self.processor.unk_id()
            ]
            raise ValueError(f"unit {unknown[0]} is not in this BPE model; learn it on these units")
        lengths = [len(self.processor.id_to_piece(number)) for number in ids]
        starts = np.zeros(len(units), dtype=bool)
        starts[np.cumsum([0, *lengths[:-1]])] = True
        return starts


def _text(units: np.ndarray) -> str:
    return "".join(chr(FIRST + int(unit)) for unit in units)


class Stored(NamedTuple):
    """Numbers of utterances, units and segments whose boundaries were stored."""

    utterances: int
    units: int
    segments: int


def store_boundaries(
    model: Path | str, dump: Path | str, output: Path | str, deduplicate: bool = False
) -> Stored:
    """Write a dump with boundaries in place of entropies, for the segmenter `stored`.

    Args:
        model: file of a model that `learn_bpe` made.
        dump: `dump/raw/SET`.
        output: folder of the new dump.
        deduplicate: see `UnitBpe`.

    Raises:
        ValueError: the output is the dump, or the model does not know a unit (its utterance is
            named).
    """
    if Path(output).resolve() == Path(dump).resolve():
        raise ValueError(f"--output is the dump itself, {dump}, whose entropies would be lost")
    bpe, segments = UnitBpe(model, deduplicate), []

    def arrays():
        for utt, units, _ in progress(read_dump(dump), "BPE"):
            try:
                starts = bpe.boundaries(units)
            except ValueError as error:
                raise ValueError(f"utt {utt}: {error}") from error
            segments.append(int(starts.sum()))
            yield utt, np.stack((units, starts), axis=1).astype(np.float32)

    sha256 = read_codebook_hash(dump)
    if sha256 is not None:
        write_codebook_hash(output, sha256)
    # Boundaries replace the entropies, so the hash of the BPE model replaces that of the unit LM:
    # commands that read entropies refuse this dump.
    (Path(output) / UNIT_LM_HASH).unlink(missing_ok=True)
    write_unit_lm_hash(output, file_hash(model))
    table = write_shard(output, 1, arrays())
    write_espnet_layout(output, table, dump)
    return Stored(len(table), sum(entry.shape[0] for entry in table.values()), sum(segments))
