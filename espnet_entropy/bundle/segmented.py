"""A recording to units, entropies and segments at a rate, with a bundle and without a model."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import Tokens, UnitTokenizer
from espnet_entropy.data.recordings import Recording
from espnet_entropy.segment import RECOMMENDED_SEGMENTER
from espnet_entropy.segment.boundaries import (
    ON_CHANGE,
    SegmenterConfig,
    find_boundaries,
    segments_of,
)
from espnet_entropy.segment.timing import Segment, timed_segments


@dataclass(frozen=True)
class Segmented:
    """What became of a recording.

    Attributes:
        units: (T,) int64.
        entropies: (T,) float32, nats.
        boundaries: (T,) bool, True where a segment starts.
        segments: in order, without gaps.
        frame_rate_hz: units per second.
    """

    units: Tensor
    entropies: Tensor
    boundaries: Tensor
    segments: list[Segment]
    frame_rate_hz: float

    @property
    def duration_sec(self) -> float:
        """Of its units."""
        return len(self.units) / self.frame_rate_hz

    @property
    def rate_hz(self) -> float:
        """Segments per second that were reached."""
        return len(self.segments) / self.duration_sec


class Segmentation:
    """A tokenizer and a segmenter: call it with a sound file or samples.

    Args:
        tokenizer: with a unit LM.
        config: where segments start.
        thresholds: (2,) float32 nats, from the bundle's calibration for this config.
        points: (K, C) float32, of the same calibration; content reads them.
    """

    def __init__(
        self,
        tokenizer: UnitTokenizer,
        config: SegmenterConfig,
        thresholds: Tensor,
        points: Tensor | None = None,
    ):
        self.tokenizer, self.config = tokenizer, config
        self.thresholds, self.points = thresholds, points

    @classmethod
    def from_bundle(
        cls,
        folder: Path | str,
        *,
        segmenter: str = RECOMMENDED_SEGMENTER,
        on_change: bool = False,
        rate_hz: float | None = 15.0,
        lead: int = 0,
        device: torch.device | str = "cpu",
        extractor_path: str | None = None,
    ) -> "Segmentation":
        """With the thresholds that a bundle has for this rate.

        Args:
            folder: the bundle.
            segmenter: a key of `segment.SEGMENTERS`.
            on_change: boundaries only where the unit changes.
            rate_hz: segments per second to aim at; dense and dedup have none.
            lead: frames that a boundary comes before its unit, see `SegmenterConfig`.
            device: where to compute.
            extractor_path: the extractor's weights, if they are not where the bundle says.

        Raises:
            ValueError: no bundle there, no such segmenter, or a rate that it does not reach.
        """
        bundle = Bundle.open(folder)
        calibration = bundle.calibration()
        method = segmenter + (ON_CHANGE if on_change else "")
        config = calibration.config(method, rate_hz, frame_rate_hz=bundle.frame_rate_hz, lead=lead)
        thresholds = calibration.thresholds(config)
        tokenizer = UnitTokenizer.from_bundle(folder, device=device, extractor_path=extractor_path)
        return cls(tokenizer, config, thresholds, calibration.points)

    @property
    def frame_rate_hz(self) -> float:
        """Units per second."""
        return self.config.frame_rate_hz

    def __call__(self, recording: Tensor | np.ndarray | Recording | Path | str) -> Segmented:
        """Units and segments of one recording; arguments and errors are those of `tokenize`."""
        return self.cut(self.tokenizer.tokenize(recording))

    def cut(self, tokens: Tokens) -> Segmented:
        """Segments of units that are there already.

        Args:
            tokens: of one recording, with entropies, on any device.
        """
        units, entropies, lengths = tokens.units.cpu(), tokens.entropies.cpu(), tokens.lengths.cpu()
        boundaries = find_boundaries(
            units, entropies, lengths, self.config, self.thresholds, self.points
        )
        segment_lengths = segments_of(boundaries, lengths)[1][0]
        segments = timed_segments(units[0], segment_lengths, self.frame_rate_hz)
        return Segmented(units[0], entropies[0], boundaries[0], segments, self.frame_rate_hz)
