"""Rates inside speech: reached by every method, whatever it does in silences."""

import numpy as np
import pytest
import torch

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.evaluate.boundary_scores import Reference, within
from espnet_entropy.evaluate.matched_rate import (
    boundaries_at,
    match_rate,
    read_batches,
)
from espnet_entropy.segment.boundaries import SegmenterConfig


@pytest.fixture(scope="module")
def made(parts):
    batches, frames = read_batches(padded_batches(parts.dump))
    calibration = Bundle.open(parts.bundle).calibration()
    # Speech in the middle half of each utterance.
    references = {
        utt: Reference(np.empty(0), (count / 200, 3 * count / 200)) for utt, count in frames.items()
    }
    return batches, references, calibration


@pytest.mark.parametrize("method", ["global", "global+on_change", "dp", "uniform", "random"])
def test_the_rate_is_that_inside_speech(made, method):
    batches, references, calibration = made
    config = SegmenterConfig.of_method(method, 10.0, frame_rate_hz=50.0)
    found = match_rate(batches, references, config, calibration)
    inside = sum(len(within(found.times[utt], r.region)) for utt, r in references.items())
    seconds = sum(r.seconds for r in references.values())
    assert found.speech_hz == inside / seconds
    assert found.speech_hz == pytest.approx(10.0, rel=0.05)


def test_units_without_silence_need_no_other_rate():
    """Speech everywhere: what is matched is the method's own rate."""
    units = torch.arange(200)[None] % 7
    batches = [(["a"], units, torch.rand(1, 200), torch.tensor([200]))]
    references = {"a": Reference(np.empty(0), (0.02, 3.98))}

    class NoThresholds:
        points = None

        @staticmethod
        def thresholds(config):
            return None

    config = SegmenterConfig.of_method("uniform", 15.0, frame_rate_hz=50.0)
    found = match_rate(batches, references, config, NoThresholds)
    assert found.overall_hz == 15.0


def test_methods_without_a_rate_are_taken_as_they_are(made):
    batches, references, calibration = made
    config = SegmenterConfig.of_method("dense", 15.0, frame_rate_hz=50.0)
    found = match_rate(batches, references, config, calibration)
    assert found.overall_hz == 50.0
    lengths = {utt: n for utts, *_, ns in batches for utt, n in zip(utts, ns.tolist(), strict=True)}
    for utt, times in found.times.items():
        np.testing.assert_allclose(times, np.arange(1, lengths[utt]) / 50)


def test_rates_out_of_reach(made):
    batches, references, calibration = made
    for method, rate in (("global", 49.9), ("uniform", 50.0)):
        nowhere = {utt: Reference(np.empty(0), (90.0, 91.0)) for utt in references}
        config = SegmenterConfig.of_method(method, rate, frame_rate_hz=50.0)
        with pytest.raises(ValueError, match="outside of what|comes to 0.00 boundaries per second"):
            match_rate(batches, nowhere, config, calibration)


@pytest.mark.parametrize("method", ["peaks+", "peaks+other", "none", "dense+on_change"])
def test_unknown_methods(made, method):
    with pytest.raises(ValueError, match="on_change|none of"):
        SegmenterConfig.of_method(method, 10.0, frame_rate_hz=50.0)


def test_boundaries_leave_out_the_start(made):
    batches, references, calibration = made
    config = SegmenterConfig.of_method("uniform", 10.0, frame_rate_hz=50.0)
    found = boundaries_at(batches, references, config, calibration)
    assert all(times[0] > 0 for times in found.times.values() if len(times))
