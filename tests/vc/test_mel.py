"""Mel spectrograms and Griffin-Lim."""

import numpy as np
import pytest

from espnet_entropy.vc.mel import MelConfig, fit_frames, griffin_lim, log_mel


def tones(seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(16000 * seconds)) / 16000
    return (0.3 * np.sin(2 * np.pi * 440 * time) * (1 + np.sin(6 * time))).astype(np.float32)


def test_a_tone_is_in_its_band_and_frames_follow_the_hop():
    config = MelConfig()
    mel = log_mel(tones(), config)
    assert mel.shape == (101, 80) and mel.dtype == np.float32
    assert mel[50].argmax() == config.filters[:, round(440 * 1024 / 16000)].argmax()


def test_ten_times_as_loud_is_one_more():
    wave, config = tones(), MelConfig()
    mel = log_mel(wave, config)
    loud = mel > mel.max() - 4  # below is float32's rounding, not the tone
    np.testing.assert_allclose(mel[loud] + 1, log_mel(10 * wave, config)[loud], atol=1e-3)


def test_griffin_lim_gives_back_the_spectrogram():
    config, wave = MelConfig(), tones()
    mel = log_mel(wave, config)[:100]
    sound = griffin_lim(mel, config)
    assert sound.shape == (16000,)
    loud = mel > mel.max() - 2
    again = log_mel(sound, config)[:100]
    assert np.abs(again - mel)[loud].mean() < 0.15
    np.testing.assert_array_equal(sound, griffin_lim(mel, config))


def test_frames_of_units():
    assert MelConfig().frames_per_unit(50.0) == 2
    with pytest.raises(ValueError, match="divides 320"):
        MelConfig(hop_size=256).frames_per_unit(50.0)
    mel = np.arange(6, dtype=np.float32).reshape(3, 2)
    assert fit_frames(mel, 2).tolist() == [[0, 1], [2, 3]]
    assert fit_frames(mel, 5)[2:].tolist() == [[4, 5]] * 3


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (np.zeros(512, np.float32), "more than 512"),
        (np.zeros((2, 4000), np.float32), "one channel"),
        (np.full(4000, np.nan, np.float32), "finite"),
    ],
)
def test_refused_sound(wave, message):
    with pytest.raises(ValueError, match=message):
        log_mel(wave, MelConfig())


@pytest.mark.parametrize("conf", [{"hop_size": 0}, {"fmax": 9000.0}, {"floor": 0.0}])
def test_refused_settings(conf):
    with pytest.raises(ValueError, match="must"):
        MelConfig(**conf)
