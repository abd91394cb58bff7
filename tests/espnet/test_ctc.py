"""How many frames CTC needs, and how many ESPnet's input layers leave."""

import sys

import pytest
import torch
from espnet2.asr.encoder.transformer_encoder import Conv2dSubsampling, TransformerEncoder

from espnet_entropy.espnet import ctc

# The module of these classes moved in ESPnet 202609.
subsampling = sys.modules[Conv2dSubsampling.__module__]


@pytest.mark.parametrize(
    "labels, frames", [([], 0), ([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1], 5)]
)
def test_equal_neighbours_need_a_blank_between_them(labels, frames):
    assert ctc.ctc_frames(labels) == frames


LAYERS = ["linear", "conv1d2", "conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8"]


@pytest.mark.parametrize("layer", LAYERS)
def test_input_layers_have_espnets_lengths(layer):
    """One utterance alone; ESPnet's encoder refuses what leaves no frame."""
    encoder = TransformerEncoder(
        32, output_size=4, attention_heads=1, linear_units=4, num_blocks=1, input_layer=layer
    ).eval()
    for segments in range(1, 60):
        expected = ctc.subsampled(segments, layer)
        speech, lengths = torch.zeros(1, segments, 32), torch.tensor([segments])
        if expected == 0:
            with pytest.raises(subsampling.TooShortUttError):
                encoder(speech, lengths)
            continue
        vectors, frames, _ = encoder(speech, lengths)
        assert vectors.shape[1] == frames.item() == expected


@pytest.mark.parametrize(
    "layer, module",
    [("conv1d1", subsampling.Conv1dSubsampling1), ("conv1d3", subsampling.Conv1dSubsampling3)],
)
def test_input_layers_of_other_encoders(layer, module):
    embed = module(32, 4, 0.0).eval()
    for segments in range(7, 60):
        vectors, mask = embed(torch.zeros(1, segments, 32), torch.ones(1, 1, segments) > 0)
        assert vectors.shape[1] == mask.sum() == ctc.subsampled(segments, layer)
