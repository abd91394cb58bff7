"""Boundary scores against slow references and hand-computed cases."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.boundary_scores import (
    BoundaryScores,
    Reference,
    bootstrap_f1,
    chance_counts,
    count_matches,
    count_set,
    offset_scan,
    reference_of,
    scores_of,
    within,
)


def most_matches(left, right, tolerance) -> int:
    """The largest one-to-one matching, by trying to match each time to every other."""
    if not left:
        return 0
    best = most_matches(left[1:], right, tolerance)
    for place, time in enumerate(right):
        if abs(time - left[0]) <= tolerance:
            rest = right[:place] + right[place + 1 :]
            best = max(best, 1 + most_matches(left[1:], rest, tolerance))
    return best


times_ms = st.lists(st.integers(0, 120), max_size=6, unique=True).map(sorted)


@given(times_ms, times_ms, st.sampled_from([0, 10, 20, 40]))
def test_matches_are_the_most_there_can_be(left, right, tolerance):
    found = count_matches(np.array(left) / 1000, np.array(right) / 1000, tolerance / 1000)
    assert found == most_matches(left, right, tolerance)


def test_the_tolerance_is_included_whatever_floats_say():
    assert 0.34 - 0.32 > 0.02
    assert count_matches(np.array([0.32]), np.array([0.34]), 0.02) == 1
    assert count_matches(np.array([0.32]), np.array([0.3401]), 0.02) == 0


def test_scores_by_hand():
    scores = BoundaryScores(hits=6, num_reference=8, num_hypothesis=12)
    assert scores.precision == 0.5 and scores.recall == 0.75
    assert scores.f1 == pytest.approx(0.6)
    assert scores.over_segmentation == pytest.approx(scores.recall / scores.precision - 1)
    # r1 = sqrt(0.25^2 + 0.5^2), r2 = (-0.5 + 0.75 - 1) / sqrt 2
    expected = 1 - (math.sqrt(0.3125) + 0.75 / math.sqrt(2)) / 2
    assert scores.r_value == pytest.approx(expected)


def test_scores_at_the_ends():
    perfect = BoundaryScores(5, 5, 5)
    assert (perfect.f1, perfect.over_segmentation, perfect.r_value) == (1, 0, 1)
    none = BoundaryScores(0, 5, 0)
    assert (none.precision, none.recall, none.f1, none.over_segmentation) == (0, 0, 0, -1)
    # Boundaries everywhere have all of the recall, and an R-value that says so.
    assert BoundaryScores(5, 5, 50).r_value < 0 < BoundaryScores(5, 5, 50).f1


WORD = [Interval(0.0, 0.2, "SIL"), Interval(0.2, 0.4, "a"), Interval(0.4, 0.6, "b")]


def test_reference_is_scored_where_somebody_speaks():
    made = reference_of([*WORD, Interval(0.6, 1.0, "")], 1.0)
    np.testing.assert_array_equal(made.boundaries, [0.2, 0.4, 0.6])
    assert made.region == pytest.approx((0.16, 0.64))
    assert made.seconds == pytest.approx(0.48)
    assert reference_of(WORD[:1], 1.0) is None


def test_edges_of_the_utterance_are_no_boundaries():
    made = reference_of([Interval(0.0, 0.3, "a"), Interval(0.3, 0.59, "b")], 0.6)
    np.testing.assert_array_equal(made.boundaries, [0.3])
    assert made.region == pytest.approx((0.02, 0.58))


def test_counts_leave_out_what_lies_outside_of_the_region():
    reference = Reference(np.array([0.2, 0.4]), (0.16, 0.44))
    counts = count_set([reference], [np.array([0.02, 0.16, 0.22, 0.3, 0.44, 0.46])], 0.02)
    np.testing.assert_array_equal(counts, [[1, 2, 4]])


def test_scores_sum_counts_up_before_they_divide():
    counts = np.array([[1, 1, 1], [0, 9, 3]])
    assert scores_of(counts).recall == 0.1  # the mean of the utterances' would be 0.5


@pytest.mark.parametrize("counts", [np.zeros((3, 3)), np.zeros((0, 3)), np.array([[0, 0, 5]])])
def test_empty_references_are_refused(counts):
    with pytest.raises(ValueError, match="have no boundary inside"):
        scores_of(counts)


def test_a_single_utterance_has_no_interval():
    assert bootstrap_f1(np.array([[1, 2, 2]])) is None


def test_the_interval_is_that_of_resampled_utterances():
    rng = np.random.default_rng(1)
    references = rng.integers(5, 20, size=40)
    counts = np.stack([rng.binomial(references, 0.5), references, references], axis=1)
    low, high = bootstrap_f1(counts)
    f1 = scores_of(counts).f1
    # With as many hypotheses as references F1 is the share of hits, nearly binomial.
    spread = 1.96 * math.sqrt(f1 * (1 - f1) / references.sum())
    assert low < f1 < high
    assert high - low == pytest.approx(2 * spread, rel=0.35)
    assert bootstrap_f1(counts) == (low, high) != bootstrap_f1(counts, seed=1)
    same = np.array([[1, 2, 3]] * 5)
    assert bootstrap_f1(same) == (0.4, 0.4)


def speech(num_utts=30, seconds=4.0, seed=0):
    rng = np.random.default_rng(seed)
    references = []
    for _ in range(num_utts):
        gaps = rng.uniform(0.05, 0.15, size=60).cumsum()
        references.append(Reference(gaps[gaps < seconds], (0.02, seconds)))
    return references


def test_chance_keeps_the_number_the_region_and_the_grid():
    references = speech(5)
    rng = np.random.default_rng(3)
    hypotheses = [np.sort(rng.choice(190, 40, replace=False) + 2) / 50 - 0.01 for _ in references]
    for chance in ("random", "uniform", "shift"):
        counts = chance_counts(references, hypotheses, 0.02, chance=chance, frame_rate_hz=50.0)
        inside = [len(within(h, r.region)) for h, r in zip(hypotheses, references, strict=True)]
        np.testing.assert_allclose(counts[:, 2], inside)
        np.testing.assert_array_equal(counts[:, 1], [len(r.boundaries) for r in references])


def test_perfect_boundaries_lie_far_above_chance_and_chance_where_it_must():
    references = speech()
    perfect = [np.rint(r.boundaries * 50) / 50 for r in references]
    assert scores_of(count_set(references, perfect, 0.02)).f1 > 0.97
    for chance in ("random", "uniform", "shift"):
        found = chance_counts(references, perfect, 0.02, chance=chance, frame_rate_hz=50.0)
        assert 0.3 < scores_of(found).f1 < 0.6, chance


def test_a_boundary_on_every_frame_is_worth_what_chance_is():
    references = speech(5)
    every = [np.arange(1, 200) / 50 for _ in references]
    own = scores_of(count_set(references, every, 0.02)).f1
    for chance in ("random", "uniform", "shift"):
        found = chance_counts(references, every, 0.02, chance=chance, frame_rate_hz=50.0)
        assert scores_of(found).f1 == pytest.approx(own)


def test_shift_keeps_the_gaps():
    """Of evenly spaced boundaries that fit into the region a shift is another even spacing."""
    region = Reference(np.array([0.1]), (0.0, 0.98))
    grid = np.arange(0, 1, 0.1)
    found = chance_counts([region], [grid], 0.0, chance="shift", frame_rate_hz=50.0, num_draws=50)
    # One of five phases meets 0.1 exactly; phase 0 is four times in 49 shifts.
    assert found[0, 0] == pytest.approx(9 / 49, abs=0.15) and found[0, 0] > 0


def test_no_boundaries_and_one_frame():
    region = Reference(np.array([0.1]), (0.1, 0.1))
    for chance in ("random", "uniform", "shift"):
        options = dict(chance=chance, frame_rate_hz=50.0)
        empty = chance_counts([region], [np.empty(0)], 0.02, **options)
        np.testing.assert_array_equal(empty, [[0, 1, 0]])
        one = chance_counts([region], [np.array([0.1])], 0.02, **options)
        np.testing.assert_array_equal(one, [[1, 1, 1]])


def test_offset_scan_finds_a_delay():
    references = speech()
    late = [r.boundaries + 0.06 for r in references]
    offsets = np.arange(-10, 11) / 100
    f1 = offset_scan(references, late, 0.02, offsets)
    best = offsets[f1 > f1.max() - 0.02]
    assert best.min() >= -0.081 and best.max() <= -0.039
    assert f1.max() > 0.97 and f1[offsets == 0][0] < 0.5
