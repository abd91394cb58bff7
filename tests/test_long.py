"""Memory and time of long inputs, each in a process of its own; `docs/long_audio.md` says more."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny
from launching import execute
from tiny_models import learn_tiny_codebook

HERE = Path(__file__).parent
HOUR = 180_000  # units
pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc"
)


def cost(step: str, *flags: str, **options) -> dict:
    """What `long_inputs.py` prints."""
    words = [step, *flags]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    done = execute(sys.executable, HERE / "long_inputs.py", *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def grown_gb(measured: dict) -> float:
    """Memory beyond that of imports, parameters and inputs."""
    return measured["peak_gb"] - measured["start_gb"]


def test_aggregation_is_bounded():
    """20,000 units; in one block, which an hour would not fit in, they take twice as much."""
    settings = dict(units=20_000, dim=256, layers=4)
    blocks = cost("aggregate", "--backward", block_units=2048, **settings)
    whole = cost("aggregate", "--backward", block_units=20_000, **settings)
    assert blocks["segments"] == whole["segments"] == 6000
    assert grown_gb(blocks) < 0.7
    assert grown_gb(whole) > 1.5 * grown_gb(blocks)


def test_entropies_are_bounded():
    """The logits of all windows alone would be 0.6 GB, their logarithms as much again."""
    measured = cost("entropies", units=50_000, num_units=1500, dim=16, layers=1, context=256)
    assert grown_gb(measured) < 0.5


@pytest.mark.parametrize("segmenter", ["dp", "peaks", "random"])
def test_an_hour_is_segmented_in_bounded_memory(segmenter):
    measured = cost("segment", units=HOUR, segmenter=segmenter)
    assert measured["segments"] > HOUR / 50
    assert grown_gb(measured) < 0.3


def tokenized(folder: Path, *, minutes: int) -> dict:
    """Noise of a file through reading, features, units and entropies."""
    rng, sound = np.random.default_rng(0), folder / "noise.wav"
    with soundfile.SoundFile(sound, "w", tiny.SAMPLE_RATE, 1, "PCM_16") as file:
        for _ in range(minutes):
            file.write(0.1 * rng.standard_normal(60 * tiny.SAMPLE_RATE).astype(np.float32))
    checkpoint = tiny.save_as_espnet(tiny.unit_lm(context=64), folder / "lm")
    measured = cost(
        "tokenize", codebook=learn_tiny_codebook("whisper", folder), unit_lm=checkpoint, sound=sound
    )
    assert measured["units"] == minutes * 60 * 50
    assert measured["distinct"] > 1
    return measured


def test_minutes_are_tokenized_in_bounded_memory(tmp_path):
    # 4 minutes are 15 MB of float32; some copies of them, chunks of features, and FFmpeg.
    assert grown_gb(tokenized(tmp_path, minutes=4)) < 0.4


@pytest.mark.long
def test_an_hour_is_tokenized(tmp_path):
    assert tokenized(tmp_path, minutes=60)["peak_gb"] < 2


@pytest.mark.long
def test_an_hour_is_aggregated_in_one_piece():
    settings = dict(units=HOUR, dim=512, layers=4)
    forward = cost("aggregate", **settings)
    backward = cost("aggregate", "--backward", **settings)
    assert forward["segments"] == backward["segments"] == HOUR * 15 // 50
    assert forward["peak_gb"] < 4
    assert backward["peak_gb"] < 8


@pytest.mark.long
def test_entropies_of_an_hour():
    """Offline and as a stream: the same mean, bounded memory."""
    settings = dict(units=HOUR, num_units=500, dim=64, layers=2)
    offline = cost("entropies", **settings)
    stream = cost("stream", block_units=50, **settings)
    assert offline["mean_nats"] == pytest.approx(stream["mean_nats"], abs=2e-4)
    assert offline["peak_gb"] < 1.5
    assert grown_gb(stream) < 0.2


@pytest.mark.long
def test_dp_is_calibrated_on_an_hour_in_linear_time():
    costs = [cost("calibrate", units=units, segmenter="dp") for units in (HOUR // 4, HOUR)]
    assert all(c["rates"] > 5 for c in costs)
    assert grown_gb(costs[1]) < 0.3
    assert costs[1]["seconds"] < 8 * costs[0]["seconds"]  # quadratic would be 16
