"""Spectral flux: peaks where a sound becomes another one."""

import numpy as np
import pytest

from espnet_entropy.evaluate.boundary_scores import Reference
from espnet_entropy.evaluate.spectral_flux import flux_boundaries, spectral_flux


def tones(*pitches, seconds=0.2):
    time = np.arange(round(seconds * 16000)) / 16000
    rng = np.random.default_rng(0)
    wave = np.concatenate([0.3 * np.sin(2 * np.pi * pitch * time) for pitch in pitches])
    return wave + 0.001 * rng.standard_normal(len(wave))


def test_peaks_are_where_the_tone_changes():
    flux = spectral_flux(tones(300, 2000, 700, 4000))
    assert flux.shape == (81,)
    reference = Reference(np.empty(0), (0.05, 0.75))
    found = flux_boundaries(flux, reference, rate_hz=3 / 0.7)
    np.testing.assert_allclose(found, [0.2, 0.4, 0.6], atol=0.011)


@pytest.mark.parametrize("rate", [0.0, 5.0, 40.0, 1000.0])
def test_rate_and_region(rate):
    flux = np.random.default_rng(0).random(200)
    reference = Reference(np.empty(0), (0.3, 1.3))
    found = flux_boundaries(flux, reference, rate)
    assert len(found) == min(round(rate), 101)
    assert (np.diff(found) > 0.0099).all()
    assert not len(found) or (found[0] >= 0.3 - 1e-9 and found[-1] <= 1.3 + 1e-9)


def test_local_maxima_come_before_what_is_beside_a_higher_one():
    flux = np.array([0, 9.0, 8.0, 0, 1.0, 0, 0])
    found = flux_boundaries(flux, Reference(np.empty(0), (0.0, 0.06)), 2 / 0.06)
    np.testing.assert_allclose(found, [0.01, 0.04])


def test_a_region_behind_the_sound_is_cut():
    found = flux_boundaries(np.ones(5), Reference(np.empty(0), (0.0, 10.0)), 50.0)
    assert len(found) == 5
