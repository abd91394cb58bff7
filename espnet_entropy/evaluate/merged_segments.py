"""Longer segments out of short ones that often follow each other: BPE on the segments' units."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from espnet_entropy.data.kaldi import write_bytes
from espnet_entropy.units.bpe import UnitBpe, learn_bpe


def segment_unit(units: np.ndarray) -> int:
    """The most frequent unit of a segment, int (T,); of several the smallest."""
    return int(np.bincount(units).argmax())


def merge_segments(
    units: Mapping[str, np.ndarray],
    starts: Mapping[str, np.ndarray],
    *,
    num_units: int,
    vocab_size: int,
    model: Path,
) -> dict[str, np.ndarray]:
    """Where the pieces of BPE on segments start, each segment standing for its most frequent unit.

    On the runs of equal units these are the pieces of ESPnet's asr2 (deduplication, then BPE). The
    pieces are learned on the utterances themselves.

    Args:
        units: int (T,) by utterance, T at least 1.
        starts: (n,) ascending frames at which its segments start, without 0.
        num_units: K.
        vocab_size: number of pieces, K of them single units.
        model: file for the learned pieces.

    Returns:
        By utterance those of the starts at which a piece starts.

    Raises:
        ValueError: too few segments for so many pieces.
    """
    symbols = {
        utt: np.array([segment_unit(part) for part in np.split(row, starts[utt])])
        for utt, row in units.items()
    }
    write_bytes(model, learn_bpe(symbols.values(), num_units, vocab_size))
    bpe = UnitBpe(model)
    return {utt: starts[utt][bpe.boundaries(row)[1:]] for utt, row in symbols.items()}
