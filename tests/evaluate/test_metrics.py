"""Rates of segmentations."""

import torch

from espnet_entropy.evaluate.metrics import RateReport, segment_rate


def test_segment_rate_counts_no_padding():
    lengths = torch.tensor([[2, 1, 1], [4, 0, 0]])
    assert segment_rate(lengths, 50.0) == RateReport(
        rate_hz=25.0, num_segments=4, seconds=0.16, single_share=0.5
    )
    assert segment_rate(lengths, 25.0).rate_hz == 12.5
