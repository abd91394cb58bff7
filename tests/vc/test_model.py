"""The model learns two utterances, converts, and refuses what does not fit."""

import numpy as np
import pytest
import torch

from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.vc.model import PROSODY, ConversionModel, Utterance


def tiny(**conf) -> ConversionModel:
    torch.manual_seed(0)
    frontend = EntropyFrontend(num_units=8, segmenter="fixed", rate=25.0, output_size=8)
    # Fixed segments need no threshold, but without a bundle the frontend asks for a known one.
    frontend.encoder.thresholds.zero_()
    conf = {"content_conf": {"dim": 16, "num_layers": 1}} | conf
    dit_conf = {"dim": 32, "num_blocks": 2, "num_heads": 2}
    model = ConversionModel(frontend, n_mels=4, speaker_dim=3, dit_conf=dit_conf, **conf)
    model.mel_mean.fill_(-2.0)
    model.mel_scale.fill_(0.5)
    return model


def batch() -> dict:
    torch.manual_seed(1)
    units = torch.stack([torch.randint(0, 8, (2, 10)).float(), torch.rand(2, 10)], dim=-1)
    lengths = torch.tensor([10, 7])
    mel = units[..., :1].repeat_interleave(2, 1).expand(-1, -1, 4) / 4 - 3
    return {
        "units": units,
        "units_lengths": lengths,
        "mel": mel.contiguous(),
        "mel_lengths": 2 * lengths,
        "speaker": torch.randn(2, 3),
        "pitch": 5 + torch.rand(2, 20),
    }


def utterance(given: dict, index: int) -> Utterance:
    length = int(given["units_lengths"][index])
    frames = {name: given[name][index, : 2 * length] for name in ("mel", "pitch")}
    return Utterance(given["units"][index, :length], **frames)


@pytest.mark.parametrize("regression", [True, False])
def test_loss_falls(regression):
    model, given = tiny(regression=regression), batch()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        loss, stats, weight = model(**given)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(stats["flow"].item())
    assert weight.item() == 2
    assert sum(losses[-20:]) < 0.8 * sum(losses[:20])
    used = {name for name, p in model.named_parameters() if p.requires_grad and p.grad is None}
    assert not used, "DDP refuses parameters without a gradient"


@pytest.mark.parametrize("prosody", PROSODY)
def test_padding_does_not_matter(prosody):
    model, given = tiny(prosody=prosody).eval(), batch()
    loss = model(**given)[0]
    given["mel"][1, 14:] = float("nan")
    given["pitch"][1, 14:] = 3.0
    torch.testing.assert_close(model(**given)[0], loss)


@pytest.mark.parametrize(
    "conf",
    [
        {},
        {"use_positions": False},
        {"use_units": True},
        {"regression": False},
        *({"prosody": prosody} for prosody in PROSODY),
    ],
)
def test_convert_gives_frames_of_the_source(conf):
    model, given = tiny(**conf).eval(), batch()
    source, prompt = utterance(given, 0), utterance(given, 1)
    options = {"num_steps": 2, "solver": "midpoint", "temperature": 0.6}
    mel = model.convert(source, prompt, given["speaker"][1], **options)
    assert mel.shape == (20, 4) and mel.isfinite().all()
    other = model.convert(source, prompt, -given["speaker"][1], **options)
    assert not torch.equal(mel, other)
    other_noise = model.convert(source, prompt, given["speaker"][1], seed=1, **options)
    assert not torch.equal(mel, other_noise)


def test_the_prompt_stays_on_its_path_while_the_rest_is_made():
    model, given = tiny(regression=False).eval(), batch()
    seen = []
    model.dit.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0][0]))
    source, prompt = utterance(given, 0), utterance(given, 1)
    model.convert(source, prompt, given["speaker"][1], num_steps=2, temperature=0.3)
    start, half = (x[: len(prompt.units)] for x in seen)
    expected = model._steps(prompt.mel.unsqueeze(0))[0]
    torch.testing.assert_close(2 * half - start, expected)
    # Its noise is that of training, whatever the temperature; the rest begins with less.
    assert start.std() > 0.8 > 0.5 > seen[0][len(prompt.units) :].std()


@pytest.mark.parametrize(
    "options", [{"temperature": float("nan")}, {"guidance": -1.0}, {"seed": 2**70}]
)
def test_settings_out_of_range(options):
    model, given = tiny().eval(), batch()
    with pytest.raises(ValueError, match=f"{next(iter(options))} .* must lie between"):
        model.convert(utterance(given, 0), utterance(given, 1), given["speaker"][1], **options)


def test_epochs_are_compared_on_the_same_draws():
    model, given = tiny().eval(), batch()
    first = model(**given)[0]
    assert torch.equal(first, model(**given)[0])
    model.train()
    assert not torch.equal(model(**given)[0], model(**given)[0])


def test_without_noise_it_is_the_regression_that_a_new_model_gives():
    """The gates of a new transformer are zero, but its last layer is not: temperature scales it."""
    model, given = tiny().eval(), batch()
    torch.nn.init.zeros_(model.dit.to_velocity.weight)
    torch.nn.init.zeros_(model.dit.to_velocity.bias)
    source, prompt, voice = utterance(given, 0), utterance(given, 1), given["speaker"][1]
    mel = model.convert(source, prompt, voice, temperature=0.0)
    names = ("units", "units_lengths", "mel", "mel_lengths", "pitch")
    known = model._known(*(given[name][:1] for name in names))
    blurred = model.content(known, voice.unsqueeze(0), torch.ones(1, 10, dtype=torch.bool))[1]
    torch.testing.assert_close(mel, blurred.view(20, 4) * 0.5 - 2.0)


def test_statistics(tmp_path):
    frames = np.random.default_rng(0).normal(3.0, 2.0, (500, 4)).astype(np.float32)
    sums = {"count": 500, "sum": frames.sum(0), "sum_square": (frames**2).sum(0)}
    np.savez(tmp_path / "mel_stats.npz", **sums)
    model = ConversionModel(
        tiny().frontend, n_mels=4, speaker_dim=3, mel_stats=str(tmp_path / "mel_stats.npz")
    )
    np.testing.assert_allclose(model.mel_mean, frames.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model.mel_scale, frames.std(0), rtol=1e-4)
    with pytest.raises(ValueError, match=r"\(4,\) means, but the spectrogram 5"):
        ConversionModel(tiny().frontend, n_mels=5, mel_stats=str(tmp_path / "mel_stats.npz"))


def test_refused():
    model, given = tiny(), batch()
    with pytest.raises(ValueError, match="utterance 1 .* 7 units but 13 mel frames"):
        model(**given | {"mel_lengths": torch.tensor([20, 13])})
    with pytest.raises(ValueError, match="needs the pitch"):
        model(**given | {"pitch": None})
    for conf, message in (
        ({"drop_condition": 1.0}, "drop_condition 1"),
        ({"prosody": "all"}, "'all' is none of"),
        ({"frames_per_unit": 0}, "frames_per_unit 0"),
    ):
        with pytest.raises(ValueError, match=message):
            tiny(**conf)
    model.mel_mean.fill_(float("nan"))
    with pytest.raises(ValueError, match="no statistics"):
        model(**given)
