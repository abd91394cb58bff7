"""Word discovery on cases counted by hand."""

import numpy as np
import pytest

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.word_discovery import (
    SCHEMES,
    count_words,
    cut_at_pauses,
    gold_words,
    pause_counts,
    word_scores,
)


def intervals(*times_ms, labels=None):
    """Intervals that follow each other, from times in ms; `labels` names them."""
    pairs = zip(times_ms[:-1], times_ms[1:], strict=True)
    names = labels or ["x"] * (len(times_ms) - 1)
    return [Interval(a / 1000, b / 1000, name) for (a, b), name in zip(pairs, names, strict=True)]


def counted(gold, times_ms, scheme, duration_ms=1000):
    return count_words(gold, np.array(times_ms) / 1000, duration_ms / 1000, scheme).tolist()


@pytest.fixture
def gold():
    """Words 100-300, 300-500, a pause, 600-900; in a second of sound."""
    words = intervals(0, 100, 300, 500, 600, 900, 1000, labels=["SIL", "a", "b", "sil", "c", ""])
    spoken = intervals(100, 160, 300, 340, 500), intervals(600, 700, 900)
    return gold_words(words, [*spoken[0], *spoken[1]])


# right, boundaries of segments, found, boundaries of words, words found, segments, words
@pytest.mark.parametrize(
    "times_ms, scheme, expected",
    [
        # The words themselves.
        ([100, 300, 500, 600, 900], "time", [5, 5, 5, 5, 3, 3, 3]),
        ([100, 300, 500, 600, 900], "phone", [5, 5, 5, 5, 3, 3, 3]),
        ([100, 300, 500, 600, 900], "inner", [1, 1, 1, 1, 3, 3, 3]),
        # Without boundaries, the whole second is cut to the longest stretch, or has all phones.
        ([], "time", [2, 2, 2, 5, 0, 1, 3]),
        ([], "phone", [2, 2, 2, 5, 0, 1, 3]),
        ([], "inner", [0, 0, 0, 1, 0, 1, 3]),
        # One in the pause makes two segments, which are cut to 100-500 and 600-900.
        ([550], "time", [4, 4, 4, 5, 1, 2, 3]),
        ([550], "phone", [4, 4, 4, 5, 1, 2, 3]),
        ([550], "inner", [0, 0, 0, 1, 1, 2, 3]),
        # Less than 30 ms away; a word may be 30 ms away.
        ([329.99, 550], "time", [5, 5, 5, 5, 3, 3, 3]),
        ([330, 550], "time", [4, 5, 4, 5, 3, 3, 3]),
        ([330.01, 550], "time", [4, 5, 4, 5, 1, 3, 3]),
        # Two near the same boundary are both right.
        ([290, 310, 550], "time", [6, 6, 5, 5, 3, 4, 3]),
        # 30 ms of the phone of 40 ms from 300: the first segment has it, the second has not.
        ([330, 550], "phone", [4, 5, 4, 5, 1, 3, 3]),
        # Less than its half: neither has changed.
        ([319, 550], "phone", [5, 5, 5, 5, 3, 3, 3]),
        # Half of it: both segments cover the phone.
        ([320, 550], "phone", [5, 6, 5, 5, 2, 3, 3]),
        # 30 ms of a phone of 60 ms and more.
        ([130, 300, 550], "phone", [5, 6, 5, 5, 3, 4, 3]),
        # Within 30 ms of an edge of speech nothing is scored by `inner`, at 30 ms it is.
        ([129.99, 300, 550], "inner", [1, 1, 1, 1, 3, 4, 3]),
        ([130, 300, 550], "inner", [1, 2, 1, 1, 3, 4, 3]),
        # Segments in the pause are not counted, nor are times outside of the utterance.
        ([0, 300, 520, 540, 560, 1000, 1200], "time", [5, 5, 5, 5, 3, 3, 3]),
    ],
)
def test_counts(gold, times_ms, scheme, expected):
    assert counted(gold, times_ms, scheme) == expected


def test_a_segment_goes_to_the_stretch_that_it_shares_most_time_with():
    stretches = np.array([[10, 50], [60, 90]])
    segments = np.array([[0, 40], [40, 75], [38, 72], [50, 60], [85, 100]])
    # The second shares 10 and 15 with them, the third 12 and 12, the fourth nothing.
    assert cut_at_pauses(segments, stretches).tolist() == [[10, 40], [60, 75], [38, 50], [85, 90]]


def test_a_segment_that_covers_more_than_half_of_another_word_is_no_word():
    words = intervals(0, 200, 240, 500)
    gold = gold_words(words, words)
    # 220 is near two boundaries, and either segment has just half of the short word.
    assert counted(gold, [220], "time", 500) == [3, 3, 4, 4, 2, 2, 3]
    assert counted(gold, [221], "time", 500) == [3, 3, 4, 4, 1, 2, 3]


def test_scores_of_a_set_by_hand():
    counts = np.array([[3, 4, 2, 4, 1, 3, 5], [3, 8, 4, 6, 0, 5, 5]])
    scores = word_scores(counts)
    assert scores.precision == 0.5 and scores.recall == 0.6
    assert scores.f1 == pytest.approx(0.6 / 1.1)
    assert scores.over_segmentation == pytest.approx(0.2)
    # r1 = sqrt(0.4^2 + 0.2^2), r2 = (-0.2 + 0.6 - 1) / sqrt 2
    assert scores.r_value == pytest.approx(1 - (0.2**0.5 + 0.6 / 2**0.5) / 2)
    assert scores.token_precision == 0.125 and scores.token_recall == 0.1
    assert scores.token_f1 == pytest.approx(0.025 / 0.225)
    assert scores.as_json()["token_f1"] == scores.token_f1


def test_nothing_found_and_nothing_to_find(gold):
    none = word_scores(np.array([[0, 0, 0, 2, 0, 0, 1]]))
    assert none.precision == none.recall == none.f1 == none.token_precision == none.token_f1 == 0
    with pytest.raises(ValueError, match="2 utterances have no boundary of a word"):
        word_scores(np.zeros((2, 7), dtype=np.int64))
    with pytest.raises(ValueError, match="0 utterances"):
        word_scores(np.zeros((0, 7), dtype=np.int64))
    silence = intervals(0, 500, labels=["sil"])
    assert gold_words(silence, silence) is None
    one = gold_words(intervals(0, 500), intervals(0, 500))
    assert counted(one, [100], "inner", 500) == [0, 1, 0, 0, 0, 2, 1]


def test_words_must_end_where_phones_do():
    with pytest.raises(ValueError, match=r"starts or ends at 0.3 s, where no phone does"):
        gold_words(intervals(0, 300, 500), intervals(0, 310, 500))


def test_unknown_scheme(gold):
    with pytest.raises(ValueError, match="scheme 'tde' is none of " + ", ".join(SCHEMES)):
        counted(gold, [], "tde")


def test_boundaries_in_pauses(gold):
    # Pauses: 0-70, 530-570 and 930-1000 ms.
    found = pause_counts(gold, np.array([0.05, 0.08, 0.3, 0.53, 0.54, 0.95]), 1.0)
    assert found.tolist() == [3, 6, 18_000, 100_000]
