"""Whether one system makes fewer errors than another, or too little was measured to say."""

from dataclasses import dataclass

import numpy as np

SAMPLES = 2000
# Fewer seeds than this decide nothing.
FEWEST_SEEDS = 3


@dataclass(frozen=True)
class Difference:
    """Error rate of one system less that of another, in points (percent).

    Attributes:
        mean: over the seeds.
        low, high: 95 % interval, over utterances and seeds.
        by_seed: one a seed.
    """

    mean: float
    low: float
    high: float
    by_seed: tuple[float, ...]


def paired_difference(
    ours: np.ndarray, other: np.ndarray, tokens: np.ndarray, *, seed: int = 0
) -> Difference:
    """Percentile bootstrap over utterances and seeds, the same for both systems.

    Args:
        ours, other: (R, U) int, errors of R seeds on U utterances, the same ones.
        tokens: (U,) int, of the references.
        seed: of the bootstrap.

    Raises:
        ValueError: shapes that differ, no utterance, or references without a token.
    """
    if ours.shape != other.shape or ours.shape[1:] != tokens.shape or not ours.size:
        raise ValueError(
            f"errors {ours.shape} and {other.shape} and tokens {tokens.shape} must be of the same "
            "seeds and utterances, of which there are some"
        )
    if not tokens.sum():
        raise ValueError("the references have no token, so there is no rate")
    gaps = ours - other
    random = np.random.default_rng(seed)
    num_seeds, num_utts = gaps.shape
    means = []
    for _ in range(SAMPLES):
        drawn_utts = random.integers(num_utts, size=num_utts)
        drawn_seeds = random.integers(num_seeds, size=num_seeds)
        total = tokens[drawn_utts].sum()
        if total:
            means.append(gaps[drawn_seeds][:, drawn_utts].sum() / num_seeds / total)
    low, high = np.percentile(means, [2.5, 97.5])
    by_seed = 100 * gaps.sum(1) / tokens.sum()
    return Difference(
        float(by_seed.mean()), float(100 * low), float(100 * high), tuple(by_seed.tolist())
    )


def verdict(difference: Difference) -> str:
    """`held` (fewer errors), `failed` (more), or why neither can be said."""
    if len(difference.by_seed) < FEWEST_SEEDS:
        return f"open: {len(difference.by_seed)} of {FEWEST_SEEDS} seeds"
    if difference.high < 0:
        return "held"
    return "failed" if difference.low > 0 else "too small to decide"
