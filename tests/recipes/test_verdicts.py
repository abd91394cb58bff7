"""Differences between systems, with intervals over utterances and seeds."""

import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

sys.path.insert(0, str(Path(__file__).parents[2] / "egs2/core_sounds/local"))

from verdicts import (  # noqa: E402
    Difference,
    paired_difference,
    plot_differences,
    verdict,
)


def test_against_loops():
    random = np.random.default_rng(1)
    ours, other = random.integers(0, 4, (3, 12)), random.integers(0, 4, (3, 12))
    tokens = random.integers(3, 8, 12)
    found = paired_difference(ours, other, tokens)
    total = sum(tokens.tolist())
    seeds = [100 * (sum(ours[r]) - sum(other[r])) / total for r in range(3)]
    mean = sum(seeds) / 3
    assert found.by_seed == pytest.approx(seeds) and found.mean == pytest.approx(mean)
    of_seeds = sum((seed - mean) ** 2 for seed in seeds) / 2 / 3
    left = [100 * sum(ours[:, u] - other[:, u]) / 3 - mean * tokens[u] for u in range(12)]
    of_utts = sum(gap**2 for gap in left) * 12 / 11 / total**2
    freedom = (of_seeds + of_utts) ** 2 / (of_seeds**2 / 2 + of_utts**2 / 11)
    half = scipy.stats.t.ppf(0.975, freedom) * (of_seeds + of_utts) ** 0.5
    assert (found.low, found.high) == pytest.approx((mean - half, mean + half))


@pytest.mark.parametrize(
    ("of_seeds", "of_utts", "of_both"),
    [(2.0, 0.0, 0.0), (2.0, 0.5, 0.0), (1.4, 0.5, 1.2), (0.0, 1.0, 0.0), (0.0, 0.0, 1.3)],
)
def test_equal_systems_are_seldom_told_apart(of_seeds, of_utts, of_both):
    """Whatever the noise is of: 5 % of the verdicts, and what the estimate of few seeds costs."""
    random = np.random.default_rng(0)
    wrong, trials = 0, 1000
    for _ in range(trials):
        tokens = random.integers(3, 14, 105)
        gaps = random.normal(0, of_seeds / 100, (3, 1)) * tokens
        gaps = gaps + random.normal(0, of_utts, 105) + random.normal(0, of_both, (3, 105))
        wrong += verdict(paired_difference(gaps, np.zeros_like(gaps), tokens)) in ("held", "failed")
    assert wrong / trials < 0.1


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


def test_references_without_words():
    with pytest.raises(ValueError, match="have no token"):
        paired_difference(np.zeros((1, 2), int), np.zeros((1, 2), int), np.zeros(2, int))


def test_picture(tmp_path):
    rows = [("ours is better", Difference(-1.0, -2.0, 0.5, (-1.5, -0.5)), "open: 2 of 3 seeds")]
    plot_differences(tmp_path / "claims.png", rows, label="WER, points")
    assert (tmp_path / "claims.png").read_bytes().startswith(b"\x89PNG")
