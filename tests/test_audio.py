"""Sound files of all kinds: good ones are read in full, and of bad ones it is said what is lost."""

import io
import subprocess
import sys
import warnings

import av
import numpy as np
import pytest
import soundfile
import sounds

from espnet_entropy.audio import SoundWarning, read_audio, sample_rate_of

FORMATS = {
    "a.wav": dict(codec="pcm_s16le", rate=16000),
    "deep.wav": dict(codec="pcm_f32le", rate=44100),
    "eight.wav": dict(codec="pcm_u8", rate=8000),
    "a.flac": dict(codec="flac", rate=44100),
    "a.mp3": dict(codec="libmp3lame", rate=44100),
    "a.aac": dict(codec="aac", rate=44100, format="adts"),
    "a.m4a": dict(codec="aac", rate=44100, format="ipod", options={"movflags": "faststart"}),
    "parts.mp4": dict(codec="aac", rate=48000, options={"movflags": "frag_keyframe+empty_moov"}),
    "a.opus": dict(codec="libopus", rate=48000),
    "a.oga": dict(codec="flac", rate=16000),
    "a.webm": dict(codec="libopus", rate=48000),
    "a.mkv": dict(codec="aac", rate=44100),
    "a.wma": dict(codec="wmav2", rate=44100, bit_rate=64000, format="asf"),
    "a.ts": dict(codec="aac", rate=48000),
    "a.flv": dict(codec="aac", rate=44100),
    "a.ac3": dict(codec="ac3", rate=48000),
    "a.amr": dict(codec="libopencore_amrnb", rate=8000),
    "a.aiff": dict(codec="pcm_s16be", rate=44100),
    "a.au": dict(codec="pcm_s16be", rate=16000),
    "a.caf": dict(codec="pcm_s16le", rate=44100),
    "a.w64": dict(codec="pcm_s16le", rate=16000),
    "a.wv": dict(codec="wavpack", rate=44100),
    "a.tta": dict(codec="tta", rate=44100),
    "a.avi": dict(codec="libmp3lame", rate=44100),
}


def written(folder, name, seconds=4.0, channels=1, **options):
    settings = {**FORMATS[name], **options}
    wave = sounds.noise(seconds, settings["rate"], channels)
    return sounds.write(folder / name, wave, **settings)


def read(path, rate=16000, **options):
    """Samples, and the warnings' texts in one."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples = read_audio(path, rate, **options)
    assert all(issubclass(warning.category, SoundWarning) for warning in caught)
    assert all(str(path) in str(warning.message) for warning in caught)
    return samples, "; ".join(str(warning.message) for warning in caught)


def plainly_read(path, rate):
    """What PyAV decodes, frame after frame, without any care."""
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
    """Recordings of browsers: the clock of each packet is some milliseconds off."""
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


@pytest.mark.parametrize(
    "name, seconds",
    # The longest that an error of the place may be: a frame, where a format has no time stamps.
    {
        "a.opus": 0.002,
        "a.oga": 0.002,
        "a.webm": 0.002,
        "a.mkv": 0.002,
        "a.flac": 0.002,
        "a.m4a": 0.002,
        "parts.mp4": 0.002,
        "a.wma": 0.002,
        "a.ts": 0.002,
        "a.flv": 0.002,
        "a.wv": 0.002,
        "a.tta": 0.002,
        "a.mp3": 0.03,
        "a.aac": 0.03,
        "a.ac3": 0.04,
        "a.amr": 0.3,
    }.items(),
)
def test_what_follows_damage_keeps_its_time(tmp_path, name, seconds):
    # Of WebM, all is lost up to the next cluster, which begins every five seconds.
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


def test_mostly_broken_files_are_refused(tmp_path):
    path = written(tmp_path, "a.flac")
    for seed, share in enumerate(np.linspace(0.1, 0.99, 400)):
        sounds.damage(path, share, seed)
    with pytest.raises(ValueError, match=r"a\.flac cannot be decoded: \d+ of \d+ packets"):
        read(path)


# Files that are cut off


@pytest.mark.parametrize("name", [n for n in FORMATS if n not in ("a.ac3", "a.ts", "eight.wav")])
def test_of_cut_off_files_what_is_there_is_taken(tmp_path, name):
    path = written(tmp_path, name, seconds=8.0)
    sounds.cut(path, 0.503)
    samples, warned = read(path)
    assert 2.5 < len(samples) / 16000 < 4.5
    if name in ("a.opus", "a.oga", "a.aac", "a.amr", "a.caf", "a.w64"):
        assert f"ends too early, as if it was cut off; {len(samples) / 16000:.2f} s are" in warned
    else:
        assert "is cut off: 8.0" in warned and f" {len(samples) / 16000:.2f} s are read" in warned


def test_wav_files_cut_off_between_packets(tmp_path):
    """FFmpeg reads 4096 bytes at a time, and calls the last piece broken only if it is shorter."""
    path = written(tmp_path, "a.wav", seconds=8.0)
    path.write_bytes(path.read_bytes()[: 78 + 4096 * 20])
    samples, warned = read(path)
    assert "is cut off: 8.00 s by its header, 2.56 s are read" in warned


def test_bytes_behind_the_sound_of_a_wav_file_are_named(tmp_path):
    content = written(tmp_path, "a.wav").read_bytes()
    (tmp_path / "two.wav").write_bytes(content + content)
    samples, warned = read(tmp_path / "two.wav")
    assert len(samples) == 64000 and f"has {len(content)} bytes behind the sound" in warned


# Channels


def test_channels_that_cancel_each_other_out(tmp_path):
    path, wave = tmp_path / "a.wav", sounds.noise(2.0, 16000, 2)
    left = wave[:, 0]

    def of(*channels):
        soundfile.write(path, np.stack(channels, axis=1), 16000, subtype="FLOAT")
        return read(path)

    for inverted in (-left, -0.8 * left, -left + 0.1 * wave[:, 1]):
        with pytest.raises(ValueError, match="a.wav: its channels cancel.*--channel 1"):
            of(left, inverted)
    np.testing.assert_array_equal(read(path, channel=1)[0], left)
    assert "partly cancel each other out" in of(left, -0.6 * left)[1]
    half = np.arange(len(left)) < 16000
    good = [
        (left, wave[:, 1]),  # unrelated noise
        (left * half, wave[:, 1] * ~half),  # two speakers in turn
        (left, np.roll(left, 20)),  # microphones 40 cm apart
        (left, 0 * left, 0 * left, 0 * left, 0 * left, 0 * left),
        (left, left, -left, left),
        (0.01 * left + 0.3, 0.01 * left - 0.3),  # opposite offsets
        (0 * left, 0 * left),
    ]
    for channels in good:
        samples, warned = of(*channels)
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
    code = (
        "import resource, sys; from espnet_entropy.audio import read_audio\n"
        "used = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = used(); read_audio(sys.argv[1], 16000); print(used() - before)"
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
