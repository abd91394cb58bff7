"""Word-like segments out of short ones."""

import numpy as np
import pytest

from espnet_entropy.evaluate.merged_segments import merge_segments, segment_means

POINTS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])


def test_means_by_hand():
    units = np.array([0, 1, 1, 2, 2, 2])
    means = segment_means(units, np.array([2, 3]), POINTS)
    assert means.tolist() == [[0.5, 0.0], [1.0, 0.0], [0.0, 3.0]]
    assert segment_means(units[:1], np.array([], dtype=int), POINTS).tolist() == [[0.0, 0.0]]


def utterances():
    """Random orders of the words AB, CDE and C; a letter is a class, seen with a little noise."""
    rng = np.random.default_rng(0)
    centers = 10 * np.eye(5)
    words = ([0, 1], [2, 3, 4], [2])
    means, begins = {}, {}
    for number in range(60):
        chosen = [words[i] for i in rng.integers(3, size=12)]
        letters = np.concatenate(chosen)
        means[f"u{number}"] = centers[letters] + rng.normal(0, 0.1, (len(letters), 5))
        begins[f"u{number}"] = np.concatenate([[True] + [False] * (len(w) - 1) for w in chosen])
    return means, begins


def test_what_often_follows_each_other_becomes_one(tmp_path):
    means, begins = utterances()
    options = dict(num_classes=5, vocab_size=8, model=tmp_path / "bpe.model")
    found = merge_segments(means, **options)
    # Three pieces beside the letters: AB, DE or CD, CDE.
    assert found.keys() == means.keys()
    agree = np.mean(np.concatenate([found[utt] == begins[utt] for utt in means]))
    assert agree > 0.99
    again = merge_segments(means, **options)
    assert all((found[utt] == again[utt]).all() for utt in means)


def test_too_few_segments(tmp_path):
    few = {"u": np.zeros((3, 2))}
    with pytest.raises(ValueError, match="3 segments cannot be of 4 classes"):
        merge_segments(few, num_classes=4, vocab_size=9, model=tmp_path / "m")
    with pytest.raises(ValueError, match="no BPE of 900 pieces over 5 units can be learnt"):
        merge_segments(utterances()[0], num_classes=5, vocab_size=900, model=tmp_path / "m")
