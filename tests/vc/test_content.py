"""Segments back to time, against loops."""

import pytest
import torch

from espnet_entropy.aggregate.encoder import Encoded
from espnet_entropy.vc.content import ContentDecoder, expand, positions, segment_means
from espnet_entropy.vc.prosody import prosody

LENGTHS = ((3, 1, 2), (4, 1))  # of segments


def encoded() -> Encoded:
    torch.manual_seed(0)
    ids = torch.full((2, 6), -1)
    lengths = torch.zeros(2, 3, dtype=torch.long)
    for row, segments in enumerate(LENGTHS):
        lengths[row, : len(segments)] = torch.tensor(segments)
        ids[row, : sum(segments)] = torch.arange(len(segments)).repeat_interleave(
            torch.tensor(segments)
        )
    return Encoded(torch.randn(2, 3, 4), lengths, ids)


def test_expand_positions_and_means():
    given, values = encoded(), torch.randn(2, 6, 2)
    vectors, places, means = expand(given), positions(given), segment_means(values, given)
    for row, segments in enumerate(LENGTHS):
        start = 0
        for number, length in enumerate(segments):
            for offset in range(length):
                t = start + offset
                assert torch.equal(vectors[row, t], given.vectors[row, number])
                expected = torch.tensor([(offset + 0.5) / length, float(length)])
                expected[1] = expected[1].log()
                torch.testing.assert_close(places[row, t], expected)
                torch.testing.assert_close(
                    means[row, t], values[row, start : start + length].mean(0)
                )
            start += length
        for result in (vectors, places, means):
            assert not result[row, start:].any()


def test_means_do_not_read_the_padding():
    given, values = encoded(), torch.randn(2, 6, 2)
    means = segment_means(values, given)
    values[1, 5] = float("nan")
    torch.testing.assert_close(segment_means(values, given), means)


def test_decoder_does_not_see_the_padding():
    torch.manual_seed(0)
    decoder = ContentDecoder(4, 3, 6, dim=8, num_layers=2)
    content, speaker = torch.randn(1, 5, 4), torch.randn(1, 3)
    hidden, mel = decoder(content, speaker, torch.ones(1, 5, dtype=torch.bool))
    longer = torch.cat([content, 100 * torch.ones(1, 3, 4)], dim=1)
    valid = torch.tensor([[True] * 5 + [False] * 3])
    for short, long in zip((hidden, mel), decoder(longer, speaker, valid), strict=True):
        torch.testing.assert_close(long[:, :5], short)
    with pytest.raises(ValueError, match="kernel 4 must be odd"):
        ContentDecoder(4, 3, 6, kernel=4)


def test_prosody_is_relative():
    pitch = torch.tensor([[5.0, 5.2, 0.0, 0.0, 4.8, 5.0], [5.0, 5.0, 0.0, 5.0, 9.0, 9.0]])
    mel = torch.tensor([-3.0, -1.0, -2.0, -2.0, -2.0, -2.0]).view(1, 6, 1).expand(2, 6, 3)
    values = prosody(pitch, mel, torch.tensor([6, 4]), 2)
    expected = torch.tensor([[0.1, 1.0, 0.0], [0.0, 0.0, 0.0], [-0.1, 1.0, 0.0]])
    torch.testing.assert_close(values[0], expected)
    torch.testing.assert_close(values[1, 1], torch.tensor([0.0, 0.5, 0.0]))
    assert not values[1, 2].any()
    # An octave higher and ten times as loud is the same.
    again = prosody(torch.where(pitch > 0, pitch + 0.7, 0.0), mel + 1, torch.tensor([6, 4]), 2)
    torch.testing.assert_close(again, values, atol=1e-5, rtol=0)
