"""Odd sound files: channels, joined files, tags, and the warnings of commands."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import sounds
import tiny
from sounds import read, written

from espnet_entropy.bin import dump_units
from espnet_entropy.data.audio import read_audio, sample_rate_of
from espnet_entropy.data.kaldi import write_table

# Channels


def sound_of(path, *channels):
    soundfile.write(path, np.stack(channels, axis=1), 16000, subtype="FLOAT")
    return path


def test_channels_that_cancel_each_other_out(tmp_path):
    path, wave = tmp_path / "a.wav", sounds.noise(2.0, 16000, 2)
    left = wave[:, 0]
    for inverted in (-left, -0.8 * left, -left + 0.1 * wave[:, 1]):
        with pytest.raises(ValueError, match="a.wav: its channels cancel.*--channel 1"):
            read(sound_of(path, left, inverted))
    np.testing.assert_array_equal(read(path, channel=1)[0], left)


def test_channels_that_partly_cancel_each_other_out(tmp_path):
    path, wave = tmp_path / "a.wav", sounds.noise(2.0, 16000, 2)
    left = wave[:, 0]
    assert "partly cancel each other out" in read(sound_of(path, left, -0.6 * left))[1]
    half = np.arange(len(left)) < 16000
    good = [
        (left, wave[:, 1]),  # uncorrelated noise
        (left * half, wave[:, 1] * ~half),  # two speakers in turn
        (left, np.roll(left, 20)),  # microphones 40 cm apart
        (left, 0 * left, 0 * left, 0 * left, 0 * left, 0 * left),
        (left, left, -left, left),
        (0.01 * left + 0.3, 0.01 * left - 0.3),  # opposite offsets
        (0 * left, 0 * left),
    ]
    for channels in good:
        samples, warned = read(sound_of(path, *channels))
        assert warned == ""
        np.testing.assert_allclose(samples, np.mean(channels, axis=0), atol=1e-6)


def test_one_channel_is_chosen(tmp_path):
    wave = sounds.noise(1.0, 16000, 3)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    for channel in (1, 2, 3):
        samples = read_audio(tmp_path / "a.wav", 16000, channel=channel)
        np.testing.assert_array_equal(samples, wave[:, channel - 1])
    for channel in (0, 4):
        with pytest.raises(ValueError, match=f"a.wav has 3 channels, and no channel {channel}"):
            read_audio(tmp_path / "a.wav", 16000, channel=channel)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a", "a.opus", "a.webm"])
def test_opened_files_are_read(tmp_path, name):
    path = written(tmp_path, name)
    file = io.BytesIO(path.read_bytes())
    file.name = "feats.ark:12"
    np.testing.assert_array_equal(read_audio(file, 16000), read(path)[0])
    assert sample_rate_of(file) == sample_rate_of(path)
    with pytest.raises(ValueError, match="feats.ark:12 has 1 channel, and no channel 2"):
        read_audio(file, 16000, channel=2)


def test_channels_are_averaged_as_they_come(tmp_path):
    """Five minutes of six channels are 115 MB, their mean 19 MB."""
    wave = np.tile(sounds.noise(10.0, 16000, 6), (30, 1))
    soundfile.write(tmp_path / "a.wav", wave, 16000)
    # From /proc, because getrusage also counts the parent's memory before exec.
    code = (
        "import re, sys, av; from espnet_entropy.data.audio import read_audio\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "before = peak(); read_audio(sys.argv[1], 16000); print(peak() - before)"
    )
    command = [sys.executable, "-c", code, tmp_path / "a.wav"]
    assert int(subprocess.run(command, check=True, capture_output=True).stdout) < 70_000


# Odd files


@pytest.mark.parametrize("second", [(16000, 1), (44100, 2), (48000, 1)])
@pytest.mark.parametrize("suffix, codec", [("mp3", "libmp3lame"), ("aac", "aac")])
def test_files_joined_end_to_end(tmp_path, suffix, codec, second):
    one, two, both = (tmp_path / f"{name}.{suffix}" for name in ("one", "two", "both"))
    sounds.write(one, sounds.noise(2.0, 44100, 2), codec=codec, rate=44100)
    sounds.write(two, sounds.noise(3.0, second[0], second[1]), codec=codec, rate=second[0])
    for first, last in ((one, two), (two, one)):
        both.write_bytes(first.read_bytes() + last.read_bytes())
        samples, warned = read(both)
        assert len(samples) / 16000 == pytest.approx(5.0, abs=0.2) and warned == ""


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mp3"])
def test_tags_in_another_encoding(tmp_path, name):
    options = {"write_id3v1": "1", "id3v2_version": "0"} if name == "a.mp3" else {}
    path = written(tmp_path, name, tags={"title": "a cafe au lait"}, options=options)
    path.write_bytes(path.read_bytes().replace(b"cafe", "café".encode("latin-1")))
    samples, warned = read(path)
    assert len(samples) == pytest.approx(64000, abs=400) and warned == ""


@pytest.mark.parametrize("seconds", [1.0, 2.317])
def test_whole_mp3_of_a_low_rate(tmp_path, seconds):
    """Samples that decoders leave out, up to 0.14 s at 16 kHz, are not missing."""
    path = tmp_path / "a.wav"
    wave = sounds.noise(seconds, 16000)
    sounds.write(path, wave, codec="libmp3lame", rate=16000, bit_rate=24000, format="mp3")
    samples, warned = read(path)
    assert len(samples) == len(wave) and warned == ""
    sounds.cut(path, 0.8)
    assert f"is truncated: its header states {seconds:.2f} s" in read(path)[1]


def test_only_the_first_of_several_streams_is_read(tmp_path):
    waves = [sounds.noise(2.0, 48000, seed=seed) for seed in (0, 1)]
    one = sounds.write(tmp_path / "one.mka", waves[0], codec="flac", rate=48000)
    two = sounds.write(tmp_path / "two.mka", *waves, codec="flac", rate=48000)
    samples, warned = read(two)
    np.testing.assert_array_equal(samples, read(one)[0])
    assert "two.mka has 2 audio streams; only the first one is read" in warned


def test_a_video_without_sound(tmp_path):
    path = sounds.write_video(tmp_path / "a.mp4", "mpeg4")
    for call in (lambda: read_audio(path, 16000), lambda: sample_rate_of(path)):
        with pytest.raises(ValueError, match="a.mp4 holds no sound: it has no audio stream"):
            call()


# What FFmpeg misreads


def test_big_endian_wav_files_are_refused(tmp_path):
    soundfile.write(tmp_path / "a.wav", sounds.noise(1.0, 16000), 16000, endian="BIG")
    with pytest.raises(ValueError, match="a.wav is a big-endian WAV file .*convert it"):
        read_audio(tmp_path / "a.wav", 16000)


@pytest.mark.parametrize("suffix", ["ul", "al", "sw"])
def test_samples_without_a_header_are_refused(tmp_path, suffix):
    """FFmpeg would read them at 44.1 kHz."""
    (tmp_path / f"a.{suffix}").write_bytes(np.random.default_rng(0).bytes(8000))
    with pytest.raises(ValueError, match=f"a.{suffix} has no header, so its sample rate"):
        read_audio(tmp_path / f"a.{suffix}", 16000)


def test_joined_ogg_files(tmp_path):
    """FFmpeg decodes the second file with the tables of the first, which may differ."""
    for name, rate in (("one", 44100), ("two", 22050)):
        soundfile.write(tmp_path / f"{name}.ogg", sounds.noise(2.0, rate), rate)
    one, two = ((tmp_path / f"{name}.ogg").read_bytes() for name in ("one", "two"))
    (tmp_path / "same.ogg").write_bytes(one + one)
    samples, warned = read(tmp_path / "same.ogg")
    assert len(samples) == pytest.approx(64000, abs=200) and warned == ""
    (tmp_path / "both.ogg").write_bytes(one + two)
    with pytest.raises(ValueError, match="both.ogg consists of Ogg Vorbis .*split the file"):
        read_audio(tmp_path / "both.ogg", 16000)
    opus = written(tmp_path, "a.opus").read_bytes()
    (tmp_path / "mixed.ogg").write_bytes(opus + one)
    samples, warned = read(tmp_path / "mixed.ogg")
    assert len(samples) == 64000 and "mixed.ogg cannot be read beyond 4.00 s" in warned


def test_an_unknown_codec_is_named(tmp_path):
    content = bytearray(written(tmp_path, "a.wav").read_bytes())
    content[20:22] = b"\x77\x77"
    (tmp_path / "a.wav").write_bytes(content)
    for call in (read_audio, lambda path, rate: sample_rate_of(path)):
        with pytest.raises(ValueError, match="a.wav cannot be decoded: FFmpeg does not know"):
            call(tmp_path / "a.wav", 16000)


# Commands


def test_commands_warn_in_one_line_once_for_each_file(parts, tmp_path, capsys):
    for name in ("a.wav", "a.flac"):
        sounds.cut(written(tmp_path, name), 0.5)
    names = {"utt-a": "a.wav", "utt-b": "a.flac", "utt-c": "a.wav", "utt-d": "a.flac"}
    write_table(tmp_path / "wav.scp", {utt: str(tmp_path / name) for utt, name in names.items()})
    for shard in ("first", "second"):
        tiny.command(
            dump_units,
            wav_scp=tmp_path / "wav.scp",
            codebook=parts.codebook,
            output=tmp_path / shard,
            num_shards=1,
            shard=1,
        )
        lines = re.split(r"[\r\n]+", capsys.readouterr().err)
        warned = [line.strip() for line in lines if "warning: " in line]
        for line, name in zip(warned, ("a.wav", "a.flac"), strict=True):
            assert re.fullmatch(
                rf"warning: .*{name} is truncated: its header states 4.00 s, but .* read",
                line,
            )


# Recordings as soundfile writes them


def sine(rate, seconds=1.0):
    time = np.arange(round(rate * seconds)) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 2, 64])  # PyAV has planes for 8
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("suffix, subtype", [("wav", "FLOAT"), ("wav", "PCM_16"), ("flac", None)])
def test_rates_and_channels(tmp_path, suffix, subtype, rate, channels):
    path, channels = tmp_path / f"a.{suffix}", min(channels, 8) if suffix == "flac" else channels
    soundfile.write(path, np.stack([sine(rate)] * channels, axis=1), rate, subtype=subtype)
    samples = read_audio(path, 16000)
    assert samples.shape == (16000,) and samples.dtype == np.float32
    inside = slice(400, -400)  # resampling rings at the ends
    np.testing.assert_allclose(samples[inside], sine(16000)[inside], atol=5e-3)


@pytest.mark.parametrize("name", ["12:30.wav", "-.wav", "a|b.wav", "é 日本.wav"])
def test_relative_names_with_signs(tmp_path, monkeypatch, name):
    soundfile.write(tmp_path / name, sine(16000), 16000)
    monkeypatch.chdir(tmp_path)
    assert len(read_audio(name, 16000)) == 16000


def with_samples(value):
    return lambda path: soundfile.write(path, np.full(800, value), 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, "cannot be decoded"),
        (lambda path: path.mkdir(), "cannot be decoded"),
        (lambda path: path.write_bytes(b""), "cannot be decoded"),
        (lambda path: path.write_text("voice " * 50), "cannot be decoded"),
        (lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)), "cannot be decoded"),
        (lambda path: soundfile.write(path, np.zeros(0), 16000), "holds no sound"),
        (with_samples(np.nan), "holds NaN or infinite"),
        (with_samples(-np.inf), "holds NaN or infinite"),
        (with_samples(300.0), "holds samples"),
    ],
    ids=["missing", "folder", "empty", "text", "random", "silent", "nan", "infinite", "loud"],
)
def test_broken_audio_is_named(tmp_path, make, message):
    make(tmp_path / "a.wav")
    with pytest.raises(ValueError, match=f"a.wav {message}"):
        read_audio(tmp_path / "a.wav", 16000)


@pytest.mark.parametrize("name", ["http://127.0.0.1:9/a.wav", "rtsp://x/y"])
def test_addresses_are_not_opened(name):
    with pytest.raises(ValueError, match="is an address, which is not opened; download"):
        read_audio(name, 16000)
