"""Pitch, speaker embeddings and measures of sounds that are known."""

import numpy as np
import pytest

from espnet_entropy.vc.measures import (
    dnsmos,
    measure_voice,
    pitch_correlation,
    speaker_similarity,
    spectrum_distance,
)
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.pitch import track_pitch
from espnet_entropy.vc.speaker import embed_speaker


def voice(hertz: float, *, seconds: float = 1.5, slope: float = 1.0, depth: float = 0.1):
    """Harmonics of a pitch that moves up and down, falling with frequency."""
    time = np.arange(int(16000 * seconds)) / 16000
    frequency = hertz * (1 + depth * np.sin(2 * np.pi * 1.5 * time))
    phase = 2 * np.pi * np.cumsum(frequency) / 16000
    harmonics = range(1, int(7000 / (1.2 * hertz)))
    wave = sum(np.sin(number * phase) / number**slope for number in harmonics)
    return (0.3 * wave / np.abs(wave).max()).astype(np.float32)


def test_pitch_of_a_voice_and_of_noise():
    pitch = track_pitch(voice(150.0, depth=0.0), 16000, 160)
    assert pitch.shape == (151,) and pitch.dtype == np.float32
    assert np.exp(np.median(pitch[pitch > 0])) == pytest.approx(150.0, rel=0.01)
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    assert (track_pitch(noise, 16000, 160) > 0).mean() < 0.2
    assert not track_pitch(np.zeros(16000, np.float32), 16000, 160).any()


def test_embeddings_have_length_one_and_quiet_voices_are_raised():
    embedding = embed_speaker(voice(120.0))
    assert embedding.shape == (256,) and embedding.dtype == np.float32
    assert np.linalg.norm(embedding) == pytest.approx(1.0, abs=1e-5)
    quiet = [embed_speaker(factor * voice(120.0)) for factor in (0.02, 0.05)]
    assert quiet[0] @ quiet[1] > 0.999
    assert np.isfinite(embed_speaker(voice(120.0, seconds=0.3))).all()


def test_measures_tell_voices_apart():
    config = MelConfig()
    low, same, high = (
        measure_voice(wave, config)
        for wave in (voice(110.0), 0.7 * voice(113.0), voice(240.0, slope=0.2))
    )
    assert speaker_similarity(low, same) > speaker_similarity(low, high)
    assert spectrum_distance(low, same) < spectrum_distance(low, high)
    assert spectrum_distance(low, low) == 0
    assert pitch_correlation(low, high) > 0.9
    backwards = measure_voice(voice(110.0, depth=-0.1), config)
    assert pitch_correlation(low, backwards) < -0.9
    silence = measure_voice(np.full(16000, 1e-6, np.float32), config)
    assert np.isnan(pitch_correlation(low, silence))
    with pytest.raises(ValueError, match="16000 Hz"):
        measure_voice(voice(110.0), MelConfig(sample_rate=24000))


def test_noise_sounds_worse_than_a_voice():
    clean = voice(150.0)
    noise = 0.1 * np.random.default_rng(0).standard_normal(len(clean)).astype(np.float32)
    assert 1 <= dnsmos(clean + 3 * noise, 16000) < dnsmos(clean, 16000) <= 5
