"""Waveform to units and entropies: extractor, codebook and unit LM in a row."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from espnet_entropy.bundle.bundle import Bundle, load_extractor
from espnet_entropy.data.recordings import Recording
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet_entropy.units.chunks import pieces_of
from espnet_entropy.units.codebook import Codebook


@dataclass(frozen=True)
class Tokens:
    """A padded batch of units.

    Attributes:
        units: (B, T) int64, 0 on the padding.
        entropies: (B, T) float32, nats, 0 on the padding; None without a unit LM.
        lengths: (B,) int64 frames.
    """

    units: Tensor
    entropies: Tensor | None
    lengths: Tensor


class UnitTokenizer:
    """Turns waveforms into units and entropies.

    Utterances are computed one by one: the shape of a matrix product changes its rounding, and a
    unit or boundary that depends on its neighbours in the batch could not be reproduced.

    Args:
        extractor: frame features.
        codebook: units.
        unit_lm: entropies; without it only units are given.
        device: where all of it runs.
    """

    def __init__(
        self,
        extractor: nn.Module,
        codebook: Codebook,
        unit_lm: LlamaLM | None = None,
        device: torch.device | str = "cpu",
    ):
        self.device = torch.device(device)
        self.extractor = extractor.to(self.device)
        self.codebook = codebook.to(self.device)
        self.unit_lm = unit_lm.to(self.device) if unit_lm is not None else None

    @classmethod
    def from_codebook(
        cls, folder: Path | str, *, device: torch.device | str = "cpu"
    ) -> "UnitTokenizer":
        """Units only, from the folder that learn_codebook wrote."""
        codebook = Codebook.load(Path(folder) / "codebook.safetensors")
        return cls(load_extractor(folder), codebook, None, device)

    @classmethod
    def from_bundle(
        cls,
        folder: Path | str,
        *,
        device: torch.device | str = "cpu",
        extractor_path: str | None = None,
    ) -> "UnitTokenizer":
        """Units and entropies, from a bundle.

        Args:
            folder: the bundle.
            device: where to compute.
            extractor_path: the extractor's weights, if they are not where the bundle says.
        """
        bundle = Bundle.open(folder)
        extractor = load_extractor(folder, extractor_path)
        return cls(extractor, bundle.codebook(), bundle.unit_lm(), device)

    @property
    def frame_rate_hz(self) -> float:
        """Units per second."""
        return 1 / self.extractor.frame_shift_sec

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.extractor.sample_rate

    @torch.inference_mode()
    def units_of(self, waveform: Tensor) -> Tensor:
        """Units of one recording, or of one of the pieces in which the extractor encodes it.

        Args:
            waveform: (N,) float32 in [-1, 1], at `sample_rate`.

        Returns:
            (T,) int64.

        Raises:
            ValueError: it is shorter than a frame, or samples are not finite.
        """
        length = len(waveform)
        with torch.autocast(self.device.type, enabled=False):
            features, _ = self.extractor(waveform[None].to(self.device), torch.tensor([length]))
            # By piece, as streams do: the number of rows of a matrix product changes its rounding.
            # Copies, because the place in memory may, too.
            pieces = pieces_of(self.extractor, length)
            frames = [self.extractor.num_frames(piece) for piece in pieces]
            parts = [self.codebook.assign(p.clone()) for p in features[0].split(frames)]
            return torch.cat(parts)

    @torch.inference_mode()
    def __call__(self, waveforms: Tensor, lengths: Tensor) -> Tokens:
        """Tokenize a padded batch, in float32 under autocast too: bf16 flips units.

        Args:
            waveforms: (B, N) float32 in [-1, 1], at `sample_rate`.
            lengths: (B,) int64 samples.

        Raises:
            ValueError: an utterance is shorter than a frame, or samples are not finite.
        """
        with torch.autocast(self.device.type, enabled=False):
            return self._tokenize(waveforms, lengths)

    def tokenize(self, recording: Tensor | np.ndarray | Recording | Path | str) -> Tokens:
        """Tokenize one recording, as a batch of one.

        Args:
            recording: a sound file of any format, rate and channels; a `Recording`; or (N,)
                samples in [-1, 1] at `sample_rate`.

        Raises:
            ValueError: the file cannot be read, the recording is shorter than a frame or has more
                than one channel, or its samples are not finite. The message names a file.
        """
        if isinstance(recording, (str, Path)):
            recording = Recording(str(recording), str(recording))
        if isinstance(recording, Recording):
            samples = recording.samples(self.sample_rate)
            try:
                return self.tokenize(samples)
            except ValueError as error:
                raise ValueError(f"{recording.source}: {error}") from error
        waveform = torch.as_tensor(recording, dtype=torch.float32)
        if waveform.dim() != 1:
            raise ValueError(
                f"the waveform is {tuple(waveform.shape)}; expected one channel, (N,) samples at "
                f"{self.sample_rate} Hz"
            )
        return self(waveform.unsqueeze(0), torch.tensor([len(waveform)]))

    def _tokenize(self, waveforms: Tensor, lengths: Tensor) -> Tokens:
        if len(waveforms) == 0 or len(waveforms) != len(lengths):
            raise ValueError(
                f"{len(waveforms)} waveforms and {len(lengths)} lengths; give as many of each, and "
                "at least one"
            )
        units, entropies = [], []
        for i, (waveform, length) in enumerate(zip(waveforms, lengths.tolist(), strict=True)):
            try:
                units.append(self.units_of(waveform[:length]))
            except ValueError as error:
                if len(waveforms) == 1:
                    raise
                raise ValueError(f"utterance {i} of the batch: {error}") from error
            if self.unit_lm is not None:
                alone, frames = units[-1].unsqueeze(0), torch.tensor([len(units[-1])])
                entropies.append(
                    predictive_entropies(self.unit_lm, alone, frames.to(self.device))[0]
                )
        pad = torch.nn.utils.rnn.pad_sequence
        return Tokens(
            pad(units, batch_first=True),
            pad(entropies, batch_first=True) if self.unit_lm is not None else None,
            torch.tensor([len(u) for u in units], device=self.device),
        )
