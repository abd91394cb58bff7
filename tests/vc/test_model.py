"""The model learns two utterances, converts, and refuses what does not fit."""

import pytest
import torch

from espnet_entropy.frontend import EntropyFrontend
from espnet_entropy.vc.model import ConversionModel


def tiny(**conf) -> ConversionModel:
    torch.manual_seed(0)
    frontend = EntropyFrontend(
        8, segmenter="fixed", rate=25.0, aggregator="mean", unit_init="random", output_size=8
    )
    # Fixed segments need no threshold, but without a bundle the frontend asks for a known one.
    frontend.encoder.threshold_record.zero_()
    dit_conf = {"dim": 32, "num_blocks": 2, "num_heads": 2}
    return ConversionModel(frontend, 4, 3, dit_conf=dit_conf, **conf)


def batch() -> dict:
    torch.manual_seed(1)
    units = torch.stack([torch.randint(0, 8, (2, 10)).float(), torch.rand(2, 10)], dim=-1)
    lengths = torch.tensor([10, 7])
    mel = units[..., :1].repeat_interleave(2, 1).expand(-1, -1, 4) / 4 - 3
    return {
        "units": units,
        "units_lengths": lengths,
        "mel": mel,
        "mel_lengths": 2 * lengths,
        "speaker": torch.randn(2, 3),
    }


def test_loss_falls_and_padding_does_not_matter():
    model, given = tiny(), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        loss, stats, weight = model(**given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(stats["loss"].item())
    assert weight.item() == 2
    assert sum(losses[-20:]) < 0.7 * sum(losses[:20])
    model.eval()
    torch.manual_seed(2)
    loss = model(**given)[0]
    given["mel"] = given["mel"].clone()
    given["mel"][1, 14:] = float("nan")
    torch.manual_seed(2)
    torch.testing.assert_close(model(**given)[0], loss)


@pytest.mark.parametrize("use_positions", [True, False])
def test_convert_gives_frames_of_the_source(use_positions):
    model, given = tiny(use_positions=use_positions).eval(), batch()
    units, prompt = given["units"][0], given["units"][1, :7]
    conf = {"num_steps": 2, "solver": "midpoint"}
    mel = model.convert(units, prompt, given["mel"][1, :14], given["speaker"][1], **conf)
    assert mel.shape == (20, 4) and mel.isfinite().all()


def test_refused():
    model, given = tiny(), batch()
    with pytest.raises(ValueError, match="utterance 1 .* 7 units but 13 mel frames"):
        model(**given | {"mel_lengths": torch.tensor([20, 13])})
    with pytest.raises(ValueError, match="drop_condition 1"):
        tiny(drop_condition=1.0)
