"""Sound files of many formats, whole and damaged, as PyAV and soundfile write them."""

import fractions

import av
import numpy as np

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
    """A file with an audio stream for each (N, channels); `change(number, packet)` moves packets.

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
    """A second of moving pictures without sound."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(10):
            file.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        file.mux(stream.encode(None))
    return path


def damage(path, share: float, seed: int = 0) -> None:
    """200 random bytes at this share of the file."""
    content = bytearray(path.read_bytes())
    start = round(share * len(content))
    content[start : start + 200] = np.random.default_rng(seed).bytes(200)
    path.write_bytes(content)


def cut(path, share: float) -> None:
    """Only this share of the file, from its beginning."""
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])


def lag(samples: np.ndarray, part: np.ndarray) -> int:
    """Where in the samples a part of them begins."""
    size = len(samples) + len(part)
    product = np.fft.rfft(samples, size) * np.conj(np.fft.rfft(part, size))
    return int(np.argmax(np.fft.irfft(product, size)[: len(samples)]))
