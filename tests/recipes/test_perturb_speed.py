"""perturb_speed.py of egs2/core_sounds, which other recipes link."""

import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
import sounds

from espnet_entropy.data.kaldi import read_table, write_table

LOCAL = Path(__file__).resolve().parents[2] / "egs2/core_sounds/units1/local"


@pytest.mark.parametrize(("factor", "length"), [("0.9", 17778), ("1.1", 14546), ("1.25", 12800)])
def test_perturb(local, factor, length):
    module = local["perturb_speed"]
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * 0.5
    wave = module.perturb(tone, Fraction(factor))
    assert len(wave) == length == module.perturbed_length(16000, Fraction(factor))
    peak = np.abs(np.fft.rfft(wave)).argmax() * 16000 / len(wave)
    assert peak == pytest.approx(440 * float(Fraction(factor)), abs=2)


def test_a_killed_process_ends_the_preparation(local):
    with pytest.raises(ValueError, match="decoding: one of 1 processes was killed"):
        local["flac"].total_samples(signal.raise_signal, [signal.SIGKILL], 1, "decoding")


@pytest.mark.parametrize("factors", ["1.0", "x", "3", "0.9,0"])
def test_perturb_factors_are_checked(local, factors):
    with pytest.raises(ValueError, match="--factors"):
        local["perturb_speed"].parse_factors(factors)


@pytest.mark.parametrize("factors", ["0.9 1.0 1.1", "0.9,1.1", " 0.9  1 0.90 1.1"])
def test_perturb_factors_may_have_espnets_form(local, factors):
    expected = {"sp0.9": Fraction(9, 10), "sp1.1": Fraction(11, 10)}
    assert local["perturb_speed"].parse_factors(factors) == expected


@pytest.fixture
def perturb_folder(tmp_path):
    """Run perturb_speed.py on a stereo WAV at 44.1 kHz, an Opus file and a broken one."""
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", sounds.noise(1.0, 44100, 2), 44100)
    sounds.written(data, "a.opus", seconds=1.0).rename(data / "b.opus")
    (data / "c.wav").write_text("no sound")
    paths = (data / name for name in ("a.wav", "b.opus", "c.wav"))
    for name, values in dict(text=("one", "two", "three"), utt2spk="abc").items():
        write_table(data / name, dict(zip("abc", values, strict=True)))
    write_table(data / "wav.scp", dict(zip("abc", paths, strict=True)))

    def run(*options):
        command = [sys.executable, LOCAL / "perturb_speed.py", "--data", data, "--factors", "0.9"]
        command += ["--output", tmp_path / "out", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_recordings_are_perturbed_as_the_dump_reads_them(perturb_folder, tmp_path):
    result = perturb_folder()
    assert result.returncode == 1 and "utt c: " in result.stderr
    assert "1 recordings cannot be read, but --max_failed_utts allows 0" in result.stderr
    assert not (tmp_path / "out/wav.scp").exists()
    result = perturb_folder("--max_failed_utts", "1")
    assert result.returncode == 0, result.stderr
    rows = read_table(tmp_path / "out/wav.scp")
    # The dump also reads the broken original, and lists it.
    assert list(rows) == ["a", "b", "c", "sp0.9-a", "sp0.9-b"]
    for utt in ("sp0.9-a", "sp0.9-b"):
        info = soundfile.info(rows[utt])
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.duration == pytest.approx(1 / 0.9, abs=0.03)
    # Only the texts have changed: the copies are kept.
    audio = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out/audio").iterdir()}
    text = tmp_path / "data/text"
    text.write_text(text.read_text().replace("one", "four"))
    assert perturb_folder("--max_failed_utts", "1").returncode == 0
    texts = list(read_table(tmp_path / "out/text").values())
    assert texts == ["four", "two", "three", "four", "two"]
    assert {path: os.stat(path).st_mtime_ns for path in audio} == audio
