"""Whether one system makes fewer errors than another, or too little was measured to say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from espnet_entropy.report.comparison import FEWEST_SEEDS
from espnet_entropy.report.plot import pyplot_for, save_figure


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
        ValueError: the references have no token.
    """
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


def plot_differences(
    output: Path | str, rows: Sequence[tuple[str, Difference, str]], *, label: str
) -> None:
    """Plot what each claim was judged by: interval, mean and seeds, with the verdict at the right.

    Args:
        output: PNG to write.
        rows: claim, difference, verdict, from top to bottom; at least one.
        label: what differs, with its unit.

    Raises:
        ValueError: `output` does not end in .png.
    """
    pyplot = pyplot_for(output)
    figure, panel = pyplot.subplots(figsize=(9.5, 0.9 + 0.3 * len(rows)), layout="constrained")
    heights = range(len(rows), 0, -1)
    for height, (_, difference, _) in zip(heights, rows, strict=True):
        panel.plot([difference.low, difference.high], [height] * 2, color="black", lw=1)
        panel.plot(difference.by_seed, [height] * len(difference.by_seed), "|", color="0.4", ms=9)
        panel.plot(difference.mean, height, "o", color="black", ms=5)
    panel.axvline(0, color="black", lw=0.8, ls="--")
    panel.set_yticks(heights, [claim for claim, _, _ in rows])
    verdicts = panel.secondary_yaxis("right")
    verdicts.set_yticks(heights, [verdict for _, _, verdict in rows])
    panel.set_ylim(0.3, len(rows) + 0.7)
    panel.set_xlabel(
        f"{label}; left of zero, what the claim says\n"
        "dot: mean, strokes: seeds, line: 95 % interval"
    )
    panel.grid(axis="x", alpha=0.3)
    save_figure(figure, output)
