"""How well boundaries agree with a reference: matches, scores, chance levels, intervals.

A reference boundary is matched by at most one hypothesis and the other way round. Scores are of a
set: matches and boundaries are summed up over utterances before anything is divided.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from espnet_entropy.evaluate.alignment import Interval, boundary_times, speech_span

TOLERANCES_SEC = (0.02, 0.04)
# Hypotheses are scored where somebody speaks, and so much before and behind it: one that is as far
# from the first reference as the widest tolerance must be able to match it.
MARGIN_SEC = 0.04
# Start and end of an utterance are no boundaries, nor is what lies within a frame of them.
EDGE_SEC = 0.02
NUM_BOOTSTRAP = 1000
NUM_DRAWS = 20
# 1/100000 s: times are sums of binary fractions, and 0.34 - 0.32 must not exceed 0.02.
TICKS_PER_SEC = 100_000


@dataclass(frozen=True)
class BoundaryScores:
    """Counts and what follows from them; rates are shares, not per cent.

    Attributes:
        hits: matched pairs.
        num_reference: boundaries of the reference, at least 1.
        num_hypothesis: boundaries scored.
    """

    hits: float
    num_reference: float
    num_hypothesis: float

    @property
    def precision(self) -> float:
        """Share of the hypotheses that match; 0 if there are none."""
        return self.hits / self.num_hypothesis if self.num_hypothesis else 0.0

    @property
    def recall(self) -> float:
        """Share of the reference that is matched, also called hit rate."""
        return self.hits / self.num_reference

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / (self.num_reference + self.num_hypothesis)

    @property
    def over_segmentation(self) -> float:
        """Surplus of hypotheses: hypotheses / reference - 1, which is recall / precision - 1."""
        return self.num_hypothesis / self.num_reference - 1

    @property
    def r_value(self) -> float:
        """See `r_value`."""
        return r_value(self.recall, self.over_segmentation)


def r_value(recall: float, over_segmentation: float) -> float:
    """Nearness to recall 1 without over-segmentation; 1 is perfect, it may be negative.

    1 - (|r1| + |r2|) / 2 with r1 = sqrt((1 - recall)^2 + OS^2), r2 = (recall - 1 - OS) / sqrt 2
    (Räsänen, Laine and Altosaar, "An improved speech segmentation quality measure: the R-value",
    Interspeech 2009, there in per cent).
    """
    missed = 1 - recall
    r1 = math.hypot(missed, over_segmentation)
    r2 = (-missed - over_segmentation) / math.sqrt(2)
    return 1 - (r1 + abs(r2)) / 2


@dataclass(frozen=True)
class Reference:
    """What the boundaries of one utterance are compared with.

    Attributes:
        boundaries: (R,) float64 seconds, ascending, inside the region.
        region: (first, last) time in seconds at which a boundary is scored, both included.
    """

    boundaries: np.ndarray
    region: tuple[float, float]

    @property
    def seconds(self) -> float:
        """Length of the region."""
        return self.region[1] - self.region[0]


def reference_of(
    intervals: list[Interval], duration_sec: float, margin_sec: float = MARGIN_SEC
) -> Reference | None:
    """Boundaries and region of an aligned utterance; None if nobody speaks in it.

    Args:
        intervals: of its phones or words, in order.
        duration_sec: of the utterance.
        margin_sec: scored before and behind speech, at least the widest tolerance.
    """
    span = speech_span(intervals)
    if span is None:
        return None
    first = max(span[0] - margin_sec, EDGE_SEC)
    last = max(min(span[1] + margin_sec, duration_sec - EDGE_SEC), first)
    return Reference(within(boundary_times(intervals), (first, last)), (first, last))


def within(times: np.ndarray, region: tuple[float, float]) -> np.ndarray:
    """Those of the times (n,) that lie in the region, its ends included."""
    ticks = to_ticks(times)
    first, last = to_ticks(np.array(region))
    return times[(ticks >= first) & (ticks <= last)]


def share_within(times: list[np.ndarray], stretches: list[np.ndarray]) -> float | None:
    """Share of the times of all utterances that lie in a stretch of theirs.

    Args:
        times: U arrays of seconds.
        stretches: U arrays (n, 2) of seconds, starts and ends, not overlapping.

    Returns:
        None if there are no times.
    """
    total = sum(map(len, times))
    inside = sum(
        len(within(found, (start, end)))
        for found, rows in zip(times, stretches, strict=True)
        for start, end in rows
    )
    return inside / total if total else None


def count_matches(reference: np.ndarray, hypothesis: np.ndarray, tolerance_sec: float) -> int:
    """The most pairs of one reference and one hypothesis each, at most the tolerance apart.

    Both lists are gone through once: the earlier of two times that are too far apart can match
    nothing later, and matching two that are near enough never costs a match, since both lists are
    sorted and the tolerance is the same for all.

    Args:
        reference: (R,) seconds, ascending.
        hypothesis: (H,) seconds, ascending.
        tolerance_sec: included.
    """
    tolerance = round(tolerance_sec * TICKS_PER_SEC)
    left, right = to_ticks(reference).tolist(), to_ticks(hypothesis).tolist()
    i = j = hits = 0
    while i < len(left) and j < len(right):
        distance = right[j] - left[i]
        if abs(distance) <= tolerance:
            hits, i, j = hits + 1, i + 1, j + 1
        elif distance < 0:
            j += 1
        else:
            i += 1
    return hits


def to_ticks(times: np.ndarray) -> np.ndarray:
    """Seconds of any shape in whole 1/100000 s, int64, so that comparisons are exact."""
    return np.rint(np.asarray(times, dtype=np.float64) * TICKS_PER_SEC).astype(np.int64)


def count_set(
    references: list[Reference], hypotheses: list[np.ndarray], tolerance_sec: float
) -> np.ndarray:
    """Hits, reference and hypothesis boundaries of each utterance: (U, 3) int64.

    Args:
        references: U of them.
        hypotheses: U arrays of ascending seconds; those outside of the region are not counted.
        tolerance_sec: of a match.
    """
    rows = []
    for reference, times in zip(references, hypotheses, strict=True):
        times = within(times, reference.region)
        hits = count_matches(reference.boundaries, times, tolerance_sec)
        rows.append((hits, len(reference.boundaries), len(times)))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def scores_of(counts: np.ndarray) -> BoundaryScores:
    """Scores of a set from the counts (U, 3) of its utterances.

    Raises:
        ValueError: there is no reference boundary in all of it.
    """
    hits, num_reference, num_hypothesis = (float(n) for n in counts.sum(axis=0))
    if not num_reference:
        raise ValueError(
            f"{len(counts)} utterances have no boundary inside: nothing can be scored; give "
            "alignments of speech with more than one phone or word an utterance"
        )
    return BoundaryScores(hits, num_reference, num_hypothesis)


def bootstrap_f1(counts: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """95 % interval of F1 by drawing utterances with replacement, 1,000 times (percentiles).

    Args:
        counts: (U, 3), see `count_set`.
        seed: of the draws.

    Returns:
        None for a single utterance, which says nothing about others.
    """
    if len(counts) < 2:
        return None
    draws = np.random.default_rng(seed).integers(len(counts), size=(NUM_BOOTSTRAP, len(counts)))
    hits, num_reference, num_hypothesis = counts[draws].sum(axis=1).T
    # A sample without any boundary (tiny sets) has no F1.
    total = num_reference + num_hypothesis
    f1 = 2 * hits[total > 0] / total[total > 0]
    low, high = np.percentile(f1, [2.5, 97.5])
    return float(low), float(high)


# Chance levels. Each moves the boundaries of one utterance and keeps their number: (frames of the
# region, which of them are boundaries, random numbers) -> frames.


def _random(num_frames: int, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.choice(num_frames, len(chosen), replace=False))


def _uniform(num_frames: int, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Even steps from a random start, rounded down to frames."""
    step = num_frames / max(len(chosen), 1)
    places = (np.arange(len(chosen)) + rng.random()) * step
    return np.minimum(places.astype(np.int64), num_frames - 1)


def _shift(num_frames: int, chosen: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All by one random distance, those behind the end to the beginning."""
    distance = int(rng.integers(1, num_frames)) if num_frames > 1 else 0
    return np.sort((chosen + distance) % num_frames)


CHANCES: dict[str, Callable] = {"random": _random, "uniform": _uniform, "shift": _shift}


def chance_counts(
    references: list[Reference],
    hypotheses: list[np.ndarray],
    tolerance_sec: float,
    *,
    chance: str,
    frame_rate_hz: float,
    seed: int = 0,
    num_draws: int = NUM_DRAWS,
) -> np.ndarray:
    """Counts of as many boundaries an utterance, placed without listening: means over draws.

    Args:
        references: U of them.
        hypotheses: U arrays of seconds, all on one grid of frames.
        tolerance_sec: of a match.
        chance: `random` frames; `uniform`, even steps from a random start; `shift`, the same
            boundaries moved round the region by a random distance.
        frame_rate_hz: of the grid.
        seed: of the draws.
        num_draws: how many.

    Returns:
        (U, 3) float64, see `count_set`.
    """
    rng = np.random.default_rng(seed)
    total = np.zeros((len(references), 3))
    for _ in range(num_draws):
        moved = [
            _moved(reference, times, frame_rate_hz, lambda n, c: CHANCES[chance](n, c, rng))
            for reference, times in zip(references, hypotheses, strict=True)
        ]
        total += count_set(references, moved, tolerance_sec)
    return total / num_draws


def _moved(reference: Reference, times: np.ndarray, frame_rate_hz: float, move) -> np.ndarray:
    """The boundaries of a region after `move`, on the grid that they were on."""
    times = within(times, reference.region)
    if not len(times):
        return times
    # The grid goes through the boundaries; it need not go through 0.
    anchor = times[0]
    first = math.ceil(round((reference.region[0] - anchor) * frame_rate_hz, 6))
    last = math.floor(round((reference.region[1] - anchor) * frame_rate_hz, 6))
    chosen = np.rint((times - anchor) * frame_rate_hz).astype(np.int64) - first
    return (move(last - first + 1, chosen) + first) / frame_rate_hz + anchor


def offset_scan(
    references: list[Reference],
    hypotheses: list[np.ndarray],
    tolerance_sec: float,
    offsets_sec: np.ndarray,
) -> np.ndarray:
    """F1 after all hypotheses were moved by an offset: (n,) float64, one an offset."""
    return np.array(
        [
            scores_of(count_set(references, [t + offset for t in hypotheses], tolerance_sec)).f1
            for offset in offsets_sec
        ]
    )
