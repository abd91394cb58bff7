"""Whether one system makes fewer errors than another, or too little was measured to say."""

from dataclasses import dataclass

import numpy as np

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


def paired_difference(ours: np.ndarray, other: np.ndarray, tokens: np.ndarray) -> Difference:
    """Mean difference, and a t interval of what seeds and utterances leave open.

    No bootstrap: three seeds drawn with replacement span their least to their greatest, and one in
    four pairs of equal systems has three of one sign. The variances of seeds and of utterances add
    up (what both share counts twice, which errs towards `too small to decide`); degrees of freedom
    are Welch's and Satterthwaite's.

    Args:
        ours, other: (R, U) int, errors of R seeds on U utterances, the same ones.
        tokens: (U,) int, of the references.

    Raises:
        ValueError: shapes that differ, no utterance, or references without a token.
    """
    if ours.shape != other.shape or ours.shape[1:] != tokens.shape or not ours.size:
        raise ValueError(
            f"errors {ours.shape} and {other.shape} and tokens {tokens.shape} must be of the same "
            "seeds and utterances, of which there are some"
        )
    total = tokens.sum()
    if not total:
        raise ValueError("the references have no token, so there is no rate")
    gaps = ours - other
    by_seed = 100 * gaps.sum(1) / total
    mean = float(by_seed.mean())
    # An utterance's share of how far the rate lies from its expectation.
    by_utt = (100 * gaps.mean(0) - mean * tokens) * len(tokens) / total
    half = _half_width(by_seed, by_utt)
    return Difference(mean, mean - half, mean + half, tuple(by_seed.tolist()))


def _half_width(*samples: np.ndarray) -> float:
    """Of the 95 % interval of a sum of the samples' means; of a single value nothing is known."""
    from scipy.stats import t

    parts = [
        (sample.var(ddof=1) / len(sample), len(sample) - 1) for sample in samples if len(sample) > 1
    ]
    variance = sum(part for part, _ in parts)
    if not variance:
        return 0.0
    freedom = variance**2 / sum(part**2 / count for part, count in parts)
    return float(t.ppf(0.975, freedom) * variance**0.5)


def verdict(difference: Difference) -> str:
    """`held` (fewer errors), `failed` (more), or why neither can be said."""
    if len(difference.by_seed) < FEWEST_SEEDS:
        return f"open: {len(difference.by_seed)} of {FEWEST_SEEDS} seeds"
    if difference.high < 0:
        return "held"
    return "failed" if difference.low > 0 else "too small to decide"
