"""What units are: how many of them are used, what they cost, how well they tell phones apart."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_LN2 = math.log(2.0)


@dataclass(frozen=True)
class CodebookUse:
    """How a codebook is used.

    Attributes:
        num_units: K.
        used: units that occur at all.
        perplexity: exp of the entropy of the units' frequencies: so many equally frequent units
            would be as hard to guess. At most K.
    """

    num_units: int
    used: int
    perplexity: float


@dataclass(frozen=True)
class Bitrates:
    """Bits per second of one symbol a segment; see `bitrates`.

    Attributes:
        segments_hz: segments per second.
        uniform_bps: every symbol costs log2 K.
        entropy_bps: a symbol costs the entropy of the symbols' frequencies.
        uniform_durations_bps, entropy_durations_bps: the same with what durations cost:
            log2 of the longest duration in frames, or the entropy of their frequencies.
    """

    segments_hz: float
    uniform_bps: float
    entropy_bps: float
    uniform_durations_bps: float
    entropy_durations_bps: float


@dataclass(frozen=True)
class PhoneQuality:
    """How units and phones hang together, over frames (Hsu et al. 2021, "HuBERT", section V.A).

    Attributes:
        phone_purity: frames whose phone is the most frequent one of their unit; grows with K.
        cluster_purity: frames whose unit is the most frequent one of their phone; falls with K.
        pnmi: phone-normalised mutual information: what share of the phones' entropy the units
            tell, I(phone; unit) / H(phone).
        num_frames: compared.
        num_phones: labels that occur.
    """

    phone_purity: float
    cluster_purity: float
    pnmi: float
    num_frames: int
    num_phones: int


def entropy_nats(counts: np.ndarray) -> float:
    """Entropy of frequencies in nats (plug-in estimate; too low where counts are few).

    Args:
        counts: any shape, not negative.
    """
    counts = counts[counts > 0].astype(np.float64)
    share = counts / counts.sum()
    return float(-(share * np.log(share)).sum()) + 0.0  # no -0.0


def codebook_use(counts: np.ndarray) -> CodebookUse:
    """Use of a codebook.

    Args:
        counts: (K,) frames of each unit.

    Raises:
        ValueError: there are none.
    """
    if not counts.sum():
        raise ValueError(f"none of the {len(counts)} units occurs: the set holds no frames")
    return CodebookUse(len(counts), int((counts > 0).sum()), math.exp(entropy_nats(counts)))


def bitrates(
    segments: Iterable[tuple[np.ndarray, np.ndarray]], num_units: int, frame_rate_hz: float
) -> Bitrates:
    """What sending one symbol a segment would cost, with and without durations.

    The symbol of a segment is its most frequent unit (the first such). Where segments are runs of
    one unit (`dedup`) this is the whole message, and with durations it is lossless; segments of
    other methods hold more units than their symbol, and their vectors more than any. Frequencies
    are those of the set itself, so the entropies are what an ideal code without context needs
    (the bitrate of the ZeroSpeech challenges, Dunbar et al. 2019: symbols per second times the
    entropy of their frequencies).

    Args:
        segments: of each utterance units (T,) int64 and segment lengths (S,) int64 frames.
        num_units: K.
        frame_rate_hz: units per second.

    Raises:
        ValueError: there are no segments.
    """
    symbols, lengths = [], []
    for units, segment_lengths in segments:
        lengths.extend(segment_lengths.tolist())
        for run in np.split(units, np.cumsum(segment_lengths)[:-1]):
            values, first, counts = np.unique(run, return_index=True, return_counts=True)
            symbols.append(values[np.lexsort((first, -counts))[0]])
    if not symbols:
        raise ValueError("no segments: the set holds no frames")
    rate_hz = len(symbols) * frame_rate_hz / sum(lengths)
    symbol_bits = entropy_nats(np.bincount(symbols)) / _LN2
    length_bits = entropy_nats(np.bincount(lengths)) / _LN2
    return Bitrates(
        segments_hz=rate_hz,
        uniform_bps=rate_hz * math.log2(num_units),
        entropy_bps=rate_hz * symbol_bits,
        uniform_durations_bps=rate_hz * (math.log2(num_units) + math.log2(max(lengths))),
        entropy_durations_bps=rate_hz * (symbol_bits + length_bits),
    )


def joint_counts(
    pairs: Iterable[tuple[np.ndarray, list[str]]], num_units: int
) -> tuple[np.ndarray, list[str]]:
    """How often units and phones meet.

    Args:
        pairs: of each utterance units (T,) int64 and T labels.
        num_units: K.

    Returns:
        (K, P) int64 frames, and the P labels in order.
    """
    pairs = list(pairs)
    names = sorted({label for _, labels in pairs for label in labels})
    place = {name: number for number, name in enumerate(names)}
    joint = np.zeros((num_units, len(names)), dtype=np.int64)
    for units, labels in pairs:
        if len(units) != len(labels):
            raise ValueError(f"{len(units)} units but {len(labels)} labels of an utterance")
        np.add.at(joint, (units, [place[label] for label in labels]), 1)
    return joint, names


def phone_quality(joint: np.ndarray) -> PhoneQuality:
    """Purities and PNMI.

    Args:
        joint: (K, P) frames, see `joint_counts`.

    Raises:
        ValueError: no frames, or a single phone, which units can tell nothing about.
    """
    phones = joint.sum(axis=0)
    num_phones = int((phones > 0).sum())
    if num_phones < 2:
        raise ValueError(
            f"{int(phones.sum())} frames have {num_phones} different phones: purity and PNMI need "
            "two at least; give alignments of phones"
        )
    total = int(phones.sum())
    phone_nats = entropy_nats(phones)
    mutual_nats = phone_nats + entropy_nats(joint.sum(axis=1)) - entropy_nats(joint)
    return PhoneQuality(
        phone_purity=float(joint.max(axis=1).sum() / total),
        cluster_purity=float(joint.max(axis=0).sum() / total),
        pnmi=mutual_nats / phone_nats,
        num_frames=total,
        num_phones=num_phones,
    )
