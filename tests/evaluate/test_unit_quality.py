"""Codebook use, bitrates, purity and PNMI by hand and against scikit-learn."""

import math

import numpy as np
import pytest

from espnet_entropy.evaluate.unit_quality import (
    bitrates,
    codebook_use,
    entropy_nats,
    joint_counts,
    phone_quality,
)


def test_codebook_use():
    even = codebook_use(np.array([5, 5, 0, 5, 5, 0]))
    assert (even.num_units, even.used) == (6, 4) and even.perplexity == pytest.approx(4)
    assert codebook_use(np.array([0, 9])).perplexity == 1.0
    # 1/2, 1/4, 1/4: 1.5 bits
    assert codebook_use(np.array([2, 1, 1])).perplexity == pytest.approx(2**1.5)
    with pytest.raises(ValueError, match="none of the 3 units occurs"):
        codebook_use(np.zeros(3, int))


def test_bitrates_of_runs_by_hand():
    """0 0 1 1 1 1 | 1 1 at 4 Hz: units 0 (1 of 3), 1 (2 of 3); lengths 2 4 2."""
    units, lengths = np.array([0, 0, 1, 1, 1, 1]), np.array([2, 4])
    made = bitrates([(units, lengths), (np.array([1, 1]), np.array([2]))], 8, 4.0)
    third = -(math.log2(1 / 3) + 2 * math.log2(2 / 3)) / 3
    assert made.segments_hz == 1.5
    assert made.uniform_bps == pytest.approx(1.5 * 3)
    assert made.entropy_bps == pytest.approx(1.5 * third)
    assert made.uniform_durations_bps == pytest.approx(1.5 * (3 + 2))
    # The lengths have the same frequencies, 2/3 and 1/3.
    assert made.entropy_durations_bps == pytest.approx(1.5 * 2 * third)


def test_the_symbol_of_a_segment_is_its_most_frequent_unit():
    # 3 7 7 -> 7; 5 2 -> 5, the first of equals; 5 -> 5: two symbols, 1/3 and 2/3
    made = bitrates([(np.array([3, 7, 7, 5, 2, 5]), np.array([3, 2, 1]))], 8, 50.0)
    expected = entropy_nats(np.array([1, 2])) / math.log(2)
    assert made.entropy_bps == pytest.approx(made.segments_hz * expected)


def test_one_frame_segments_have_durations_that_cost_nothing():
    units = np.arange(16) % 4
    made = bitrates([(units, np.ones(16, int))], 4, 50.0)
    assert made.uniform_bps == made.uniform_durations_bps == pytest.approx(100)
    assert made.entropy_bps == made.entropy_durations_bps == pytest.approx(100)
    with pytest.raises(ValueError, match="no segments"):
        bitrates([], 4, 50.0)


def test_joint_counts():
    pairs = [(np.array([0, 0, 2]), ["a", "b", "b"]), (np.array([2]), ["b"])]
    joint, names = joint_counts(pairs, 3)
    assert names == ["a", "b"]
    np.testing.assert_array_equal(joint, [[1, 1], [0, 0], [0, 2]])
    with pytest.raises(ValueError, match="2 units but 1 labels"):
        joint_counts([(np.array([0, 1]), ["a"])], 3)


def test_purities_by_hand():
    joint = np.array([[3, 1], [0, 2], [1, 1]])
    made = phone_quality(joint)
    assert made.phone_purity == pytest.approx((3 + 2 + 1) / 8)
    assert made.cluster_purity == pytest.approx((3 + 2) / 8)
    assert (made.num_frames, made.num_phones) == (8, 2)


@pytest.mark.parametrize("seed", range(3))
def test_pnmi_is_the_mutual_information_of_scikit_learn(seed):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    units, phones = rng.integers(12, size=500), rng.integers(5, size=500)
    phones[units < 6] = units[units < 6] % 5
    joint, _ = joint_counts([(units, [str(p) for p in phones])], 12)
    expected = metrics.mutual_info_score(phones, units) / entropy_nats(np.bincount(phones))
    assert phone_quality(joint).pnmi == pytest.approx(expected)


def test_pnmi_at_the_ends():
    told = phone_quality(np.diag([3, 4, 5]))
    assert (told.phone_purity, told.cluster_purity) == (1, 1) and told.pnmi == pytest.approx(1)
    untold = phone_quality(np.outer([1, 2], [3, 4]))
    assert untold.pnmi == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("joint", [np.array([[3], [4]]), np.array([[3, 0]]), np.zeros((2, 2), int)])
def test_a_single_phone_is_refused(joint):
    with pytest.raises(ValueError, match="purity and PNMI need two"):
        phone_quality(joint)
