"""Units, entropies and boundaries while audio arrives: those of the whole recording, later.

The extractor encodes pieces of `chunk_sec` that do not see each other, and the unit LM keeps the
keys and values of its window. So what a stream gives is what `UnitTokenizer` gives offline with the
same extractor: the same units, and entropies up to the rounding of float32.
"""

import numpy as np
import torch
from torch import Tensor

from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.audio import MAX_PEAK
from espnet_entropy.lm.entropy import EntropyStream
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.stream import Finished, SegmentStream
from espnet_entropy.units.chunks import pieces_of


class StreamingTokenizer:
    """One stream of audio: push samples as they come, flush at the end, reset for the next.

        stream = StreamingTokenizer(tokenizer, config, thresholds)
        for samples in microphone:
            finished = stream.push(samples)
        finished = stream.flush()

    Memory is that of a chunk, of the unit LM's window, and of what one push brings and returns.

    Args:
        tokenizer: its extractor must have been built with `chunk_sec`.
        config: where segments start; None: no boundaries are given. Needs a unit LM.
        thresholds: (2,) float, nats, of the config's calibration, see `Calibration.thresholds`.
        points, lookahead: of segmenter content, see `SegmentStream`.

    Raises:
        ValueError: an extractor without chunks, a segmenter that needs the whole recording, or one
            without a unit LM.
    """

    def __init__(
        self,
        tokenizer: UnitTokenizer,
        config: SegmenterConfig | None = None,
        thresholds: Tensor | None = None,
        points: Tensor | None = None,
        *,
        lookahead: int | None = None,
    ):
        extractor = tokenizer.extractor
        if extractor.chunk_samples is None:
            raise ValueError(
                f"the extractor {extractor.name} encodes a recording as a whole; learn a codebook "
                "with chunk_sec in its extractor_conf to take audio while it arrives"
            )
        if config is not None and tokenizer.unit_lm is None:
            raise ValueError(f"segmenter {config.segmenter!r} was given, but no unit LM")
        self.tokenizer, self.config, self.thresholds = tokenizer, config, thresholds
        self.points, self.lookahead = points, lookahead
        # A chunk is final when the shortest possible piece after it is there.
        self._buffer = torch.zeros(extractor.chunk_samples + extractor.shortest)
        self.reset()

    @property
    def latency_sec(self) -> float:
        """When a unit is final at the latest, counted in seconds of audio from its frame's time.

        That of the first unit of a chunk: the unit at t seconds is returned by the push that brings
        the audio up to t + latency_sec. The time to compute a chunk comes on top.
        """
        extractor = self.tokenizer.extractor
        lookahead = self._segments.lookahead if self._segments is not None else 0
        return len(self._buffer) / extractor.sample_rate + lookahead * extractor.frame_shift_sec

    @property
    def forced_share(self) -> float:
        """Share of the units decided too early to be sure, see `SegmentStream.forced_share`."""
        return self._segments.forced_share if self._segments is not None else 0.0

    def reset(self) -> None:
        """Forget the stream, ended or not, and begin a new one."""
        unit_lm = self.tokenizer.unit_lm
        self._entropies = EntropyStream(unit_lm) if unit_lm is not None else None
        self._segments = None
        if self.config is not None:
            self._segments = SegmentStream(
                self.config, self.thresholds, self.points, lookahead=self.lookahead
            )
        self._held = 0  # samples in the buffer
        self._received = 0  # samples since the beginning
        self._num_units = 0
        self._ended = False

    def push(self, samples: Tensor | np.ndarray, *, sample_rate: int | None = None) -> Finished:
        """Take the next samples.

        Args:
            samples: (n,) float32 or float64 in [-1, 1], n at least 0.
            sample_rate: theirs, in Hz; checked if given.

        Returns:
            The units that became final, often none.

        Raises:
            ValueError: another shape, dtype or rate, samples that are not finite, or the stream
                has ended. The stream is then as it was before.
        """
        self._check_open()
        samples = self._checked(samples, sample_rate)
        units = []
        while len(samples):
            part = samples[: len(self._buffer) - self._held]
            self._buffer[self._held : self._held + len(part)] = part
            self._held += len(part)
            self._received += len(part)
            samples = samples[len(part) :]
            if self._held == len(self._buffer):
                chunk = self.tokenizer.extractor.chunk_samples
                units.append(self.tokenizer.units_of(self._buffer[:chunk]))
                self._held -= chunk
                self._buffer[: self._held] = self._buffer[chunk:].clone()
        return self._finish(units)

    def flush(self) -> Finished:
        """End the stream, and return the units that waited for more.

        Raises:
            ValueError: the whole stream was shorter than a frame, or has already ended.
        """
        self._check_open()
        self._ended = True
        rest, extractor = self._buffer[: self._held], self.tokenizer.extractor
        if extractor.num_frames(self._held) < 1:
            raise ValueError(
                f"the stream ended after {self._received} samples "
                f"({self._received / extractor.sample_rate:.4f} s), too short for one frame of "
                f"{extractor.name}"
            )
        pieces = rest.split(pieces_of(extractor, self._held))
        return self._finish([self.tokenizer.units_of(piece) for piece in pieces], last=True)

    def _check_open(self) -> None:
        if self._ended:
            raise ValueError("the stream has ended; call reset() to begin another one")

    def _checked(self, samples: Tensor | np.ndarray, sample_rate: int | None) -> Tensor:
        expected_rate = self.tokenizer.sample_rate
        if sample_rate is not None and sample_rate != expected_rate:
            raise ValueError(
                f"samples at {sample_rate} Hz, but the tokenizer takes {expected_rate} Hz; "
                "resample them"
            )
        samples = torch.as_tensor(samples)
        if samples.dim() != 1 or samples.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"samples are {tuple(samples.shape)} {samples.dtype}; expected one channel, (n,) "
                "float32 in [-1, 1] (divide 16-bit integers by 32768)"
            )
        samples = samples.detach().to("cpu", torch.float32)
        wrong = ~(samples.abs() <= MAX_PEAK)  # also true for NaN
        if wrong.any():
            at = int(wrong.nonzero()[0])
            raise ValueError(
                f"sample {self._received + at} of the stream is {samples[at].item()}; expected "
                "finite floats in [-1, 1] (divide 16-bit integers by 32768)"
            )
        return samples

    def _finish(self, units: list[Tensor], *, last: bool = False) -> Finished:
        device = self.tokenizer.device
        joined = torch.cat([torch.zeros(0, dtype=torch.int64, device=device), *units])
        first, self._num_units = self._num_units, self._num_units + len(joined)
        entropies = torch.zeros(0, device=device)
        if self._entropies is None:
            return Finished(first, joined, None, None)
        if len(joined):
            # Chunk by chunk, or a push of an hour would hold the logits of all its units.
            entropies = torch.cat([self._entropies(part[None])[0] for part in units])
        if self._segments is None:
            return Finished(first, joined, entropies, None)
        return self._segments(joined, entropies, last=last)
