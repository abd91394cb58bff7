"""Decode an opened sound file in blocks; silence replaces sound that is lost by damage."""

from collections.abc import Iterator
from itertools import chain, pairwise

import numpy as np

# A longer jump of the time stamps means that the clock was set, not that sound was lost.
MAX_GAP_SEC = 3600.0
# Jitter of time stamps in milliseconds, as in WebM.
JITTER_SEC = 0.002
# Formats without time stamps: FFmpeg counts packets, and a broken packet may stand for several.
WITHOUT_CLOCK = {"aac", "ac3", "dts", "eac3", "loas", "mp3", "wav"}
# Codecs whose damaged frames become noise at full volume, unless their checksums are compared.
CHECKSUMMED = {"flac", "tta", "wavpack"}
# Tags are between the frames if files without time stamps were joined end to end.
TAGS = (b"ID3", b"TAG", b"APETAGEX")


class Decoder:
    """The first audio stream of a container, decoded packet by packet.

    Broken packets are left out, as players do, and the time stamps of the file keep the later
    sound at its time. Time stamps that are ahead of the sound give silence. If they are behind it,
    because of jitter or where two recordings were joined, no sound is removed.

    Attributes:
        gaps: (time, length) in s of each missing part.
        jumps: times in s at which the time stamps jump ahead by more than `MAX_GAP_SEC`.
        packets, failed: number of packets of the stream, and of those that cannot be decoded.
        error: the first error of these, or None.
        end: end of the file's streams by their time stamps, as far as they could be read, in s.
        stopped: the error that ended the reading before the end of the file, or None.
        cut: whether the last packet is broken, or shorter than it should be.
    """

    def __init__(self, container, sample_rate: int):
        self.container, self.sample_rate = container, sample_rate
        self.stream = container.streams.audio[0]
        if self.stream.codec_context.name in CHECKSUMMED:
            self.stream.codec_context.options = {"err_detect": "crccheck+explode"}
        self.gaps: list[tuple[float, float]] = []
        self.jumps: list[float] = []
        self.packets = self.failed = 0
        self.error: Exception | None = None
        self.stopped: Exception | None = None
        self.end = 0.0
        self.cut = False
        self._clock: float | None = None  # time stamp of the end of the sound so far, in s
        self._made = 0  # samples so far, at `sample_rate`

    def blocks(self) -> Iterator[np.ndarray]:
        """(N, channels) float32 at `sample_rate`; blocks may have different numbers of channels."""
        import av

        resampler, setup = None, None
        for (frame, time, after_failure), (_, next_time, _) in pairwise(
            chain(self._frames(), [(None, None, False)])
        ):
            gap = self._gap(frame, time, after_failure, next_time)
            before, setup = setup, (frame.format.name, frame.layout.name, frame.rate)
            if resampler and (gap or setup != before):
                yield from self._arrays(resampler.resample(None))
                resampler = None
            if gap:
                silent = round(gap * self.sample_rate)
                self.gaps.append((self._made / self.sample_rate, gap))
                self._made += silent
                yield np.zeros((silent, frame.layout.nb_channels), np.float32)
            # Interleaved, since PyAV reads beyond the end of more than eight planar channels.
            resampler = resampler or av.AudioResampler(format="flt", rate=self.sample_rate)
            yield from self._arrays(resampler.resample(frame))
        if resampler:
            yield from self._arrays(resampler.resample(None))

    def _arrays(self, frames) -> Iterator[np.ndarray]:
        for frame in frames:
            self._made += frame.samples
            yield frame.to_ndarray().reshape(-1, frame.layout.nb_channels)

    def _gap(self, frame, time: float | None, after_failure: bool, next_time) -> float:
        """Seconds that are missing before a frame; moves the clock to the frame's end."""
        length = frame.samples / frame.rate
        if time is None or self._clock is None:
            clock = self._clock if time is None else time
            self._clock = None if clock is None else clock + length
            return 0.0
        ahead = time - self._clock
        if ahead < -1 or ahead > MAX_GAP_SEC:  # another recording begins
            if ahead > 0:
                self.jumps.append(self._made / self.sample_rate)
            self._clock = time + length
            return 0.0
        if next_time is not None and next_time < time:
            ahead = 0.0  # only this frame's time stamp is wrong
        self._clock += max(ahead, 0.0) + length
        # Damage loses whole frames; without a failed packet, less than half a frame is jitter.
        least = JITTER_SEC if after_failure else max(JITTER_SEC, length / 2)
        return ahead if ahead > least else 0.0

    def _frames(self) -> Iterator[tuple]:
        """(frame, its time in s or None, whether the packets before it failed)."""
        import av

        good_bytes = lost_bytes = 0
        counted = 0.0 if self.container.format.name in WITHOUT_CLOCK else None
        for packet in self._all_packets():
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                if counted is None or not bytes(packet).startswith(TAGS):
                    self._fail(error)
                    lost_bytes += packet.size
                    if not good_bytes and packet.pts is not None and self._clock is None:
                        self._clock = max(0.0, _seconds(packet, packet.pts))
                continue
            good_bytes += packet.size
            for frame in frames:
                length, time = frame.samples / frame.rate, frame.time
                if counted is not None:
                    lost = lost_bytes * (self.packets - self.failed) / max(1, good_bytes)
                    time = counted + round(lost) * length
                    counted = time + length
                if time is not None:
                    self.end = max(self.end, time + length)
                yield frame, time, bool(lost_bytes)
                lost_bytes = 0

    def _all_packets(self) -> Iterator:
        """The packets of the stream; packets of other streams only update `end`."""
        import av

        # In MP4 each stream has its length; in other formats only the whole file has one.
        is_mp4 = self.container.format.name.startswith("mov,")
        streams = [self.stream] if is_mp4 else self.container.streams
        try:
            for packet in self.container.demux(*streams):
                if packet.stream_index == self.stream.index:
                    if packet.size:
                        self.packets += 1
                        self.cut = packet.is_corrupt
                    yield packet
                elif packet.pts is not None:
                    end = _seconds(packet, packet.pts + (packet.duration or 0))
                    self.end = max(self.end, end)
        except (av.FFmpegError, IndexError) as error:
            # PyAV raises IndexError where damage makes a stream appear.
            self.stopped = error

    def _fail(self, error: Exception) -> None:
        self.failed += 1
        self.cut = True
        self.error = self.error or error


def _seconds(packet, ticks: int | None) -> float:
    return float((ticks or 0) * packet.time_base)
