"""Check whether an imported codebook fits the features of an extractor.

A codebook of another layer of the same model has the right dimension, and its units look plausible.
Reference labels of a few seconds of audio show the difference.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import build_extractor

# Length of the audio to compare. This gives 1500 units at 50 Hz, enough to tell 90 % from 59 %.
MAX_SEC = 30.0
# Rounding differs between toolkits, batch sizes and precisions, and changes units at cell borders.
MIN_AGREEMENT = 0.9
# Number of frames by which toolkits differ at the end of a recording.
TOLERANCE = 2


@dataclass(frozen=True)
class Fit:
    """How well a codebook fits features.

    Attributes:
        frames: number of frames.
        agreement: share of the frames whose unit equals the label; None without labels.
        distance: mean squared distance of the frames to their centroids.
        variance: mean squared distance of the frames to their mean.
    """

    frames: int
    agreement: float | None
    distance: float
    variance: float

    def describe(self, trained: float | None) -> str:
        """One line; `trained` is the mean squared distance in the codebook's training, if known."""
        known = "unknown" if trained is None else f"{trained:.4g}"
        agreement = ""
        if self.agreement is not None:
            agreement = f"{100 * self.agreement:.1f} % agree with the labels, "
        return (
            f"{self.frames} units: {agreement}mean squared distance to the centroids "
            f"{self.distance:.4g} ({100 * self.distance / self.variance:.0f} % of the variance; in "
            f"the training of the codebook: {known})"
        )


def first_waves(
    wav_scp: Path | str, labelled: Collection[str] | None, sample_rate: int
) -> dict[str, Tensor]:
    """The first recordings of a table that have labels, up to MAX_SEC of audio.

    Args:
        wav_scp: table of recordings.
        labelled: utterances that have labels; None uses all recordings.
        sample_rate: Hz.

    Returns:
        (N,) float32 waveforms by utterance.

    Raises:
        ValueError: no recording has labels, or a file cannot be read.
    """
    recordings = read_recordings(wav_scp)
    chosen = [utt for utt in recordings if labelled is None or utt in labelled]
    if not chosen:
        raise ValueError(f"{wav_scp} and the labels have no utterance in common")
    waves, seconds = {}, 0.0
    for utt in chosen:
        waves[utt] = torch.from_numpy(recordings[utt].samples(sample_rate))
        seconds += len(waves[utt]) / sample_rate
        if seconds >= MAX_SEC:
            break
    return waves


@torch.inference_mode()
def measure_fit(
    extractor: nn.Module,
    codebook: Codebook,
    waves: dict[str, Tensor],
    labels: dict[str, np.ndarray] | None,
) -> Fit:
    """Compare units with reference labels, and features with centroids.

    Args:
        extractor: extractor of features (B, T, D) with the codebook's dimension D.
        codebook: K centroids.
        waves: (N,) float32 in [-1, 1] at the extractor's rate, by utterance.
        labels: int32 (T,) by utterance, or None.

    Raises:
        ValueError: the numbers of units and labels of a recording differ by more than TOLERANCE.
    """
    parts, equal = [], []
    for utt, wave in waves.items():
        features = extractor(wave[None], torch.tensor([len(wave)]))[0][0]
        parts.append(features)
        if labels is None:
            continue
        expected = torch.from_numpy(labels[utt])
        if abs(len(expected) - len(features)) > TOLERANCE:
            raise ValueError(
                f"utt {utt}: there are {len(expected)} labels for {len(features)} frames of "
                f"{extractor.name}; give labels and recordings of the same data and frame rate"
            )
        frames = min(len(expected), len(features))
        equal.append(codebook.assign(features[:frames]) == expected[:frames])
    features = torch.cat(parts)
    nearest = codebook.centroids[codebook.assign(features)]
    return Fit(
        frames=len(features),
        agreement=torch.cat(equal).float().mean().item() if equal else None,
        distance=(features - nearest).square().sum(1).mean().item(),
        variance=features.var(0, correction=0).sum().item(),
    )


def fits_of_layers(
    name: str,
    conf: dict,
    codebook: Codebook,
    waves: dict[str, Tensor],
    labels: dict[str, np.ndarray],
) -> dict[int, Fit]:
    """`measure_fit` of each layer of an extractor whose dimension is that of the codebook."""
    fits: dict[int, Fit] = {}
    for layer in range(1000):
        try:
            extractor = build_extractor(name, **conf | dict(layer=layer))
        except ValueError:  # the last layer is exceeded
            break
        if extractor.dim == codebook.dim:
            fits[layer] = measure_fit(extractor, codebook, waves, labels)
    return fits
