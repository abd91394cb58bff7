"""perturb_speed.py of egs2/core_sounds, which other recipes link."""

import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from espnet_entropy.data.recordings import read_recordings

soundfile = pytest.importorskip("soundfile")

LOCAL = Path(__file__).resolve().parents[2] / "egs2/core_sounds/units1/local"


@pytest.mark.parametrize(("factor", "length"), [("0.9", 17778), ("1.1", 14546), ("1.25", 12800)])
def test_perturb(local, factor, length):
    module = local["perturb_speed"]
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * 0.5
    wave = module.perturb(tone, Fraction(factor))
    assert len(wave) == length == module.perturbed_length(16000, Fraction(factor))
    peak = np.abs(np.fft.rfft(wave)).argmax() * 16000 / len(wave)
    assert peak == pytest.approx(440 * float(Fraction(factor)), abs=2)


def test_perturbed_folder(copy, prepare):
    assert prepare(copy).returncode == 0
    output = copy["output"].parent / "perturbed"
    command = [
        sys.executable,
        LOCAL / "perturb_speed.py",
        "--data",
        copy["output"] / "train_en",
        "--factors",
        "0.9,1.1",
        "--output",
        output,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in (output / "utt2spk").read_text().splitlines()]
    assert len(rows) == 6 and rows == sorted(rows) == sorted(rows, key=lambda row: row[::-1])
    assert ["sp0.9-voice-a-en-greeting", "sp0.9-voice-a"] in rows
    assert "sp1.1-voice-a-en-greeting hello caller\n" in (output / "text").read_text()
    lengths = dict(line.split() for line in (output / "utt2dur").read_text().splitlines())
    for line in (output / "wav.scp").read_text().splitlines():
        utt, path = line.split()
        assert soundfile.info(path).samplerate == 16000
        assert soundfile.info(path).duration == pytest.approx(float(lengths[utt]), abs=1e-3)


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
    import av

    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", rng.normal(0, 0.1, (44100, 2)), 44100)
    with av.open(str(data / "b.opus"), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        samples = rng.normal(0, 3000, (1, 48000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (data / "c.wav").write_text("no sound")
    for name, values in {
        "wav.scp": [data / "a.wav", data / "b.opus", data / "c.wav"],
        "text": ["one", "two", "three"],
        "utt2spk": ["a", "b", "c"],
    }.items():
        lines = (f"{utt} {value}\n" for utt, value in zip("abc", values, strict=True))
        (data / name).write_text("".join(lines))

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
    rows = dict(line.split() for line in (tmp_path / "out/wav.scp").read_text().splitlines())
    # The dump also reads the broken original, and lists it.
    assert list(rows) == ["a", "b", "c", "sp0.9-a", "sp0.9-b"]
    for utt in ("sp0.9-a", "sp0.9-b"):
        info = soundfile.info(rows[utt])
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.duration == pytest.approx(1 / 0.9, abs=0.03)


def test_tables_alone_are_written_again(perturb_folder, tmp_path):
    assert perturb_folder("--max_failed_utts", "1").returncode == 0
    audio = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out/audio").iterdir()}
    text = tmp_path / "data/text"
    text.write_text(text.read_text().replace("one", "four"))
    for path in (tmp_path / "data").glob("[ab].*"):
        path.write_text("is not read")
    assert perturb_folder("--tables_only", "true").returncode == 0
    assert (tmp_path / "out/text").read_text() == (
        "a four\nb two\nc three\nsp0.9-a four\nsp0.9-b two\n"
    )
    assert {path: os.stat(path).st_mtime_ns for path in audio} == audio


def test_segments_are_perturbed_and_copies_are_never_mixed_up(perturb_folder, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "wav.scp").write_text(f"r {data}/a.wav\n")
    for name, values in {"text": "one two", "utt2spk": "a b"}.items():
        lines = zip("ab", values.split(), strict=True)
        (data / name).write_text("".join(f"{utt} {value}\n" for utt, value in lines))
    heard = []
    for start in ("0.5", "0.2"):
        (data / "segments").write_text(f"a r 0 0.3\nb r {start} -1\n")
        assert perturb_folder().returncode == 0
        recordings = read_recordings(out / "wav.scp")
        assert list(recordings) == ["a", "b", "sp0.9-a", "sp0.9-b"]
        assert list(dict(line.split() for line in open(out / "text"))) == list(recordings)
        lengths = {utt: len(r.samples(16000)) / 16000 for utt, r in recordings.items()}
        assert lengths["a"] == pytest.approx(0.3, abs=0.01)
        assert lengths["sp0.9-a"] == pytest.approx(0.3 / 0.9, abs=0.01)
        heard.append(lengths["sp0.9-b"])
    assert heard == pytest.approx([0.5 / 0.9, 0.8 / 0.9], abs=0.01)
