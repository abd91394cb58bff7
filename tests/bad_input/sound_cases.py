"""Sound files, and samples in memory."""

import numpy as np
import pytest
import soundfile
import sounds
import tiny
from table import case

from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data import audio

# Sound files


def sound(path, seconds=0.5, rate=16000, channels=1, **options):
    wave = tiny.wave(1, seconds, rate)
    soundfile.write(path, np.stack([wave] * channels, 1), rate, **options)
    return path


def right_length(path, seconds=0.5):
    samples = audio.read_audio(path, 16000)
    assert samples.ndim == 1 and samples.dtype == np.float32 and np.isfinite(samples).all()
    assert abs(len(samples) - seconds * 16000) < 64
    return samples


for _rate in (8000, 11025, 16000, 22050, 44100, 48000):
    for _channels in (1, 2, 6):
        for _suffix, _subtype in (("wav", "PCM_16"), ("wav", "FLOAT"), ("flac", "PCM_24")):

            @case(f"audio {_rate} Hz, {_channels} channels, {_suffix} {_subtype}", None)
            def _(folder, parts, r=_rate, c=_channels, s=_suffix, t=_subtype):
                right_length(sound(folder / f"a.{s}", rate=r, channels=c, subtype=t))


for _name in ("é ü.wav", "12:30.wav", "-.wav", "a|b.wav", "日本.wav", "a" * 200 + ".wav"):

    @case(f"audio named {_name[:12]}", None)
    def _(folder, parts, name=_name):
        right_length(sound(folder / name))


for _channels in (9, 16, 64):

    @case(f"audio of {_channels} channels", None)
    def _(folder, parts, channels=_channels):
        """More than PyAV has planes for."""
        right_length(sound(folder / "a.wav", channels=channels))


@case("audio: silence", None)
def _(folder, parts):
    soundfile.write(folder / "a.wav", np.zeros(8000), 16000)
    assert (right_length(folder / "a.wav") == 0).all()
    tokens = UnitTokenizer.from_bundle(parts.bundle).tokenize(folder / "a.wav")
    assert tokens.entropies.isfinite().all()


@case("audio: clipped", None)
def _(folder, parts):
    soundfile.write(folder / "a.wav", np.sign(tiny.wave(1, 0.5)), 16000)
    assert np.abs(right_length(folder / "a.wav")).max() <= 1.01
    UnitTokenizer.from_bundle(parts.bundle).tokenize(folder / "a.wav")


def warns(path, pattern):
    """The samples, which are read with this warning, with the file's name in it."""
    with pytest.warns(audio.SoundWarning, match=f"{path.name} {pattern}"):
        return audio.read_audio(path, 16000)


for _name in ("a.wav", "a.flac", "a.m4a", "a.webm", "a.mp3", "a.wma"):

    @case(f"audio: cut off in the samples, {_name}", None)
    def _(folder, parts, name=_name):
        sounds.cut(sounds.written(folder, name), 0.5)
        samples = warns(folder / name, r"is truncated: its header states 4\.0. s, but [12]\... s")
        assert 1.5 < len(samples) / 16000 < 2.2


@case("audio: cut off in the samples, SPHERE", None)
def _(folder, parts):
    sounds.cut(sound(folder / "a.sph", 4.0, format="NIST"), 0.5)
    warns(folder / "a.sph", r"is truncated: its header states 4\.00 s, but 1\.9. s are read")


@case("audio: cut off in the samples, Ogg", None)
def _(folder, parts):
    """Ogg files state no length at their beginning, but have a mark at their end."""
    sounds.cut(sounds.written(folder, "a.opus"), 0.6)
    warns(folder / "a.opus", r"ends too early and may be truncated; \d\.\d\d s are read")


for _name in ("a.opus", "a.flac", "a.m4a", "a.mp3"):

    @case(f"audio: damaged, {_name}", None)
    def _(folder, parts, name=_name):
        whole = audio.read_audio(sounds.written(folder, name, seconds=8.0), 16000)
        sounds.damage(folder / name, 0.3)
        samples = warns(folder / name, r"lacks \d\.\d\d s of sound at .* silence replaces")
        assert abs(len(samples) - len(whole)) <= 0.03 * 16000


@case("audio: joined MP3 files of other rates", None)
def _(folder, parts):
    made = [
        sounds.written(folder, "a.mp3", seconds=1.0, rate=rate, channels=channels).read_bytes()
        for rate, channels in ((44100, 2), (16000, 1))
    ]
    (folder / "b.mp3").write_bytes(b"".join(made))
    assert abs(len(audio.read_audio(folder / "b.mp3", 16000)) - 32000) < 2400


@case("audio: tags in Latin-1", None)
def _(folder, parts):
    path = sounds.written(folder, "a.m4a", seconds=1.0, tags={"title": "a cafe au lait"})
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    assert abs(len(audio.read_audio(path, 16000)) - 16000) < 400


@case("audio: two streams", None)
def _(folder, parts):
    waves = [sounds.noise(1.0, 16000, seed=seed) for seed in (0, 1)]
    sounds.write(folder / "a.mka", *waves, codec="flac", rate=16000)
    warns(folder / "a.mka", "has 2 audio streams; only the first one is read")


@case("audio: two WAV files in one", None)
def _(folder, parts):
    path = sound(folder / "a.wav")
    path.write_bytes(2 * path.read_bytes())
    warns(path, r"has \d+ bytes after the sound that its header states; they are not read")


@case("audio: a WAV header that states too little", None)
def _(folder, parts):
    """The samples behind it look like a chunk's name, with a size beyond the end of the file."""
    path = folder / "a.wav"
    soundfile.write(path, np.full(8000, 0x4141, np.int16), 16000)
    content = path.read_bytes()
    path.write_bytes(content[:40] + (8000).to_bytes(4, "little") + content[44:])
    warns(path, "has 8000 bytes after the sound that its header states; they are not read")


@case("audio: two data chunks", "a.wav has more than one data chunk, .*convert it")
def _(folder, parts):
    path = sound(folder / "a.wav")
    content = path.read_bytes()
    path.write_bytes(content + content[36:])
    audio.read_audio(path, 16000)


def stereo(folder, gain):
    left = tiny.wave(1, 0.5)
    soundfile.write(folder / "a.wav", np.stack([left, gain * left], axis=1), 16000)
    return folder / "a.wav"


@case("audio: channels that partly cancel each other out", None)
def _(folder, parts):
    warns(stereo(folder, -0.5), "has channels that partly cancel .* --channel 1")


@case("audio: an inverted channel", r"a\.wav: its channels cancel .* --channel 1")
def _(folder, parts):
    audio.read_audio(stereo(folder, -1.0), 16000)


@case("audio: mostly broken", r"a\.flac cannot be decoded: \d+ of \d+ packets are broken")
def _(folder, parts):
    path = sounds.written(folder, "a.flac")
    for seed, share in enumerate(np.linspace(0.1, 0.99, 300)):
        sounds.damage(path, share, seed)
    audio.read_audio(path, 16000)


@case("audio: a video without sound", "a.mp4 holds no sound: it has no audio stream")
def _(folder, parts):
    audio.read_audio(sounds.write_video(folder / "a.mp4", "mpeg4"), 16000)


@case("audio: RIFX", "a.wav is a big-endian WAV file")
def _(folder, parts):
    audio.read_audio(sound(folder / "a.wav", endian="BIG"), 16000)


@case("audio: no header", "a.ul has no header, so its sample rate is unknown")
def _(folder, parts):
    (folder / "a.ul").write_bytes(bytes(range(256)) * 40)
    audio.read_audio(folder / "a.ul", 16000)


@case("audio: joined Ogg Vorbis files of other settings", "a.ogg consists of .* split the file")
def _(folder, parts):
    made = [sound(folder / "a.ogg", rate=rate).read_bytes() for rate in (16000, 44100)]
    (folder / "a.ogg").write_bytes(b"".join(made))
    audio.read_audio(folder / "a.ogg", 16000)


BROKEN_AUDIO = {
    "missing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("no sound\n"),
    "header cut off": lambda path: path.write_bytes(sound(path).read_bytes()[:20]),
    "no samples": lambda path: soundfile.write(path, np.zeros(0), 16000),
    "NaN samples": lambda path: soundfile.write(path, np.full(800, np.nan), 16000, subtype="FLOAT"),
    "infinite samples": lambda path: soundfile.write(
        path, np.full(800, np.inf), 16000, subtype="FLOAT"
    ),
    "16-bit integers as floats": lambda path: soundfile.write(
        path, 32768 * tiny.wave(1, 0.5), 16000, subtype="FLOAT"
    ),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
    "a picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100)),
    "zeros": lambda path: path.write_bytes(bytes(4096)),
    "unreadable characters": lambda path: path.write_text("é" * 1000, encoding="utf-16"),
}
for _name, _make in BROKEN_AUDIO.items():

    @case(f"audio: {_name}", r"broken\.wav .*(cannot be decoded|holds)")
    def _(folder, parts, make=_make):
        make(folder / "broken.wav")
        audio.read_audio(folder / "broken.wav", 16000)


for _name in ("http://127.0.0.1:9/a.wav", "ftp://x/a.wav", "rtsp://x/y"):

    @case(f"audio: {_name}", "is an address.*download the file")
    def _(folder, parts, name=_name):
        audio.read_audio(name, 16000)


for _name in ("touch {}/witness |", "| cat {}/x", "sox {} -t wav - |", "  touch {}/witness | "):

    @case(f"audio: {_name}", "is a shell command; it is not run")
    def _(folder, parts, name=_name):
        audio.read_audio(name.format(folder), 16000)


# Samples in memory

WAVEFORMS = {
    "empty": (np.zeros(0, np.float32), "0 samples"),
    "shorter than a frame": (np.zeros(30, np.float32), "30 samples"),
    "two channels": (np.zeros((2, 8000), np.float32), r"\(2, 8000\); expected one channel"),
    "NaN": (np.full(8000, np.nan, np.float32), "NaN|finite"),
    "infinite": (np.full(8000, np.inf, np.float32), "NaN|finite"),
    "a number": (np.float32(0.5), "expected one channel"),
    "float64": (tiny.wave(1, 0.5).astype(np.float64), None),
    "a list of zeros": (np.zeros(8000, np.int16), None),
    "not in [-1, 1]": (100 * tiny.wave(1, 0.5), r"expected finite floats in \[-1, 1\]"),
}
for _name, (_wave, _message) in WAVEFORMS.items():

    @case(f"samples: {_name}", _message)
    def _(folder, parts, wave=_wave):
        UnitTokenizer.from_bundle(parts.bundle).tokenize(wave)
