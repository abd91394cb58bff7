"""Sound files, and samples in memory."""

import numpy as np
import soundfile
import tiny
from table import case

from espnet_entropy import audio
from espnet_entropy.tokenizer import UnitTokenizer

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


@case("audio: cut off in the samples", None)
def _(folder, parts):
    """What is there is taken: FFmpeg reads to the end of the file."""
    content = sound(folder / "a.wav").read_bytes()
    (folder / "a.wav").write_bytes(content[: len(content) // 2])
    right_length(folder / "a.wav", 0.25)


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

    @case(f"audio: {_name}", "is an address.*Download it")
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
