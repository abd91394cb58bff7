"""Sound files of many formats, whole and damaged, as PyAV and soundfile write them."""

import fractions
import warnings

import av
import numpy as np

from espnet_entropy.data.audio import SoundWarning, read_audio

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
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def noise(seconds: float, rate: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """(N, channels) float32 that no shift maps onto itself, softer and louder by turns."""
    count = round(seconds * rate)
    wave = np.random.default_rng(seed).normal(size=(count, channels))
    wave = np.stack([np.convolve(row, np.ones(8) / 8, "same") for row in wave.T], axis=1)
    swell = 0.2 + 0.1 * np.sin(np.arange(count) / rate * 11)
    return (wave * swell[:, None]).astype(np.float32)


def packets_of(stream, wave: np.ndarray, rate: int):
    """The encoder's packets of (N, channels) samples."""
    resampler = av.AudioResampler(stream.format.name, stream.layout, rate)
    for start in range(0, len(wave), 960):
        block = np.ascontiguousarray(wave[start : start + 960]).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(block, format="flt", layout=stream.layout.name)
        frame.sample_rate, frame.pts = rate, start
        frame.time_base = fractions.Fraction(1, rate)
        for part in resampler.resample(frame):
            yield from stream.encode(part)
    yield from stream.encode(None)


def write(path, *waves, codec, rate, change=None, tags=None, bit_rate=None, **options):
    """Write a file with an audio stream per (N, channels); `change(number, packet)` edits packets.

    Returns:
        The path.
    """
    with av.open(str(path), "w", **options) as file:
        file.metadata.update(tags or {})
        layouts = [LAYOUTS[wave.shape[1]] for wave in waves]
        streams = [file.add_stream(codec, rate=rate, layout=layout) for layout in layouts]
        for stream, wave in zip(streams, waves, strict=True):
            if bit_rate:
                stream.bit_rate = bit_rate
            for number, packet in enumerate(packets_of(stream, wave, rate)):
                if change:
                    change(number, packet)
                file.mux(packet)
    return path


def write_video(path, codec: str):
    """Write one second of video without sound."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(stream.encode(None))
    return path


def damage(path, share: float, seed: int = 0) -> None:
    """Put 200 random bytes at this share of the file."""
    content = bytearray(path.read_bytes())
    start = round(share * len(content))
    content[start : start + 200] = np.random.default_rng(seed).bytes(200)
    path.write_bytes(content)


def cut(path, share: float) -> None:
    """Truncate a file to this share of its length."""
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])


def lag(samples: np.ndarray, part: np.ndarray) -> int:
    """Position in the samples at which a part of them begins."""
    size = len(samples) + len(part)
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(part, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(samples)]))


def written(folder, name, seconds=4.0, channels=1, **options):
    """Noise in one of the formats."""
    settings = {**FORMATS[name], **options}
    wave = noise(seconds, settings["rate"], channels)
    return write(folder / name, wave, **settings)


def read(path, rate=16000, **options):
    """Samples, and the texts of all warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples = read_audio(path, rate, **options)
    assert all(issubclass(warning.category, SoundWarning) for warning in caught)
    assert all(str(path) in str(warning.message) for warning in caught)
    return samples, "; ".join(str(warning.message) for warning in caught)
