"""local/add_noise.py of core_sounds: pauses and noise of a stated level."""

import sys
from pathlib import Path

import numpy as np
import pytest

soundfile = pytest.importorskip("soundfile")

LOCAL = Path(__file__).resolve().parents[2] / "egs2/core_sounds/units1/local"


@pytest.fixture
def add_noise(monkeypatch):
    monkeypatch.syspath_prepend(LOCAL)
    yield __import__("add_noise")
    for name in ("add_noise", "flac"):
        sys.modules.pop(name, None)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "dev"
    folder.mkdir()
    tone = 0.1 * np.sin(np.arange(4 * 16000) / 5)
    soundfile.write(folder / "a.wav", tone, 16000)
    soundfile.write(folder / "silent.wav", 0 * tone, 16000)
    for table in ("text", "utt2spk"):
        (folder / table).write_text("a one\n")
    (folder / "wav.scp").write_text(f"a {folder / 'a.wav'}\n")
    return folder


def run(add_noise, data, *options):
    add_noise.main(["--data", str(data), "--output", str(data.parent / "out"), *options])


def test_noise_lies_so_far_below_the_speech(add_noise, data):
    run(add_noise, data, "--noises", "clean", "pink", "--snr_db", "6")
    original, _ = soundfile.read(data / "a.wav")
    for name, level in (("clean", 1e-4), ("pink", 0.1 / np.sqrt(2) / 10**0.3)):
        folder = data.parent / f"out/dev_{name}"
        assert (folder / "text").read_text() == "a one\n"
        made, rate = soundfile.read(folder / "audio/a.flac")
        assert rate == 16000 and len(made) == len(original) + 16000
        noise = made - np.pad(original, 8000)
        assert np.sqrt(np.mean(noise**2)) == pytest.approx(level, rel=0.05)
    first = (data.parent / "out/dev_pink/audio/a.flac").read_bytes()
    run(add_noise, data, "--noises", "clean", "pink", "--snr_db", "6")
    assert (data.parent / "out/dev_pink/audio/a.flac").read_bytes() == first


def test_what_no_noise_can_be_added_to(add_noise, data):
    with pytest.raises(ValueError, match="--voices hold 0 half minutes; babble needs 6"):
        run(add_noise, data, "--noises", "babble")
    with pytest.raises(ValueError, match="no noise nan dB below speech"):
        run(add_noise, data, "--noises", "pink", "--snr_db", "nan")
    (data / "wav.scp").write_text(f"a {data / 'silent.wav'}\n")
    with pytest.raises(ValueError, match="one of them is silent"):
        run(add_noise, data, "--noises", "pink")
