"""Differences between systems, with intervals over utterances and seeds."""

import numpy as np
import pytest

from espnet_entropy.verdicts import SAMPLES, paired_difference, verdict


def slow(ours, other, tokens, seed):
    """Utterance by utterance, seed by seed."""
    random = np.random.default_rng(seed)
    means = []
    for _ in range(SAMPLES):
        utts = random.integers(len(tokens), size=len(tokens))
        seeds = random.integers(len(ours), size=len(ours))
        rates = []
        for r in seeds:
            errors = sum(ours[r][u] - other[r][u] for u in utts)
            rates.append(100 * errors / sum(tokens[u] for u in utts))
        means.append(sum(rates) / len(rates))
    return np.percentile(means, [2.5, 97.5])


def test_against_loops():
    random = np.random.default_rng(1)
    ours, other = random.integers(0, 4, (3, 12)), random.integers(0, 4, (3, 12))
    tokens = random.integers(3, 8, 12)
    found = paired_difference(ours, other, tokens, seed=5)
    low, high = slow(ours.tolist(), other.tolist(), tokens.tolist(), 5)
    assert (found.low, found.high) == pytest.approx((low, high))
    expected = [100 * (ours[r].sum() - other[r].sum()) / tokens.sum() for r in range(3)]
    assert found.by_seed == pytest.approx(expected) and found.mean == pytest.approx(
        sum(expected) / 3
    )


@pytest.mark.parametrize(
    ("gap", "num_seeds", "expected"),
    [
        (-1, 3, "held"),
        (1, 3, "failed"),
        (0, 3, "too small to decide"),
        (-1, 2, "open: 2 of 3 seeds"),
    ],
)
def test_verdicts(gap, num_seeds, expected):
    other = np.full((num_seeds, 20), 2)
    difference = paired_difference(other + gap, other, np.full(20, 5))
    assert verdict(difference) == expected
    assert difference.mean == pytest.approx(20 * gap)


@pytest.mark.parametrize(
    ("ours", "other", "tokens", "message"),
    [
        ((3, 4), (2, 4), 4, "of the same seeds"),
        ((3, 4), (3, 4), 5, "of the same seeds"),
        ((0, 4), (0, 4), 4, "of which there are some"),
    ],
)
def test_refused(ours, other, tokens, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(np.zeros(ours, int), np.zeros(other, int), np.ones(tokens, int))
    with pytest.raises(ValueError, match="have no token"):
        paired_difference(np.zeros((1, 2), int), np.zeros((1, 2), int), np.zeros(2, int))
