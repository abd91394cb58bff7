"""Word-like segments out of short ones, without text: classes of segments, then BPE on the classes.

Runs of segments whose classes often follow each other become one. A segment's class is that of its
mean: k-means on the segments' means, in the space of the units' points. Few classes (20) find more
words than many.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.cluster.vq import kmeans2, vq

from espnet_entropy.data.kaldi import write_bytes
from espnet_entropy.units.bpe import UnitBpe, learn_bpe

MOST_LEARNED = 20_000
ITERATIONS = 15


def merge_segments(
    means: Mapping[str, np.ndarray],
    *,
    num_classes: int,
    vocab_size: int,
    model: Path,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Which segments start a longer one.

    Classes and pieces are learned on the segments themselves.

    Args:
        means: float (S, C) by utterance, S at least 1: the mean point of each segment.
        num_classes: of segments.
        vocab_size: number of pieces, the single classes included.
        model: file for the learned pieces.
        seed: of k-means, and of the segments (20,000 at most) that it learns from.

    Returns:
        (S,) bool by utterance, True at 0.

    Raises:
        ValueError: fewer segments than classes, or too few for so many pieces.
    """
    points = np.concatenate(list(means.values())).astype(np.float64)
    if len(points) < num_classes:
        raise ValueError(f"{len(points)} segments cannot be of {num_classes} classes; give more")
    rng = np.random.default_rng(seed)
    sample = points[rng.permutation(len(points))[:MOST_LEARNED]]
    centers, _ = kmeans2(sample, num_classes, iter=ITERATIONS, minit="++", seed=rng)
    ends = np.cumsum([len(row) for row in means.values()])[:-1]
    classes = dict(zip(means, np.split(vq(points, centers)[0], ends), strict=True))
    write_bytes(model, learn_bpe(classes.values(), num_classes, vocab_size))
    bpe = UnitBpe(model)
    return {utt: bpe.boundaries(row) for utt, row in classes.items()}


def segment_means(units: np.ndarray, starts: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The mean point of each segment.

    Args:
        units: int (T,), T at least 1.
        starts: (S - 1,) ascending frames at which segments start, without 0.
        points: (K, C) of the units.

    Returns:
        (S, C) float64.
    """
    edges = np.concatenate([[0], starts])
    sums = np.add.reduceat(points[units].astype(np.float64), edges, axis=0)
    return sums / np.diff(edges, append=len(units))[:, None]
