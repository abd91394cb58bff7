"""Word discovery: segments against the words of alignments, as ZeroSpeech 2017, track 2, has it.

Two programs score this task, and their figures differ (`SCHEMES`):

- `time`: the challenge's first program (github.com/bootphon/tde, branch zerospeech2017; it made the
  figures published for Mboshi). Segments are cut at the pauses of the alignment. All starts and
  ends of segments and words count, those at pauses too; one is found if another lies less than
  30 ms away, and several may be near the same one. A word is found if a segment covers no other
  word and starts and ends at most 30 ms away from it. Here a word counts as found once, there with
  each such segment.
- `phone`: its successor (github.com/bootphon/tdev2). A segment becomes the phones that it covers by
  30 ms or by half; then boundaries and words must be equal.

Both know where the pauses are, and boundaries at pauses need not be discovered. `inner` leaves them
out: as `time`, without the edges of each stretch of speech and what lies less than 30 ms from one.
"""

from dataclasses import dataclass

import numpy as np

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.boundary_scores import TICKS_PER_SEC, r_value, to_ticks

SCHEMES = ("time", "phone", "inner")
TOLERANCE = round(0.03 * TICKS_PER_SEC)
# Words that are nearer to each other follow without a pause.
_TOGETHER = round(0.001 * TICKS_PER_SEC)


@dataclass(frozen=True)
class GoldWords:
    """Words and phones of one utterance in whole 1/100000 s.

    Attributes:
        words: (W, 2) int64 starts and ends, ascending.
        phones: (P, 2) int64, those of the words.
        stretches: (S, 2) int64, words that follow each other without a pause.
    """

    words: np.ndarray
    phones: np.ndarray
    stretches: np.ndarray


@dataclass(frozen=True)
class WordScores:
    """Counts of a set, and what follows from them; rates are shares, not per cent.

    Attributes:
        right: boundaries of segments that are near one of words.
        num_hypothesis: boundaries of segments.
        found: boundaries of words that are near one of segments.
        num_reference: boundaries of words, at least 1.
        words_found: words that are segments.
        num_segments: segments that are not in pauses.
        num_words: words.
    """

    right: int
    num_hypothesis: int
    found: int
    num_reference: int
    words_found: int
    num_segments: int
    num_words: int

    @property
    def precision(self) -> float:
        """Of boundaries; 0 if there are none."""
        return self.right / self.num_hypothesis if self.num_hypothesis else 0.0

    @property
    def recall(self) -> float:
        """Of boundaries."""
        return self.found / self.num_reference

    @property
    def f1(self) -> float:
        """Of boundaries."""
        return harmonic_mean(self.precision, self.recall)

    @property
    def over_segmentation(self) -> float:
        """Boundaries of segments / boundaries of words - 1."""
        return self.num_hypothesis / self.num_reference - 1

    @property
    def r_value(self) -> float:
        """See `boundary_scores.r_value`."""
        return r_value(self.recall, self.over_segmentation)

    @property
    def token_precision(self) -> float:
        """Words found / segments; 0 if there are none."""
        return self.words_found / self.num_segments if self.num_segments else 0.0

    @property
    def token_recall(self) -> float:
        """Words found / words."""
        return self.words_found / self.num_words

    @property
    def token_f1(self) -> float:
        """Of words."""
        return harmonic_mean(self.token_precision, self.token_recall)

    def as_json(self) -> dict:
        """All figures by name."""
        derived = [name for name, value in vars(type(self)).items() if isinstance(value, property)]
        return vars(self) | {name: getattr(self, name) for name in derived}


def harmonic_mean(precision: float, recall: float) -> float:
    """F1; 0 if both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def gold_words(words: list[Interval], phones: list[Interval]) -> GoldWords | None:
    """What the segments of an utterance are compared with; None if it has no words.

    Args:
        words: of the utterance, in order; silences may be among them.
        phones: likewise.

    Raises:
        ValueError: a word starts or ends where no phone does.
    """
    spoken, parts = _spoken(words), _spoken(phones)
    if not len(spoken):
        return None
    for edge in np.setdiff1d(spoken, parts):
        raise ValueError(
            f"a word starts or ends at {edge / TICKS_PER_SEC:g} s, where no phone does; give words "
            "and phones of the same alignment"
        )
    gaps = spoken[1:, 0] - spoken[:-1, 1] > _TOGETHER
    begins = np.flatnonzero(np.concatenate([[True], gaps]))
    ends = np.flatnonzero(np.concatenate([gaps, [True]]))
    return GoldWords(spoken, parts, np.stack([spoken[begins, 0], spoken[ends, 1]], axis=1))


def _spoken(intervals: list[Interval]) -> np.ndarray:
    times = [interval[:2] for interval in intervals if not interval.is_silence]
    return to_ticks(np.array(times, dtype=np.float64).reshape(-1, 2))


def count_words(
    gold: GoldWords, times_sec: np.ndarray, duration_sec: float, scheme: str
) -> np.ndarray:
    """The counts of `WordScores` for one utterance: (7,) int64.

    Args:
        gold: of the utterance.
        times_sec: (n,) ascending seconds where segments start; those outside of the utterance are
            left out.
        duration_sec: of the utterance, where the last segment ends.
        scheme: one of SCHEMES.

    Raises:
        ValueError: no such scheme.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"scheme {scheme!r} is none of {', '.join(SCHEMES)}")
    end = int(to_ticks(duration_sec))
    inside = to_ticks(times_sec)
    inside = inside[(inside > 0) & (inside < end)]
    edges = np.concatenate([[0], inside, [end]])
    segments = np.stack([edges[:-1], edges[1:]], axis=1)
    if scheme == "phone":
        segments, tolerance = covered_phones(segments, gold.phones), 1
        words_found = len(set(map(tuple, segments)) & set(map(tuple, gold.words)))
    else:
        segments, tolerance = cut_at_pauses(segments, gold.stretches), TOLERANCE
        words_found = int(_is_segment(gold.words, segments).sum())
    found, reference = np.unique(segments), np.unique(gold.words)
    if scheme == "inner":
        outer = np.unique(gold.stretches)
        found, reference = (t[_distances(t, outer) >= TOLERANCE] for t in (found, reference))
    right = int((_distances(found, reference) < tolerance).sum())
    hits = int((_distances(reference, found) < tolerance).sum())
    sizes = (words_found, len(segments), len(gold.words))
    return np.array([right, len(found), hits, len(reference), *sizes], dtype=np.int64)


def cut_at_pauses(segments: np.ndarray, stretches: np.ndarray) -> np.ndarray:
    """Segments (n, 2) cut to the stretch (of (S, 2)) that they share most time with.

    Of several such the first is taken; segments in pauses are left out.
    Integers, as in `GoldWords`.
    """
    shared = _shared(segments, stretches)
    most, kept = stretches[shared.argmax(axis=1)], shared.max(axis=1) > 0
    cut = [np.maximum(segments[:, 0], most[:, 0]), np.minimum(segments[:, 1], most[:, 1])]
    return np.stack(cut, axis=1)[kept]


def covered_phones(segments: np.ndarray, phones: np.ndarray) -> np.ndarray:
    """Segments (n, 2) from the first to the last phone (of (P, 2)) that they cover.

    A phone is covered by 30 ms, or by half of it if it is shorter than 60 ms. Segments that cover
    none are left out. Integers, as in `GoldWords`.
    """
    lengths = phones[:, 1] - phones[:, 0]
    covered = _shared(segments, phones) >= np.minimum(TOLERANCE, lengths / 2)
    first, last = covered.argmax(axis=1), -1 - covered[:, ::-1].argmax(axis=1)
    return np.stack([phones[first, 0], phones[last, 1]], axis=1)[covered.any(axis=1)]


def _shared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n, 2), (m, 2) -> (n, m) time that two intervals share; negative where they do not meet."""
    ends = np.minimum(left[:, None, 1], right[None, :, 1])
    return ends - np.maximum(left[:, None, 0], right[None, :, 0])


def _is_segment(words: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """(W,) bool: one of the segments starts and ends near the word, and covers no other one."""
    shared = _shared(words, segments)
    lengths = (words[:, 1] - words[:, 0])[:, None], segments[:, 1] - segments[:, 0]
    covers = (shared > TOLERANCE) | (2 * shared > np.minimum(*lengths))
    near = (np.abs(words[:, None] - segments[None]) <= TOLERANCE).all(axis=2)
    return (near & covers & (covers.sum(axis=0) == 1)).any(axis=1)


def _distances(times: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) from each time to the nearest of the others, both ascending; far if there are none."""
    far = np.iinfo(np.int64).max // 4
    others = np.concatenate([[-far], others, [far]])
    place = np.searchsorted(others, times)
    return np.minimum(times - others[place - 1], others[place] - times)


def word_scores(counts: np.ndarray) -> WordScores:
    """Scores of a set from the counts (U, 7) of its utterances.

    Raises:
        ValueError: there is no boundary of a word in all of it.
    """
    total = WordScores(*(int(n) for n in counts.reshape(-1, 7).sum(axis=0)))
    if not total.num_reference:
        raise ValueError(
            f"{len(counts)} utterances have no boundary of a word: nothing can be scored; give "
            "alignments of speech"
        )
    return total


def pause_counts(gold: GoldWords, times_sec: np.ndarray, duration_sec: float) -> np.ndarray:
    """Boundaries in pauses, boundaries, time in pauses, time: (4,) int64.

    A pause begins and ends 30 ms from the words beside it. Time is in 1/100000 s.
    """
    times, end = to_ticks(times_sec), int(to_ticks(duration_sec))
    starts = np.concatenate([[0], gold.stretches[:, 1] + TOLERANCE])
    ends = np.concatenate([gold.stretches[:, 0] - TOLERANCE, [end]])
    inside = ((times[:, None] > starts) & (times[:, None] < ends)).any(axis=1)
    return np.array([inside.sum(), len(times), np.maximum(ends - starts, 0).sum(), end])
