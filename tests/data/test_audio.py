"""Sound files of many formats: whole, damaged and truncated ones."""

import av
import numpy as np
import pytest
import soundfile
import sounds
from sounds import FORMATS, read, written


def plainly_read(path, rate):
    """Samples as PyAV decodes them, frame by frame."""
    resampler = av.AudioResampler(format="flt", rate=rate)
    with av.open(str(path)) as container:
        chunks = [c for f in container.decode(audio=0) for c in resampler.resample(f)]
    chunks += resampler.resample(None)
    return np.concatenate(
        [c.to_ndarray().reshape(-1, c.layout.nb_channels).mean(axis=1) for c in chunks]
    )


# Good files


@pytest.mark.parametrize("rate", [16000, 24000])
@pytest.mark.parametrize("name", FORMATS)
def test_good_files_lose_and_gain_nothing(tmp_path, name, rate):
    channels = 1 if name in ("a.amr", "a.au") else 2
    path = written(tmp_path, name, channels=channels)
    samples, warned = read(path, rate)
    np.testing.assert_array_equal(samples, plainly_read(path, rate))
    assert warned == ""


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_good_ogg_files_of_libsndfile(tmp_path, subtype):
    soundfile.write(tmp_path / "a.ogg", sounds.noise(3.0, 48000, 2), 48000, subtype=subtype)
    samples, warned = read(tmp_path / "a.ogg")
    np.testing.assert_array_equal(samples, plainly_read(tmp_path / "a.ogg", 16000))
    assert warned == ""


def test_jitter_of_time_stamps_is_no_loss(tmp_path):
    """In recordings of browsers, time stamps are off by some milliseconds."""
    shifts = np.random.default_rng(0).integers(-4, 5, 1000)

    def change(number, packet):
        packet.pts += int(shifts[number] * 48)
        packet.dts = packet.pts

    path = written(tmp_path, "a.webm", change=change)
    samples, warned = read(path)
    np.testing.assert_array_equal(samples, plainly_read(path, 16000))
    assert warned == ""


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_wav_files_written_to_a_pipe_have_no_size(tmp_path, size):
    content = bytearray(written(tmp_path, "a.wav").read_bytes())
    start = content.index(b"data") + 4
    content[start : start + 4] = size.to_bytes(4, "little")
    (tmp_path / "a.wav").write_bytes(content)
    samples, warned = read(tmp_path / "a.wav")
    assert len(samples) == 64000 and warned == ""


def test_video_may_outlast_the_sound(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        audio = file.add_stream("aac", rate=48000, layout="mono")
        for _ in range(40):
            file.mux(video.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(video.encode(None))
        for packet in sounds.packets_of(audio, sounds.noise(2.0, 48000), 48000):
            file.mux(packet)
    samples, warned = read(path)
    assert len(samples) == pytest.approx(32000, abs=400) and warned == ""


# Damage


# Largest error of the position: one frame in formats without time stamps.
CLOCKED = "a.opus a.oga a.webm a.mkv a.flac a.m4a parts.mp4 a.wma a.ts a.flv a.wv a.tta".split()
ERRORS = dict.fromkeys(CLOCKED, 0.002) | {"a.mp3": 0.03, "a.aac": 0.03, "a.ac3": 0.04, "a.amr": 0.3}


@pytest.mark.parametrize("name, seconds", ERRORS.items())
def test_what_follows_damage_keeps_its_time(tmp_path, name, seconds):
    # WebM loses everything up to the next cluster; one begins every five seconds.
    path = written(tmp_path, name, seconds=12.0)
    whole, _ = read(path)
    noted = 0
    for seed, share in enumerate((0.25, 0.3, 0.35)):
        content = path.read_bytes()
        sounds.damage(path, share, seed)
        samples, warned = read(path)
        part = whole[-2 * 16000 : -8000]
        assert abs(sounds.lag(samples, part) - (len(whole) - 2 * 16000)) <= seconds * 16000
        noted += "silence replaces them" in warned
        path.write_bytes(content)
    assert noted >= 1


def test_a_pause_in_the_time_stamps_is_silence(tmp_path):
    def change(number, packet):
        packet.pts += 2 * 48000 * (number >= 100)
        packet.dts = packet.pts

    path = written(tmp_path, "a.webm", change=change)
    samples, warned = read(path)
    assert len(samples) == pytest.approx(6 * 16000, abs=32)
    assert not samples[int(2.1 * 16000) : int(3.9 * 16000)].any()
    assert "lacks 2.00 s of sound at 1.99 s; silence replaces them" in warned


def test_a_single_wrong_time_stamp_is_not_followed(tmp_path):
    def change(number, packet):
        packet.pts += 20 * 48000 * (number == 100)

    path = written(tmp_path, "a.webm", change=change)
    assert len(read(path)[0]) == pytest.approx(4 * 16000, abs=400)


@pytest.mark.parametrize("name", ["a.flac", "a.oga", "a.wv", "a.tta"])
def test_damage_that_checksums_show_becomes_silence_and_not_noise(tmp_path, name):
    path = written(tmp_path, name)
    peak = np.abs(read(path)[0]).max()
    for seed in range(8):
        content = path.read_bytes()
        sounds.damage(path, 0.5, seed)
        samples, warned = read(path)
        assert np.abs(samples).max() <= 1.05 * peak and "lacks" in warned
        path.write_bytes(content)


# Truncated files


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("a.ac3", "a.ts", "eight.wav")])
def test_the_remaining_part_of_truncated_files_is_read(tmp_path, name):
    path = written(tmp_path, name, seconds=8.0)
    sounds.cut(path, 0.503)
    samples, warned = read(path)
    assert 2.5 < len(samples) / 16000 < 4.5
    if name in ("a.opus", "a.oga", "a.aac", "a.amr", "a.caf", "a.w64"):
        assert f"ends too early and may be truncated; {len(samples) / 16000:.2f} s are" in warned
    else:
        assert "is truncated: its header states 8.0" in warned
        assert f", but {len(samples) / 16000:.2f} s are read" in warned


def test_a_truncated_sphere_file(tmp_path):
    soundfile.write(tmp_path / "a.sph", sounds.noise(4.0, 16000), 16000, format="NIST")
    sounds.cut(tmp_path / "a.sph", 0.5)
    assert "is truncated: its header states 4.00 s, but 1.9" in read(tmp_path / "a.sph")[1]


def test_wav_files_truncated_between_packets(tmp_path):
    """FFmpeg reads 4096 bytes at a time, and calls the last piece broken only if it is shorter."""
    path = written(tmp_path, "a.wav", seconds=8.0)
    path.write_bytes(path.read_bytes()[: 78 + 4096 * 20])
    samples, warned = read(path)
    assert "is truncated: its header states 8.00 s, but 2.56 s are read" in warned


def test_bytes_after_the_sound_of_a_wav_file_give_a_warning(tmp_path):
    content = written(tmp_path, "a.wav").read_bytes()
    (tmp_path / "two.wav").write_bytes(content + content)
    samples, warned = read(tmp_path / "two.wav")
    assert len(samples) == 64000 and f"has {len(content)} bytes after the sound" in warned
    # These samples look like a chunk's name, with a size beyond the end of the file.
    soundfile.write(tmp_path / "b.wav", np.full(8000, 0x4141, np.int16), 16000)
    content = (tmp_path / "b.wav").read_bytes()
    (tmp_path / "b.wav").write_bytes(content[:40] + (8000).to_bytes(4, "little") + content[44:])
    assert "has 8000 bytes after the sound that its header states" in read(tmp_path / "b.wav")[1]


def test_a_stream_that_damage_makes_appear_ends_the_sound(tmp_path):
    """In the header of the last part, nine bytes long, FFmpeg finds another stream."""
    path = written(tmp_path, "a.flv")
    content = path.read_bytes()
    last = len(content) - 4 - int.from_bytes(content[-4:])
    path.write_bytes(content[: last + 9])
    samples, warned = read(path)
    assert 3.5 < len(samples) / 16000 < 4.1 and "has 2 audio streams" in warned


# Refused files


def mostly_broken(folder):
    path = written(folder, "a.flac")
    for seed, share in enumerate(np.linspace(0.1, 0.99, 400)):
        sounds.damage(path, share, seed)
    return path


def two_data_chunks(folder):
    soundfile.write(folder / "a.wav", sounds.noise(0.5, 16000), 16000)
    content = (folder / "a.wav").read_bytes()
    (folder / "a.wav").write_bytes(content + content[36:])
    return folder / "a.wav"


@pytest.mark.parametrize(
    "make, message",
    [
        (mostly_broken, r"a\.flac cannot be decoded: \d+ of \d+ packets"),
        (two_data_chunks, r"a\.wav has more than one data chunk, .*convert it"),
    ],
)
def test_files_of_which_too_little_would_be_read_are_refused(tmp_path, make, message):
    with pytest.raises(ValueError, match=message):
        read(make(tmp_path))
