"""Whether a codebook fits the features of an extractor: an imported one does not say so itself.

A codebook of another layer of the same model has the right dimension and gives units that look
like units. Reference labels of a few seconds of audio tell the difference.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from espnet_entropy.codebook import Codebook
from espnet_entropy.features import build_extractor
from espnet_entropy.recordings import read_recordings

# Audio that is compared; 1500 units at 50 Hz tell 90 % from 59 % beyond doubt.
MAX_SEC = 30.0
# Rounding differs between toolkits, batch sizes and precisions, and flips units at the borders.
MIN_AGREEMENT = 0.9
# Frames by which toolkits differ at the end of a recording.
TOLERANCE = 2


@dataclass(frozen=True)
class Fit:
    """How a codebook fits features.

    Attributes:
        frames: how many were compared.
        agreement: share of the frames whose unit is the reference's; None without a reference.
        distance: mean squared distance of the frames to their centroids.
        variance: mean squared distance of the frames to their mean.
    """

    frames: int
    agreement: float | None
    distance: float
    variance: float

    def describe(self, trained: float | None) -> str:
        """One sentence; `trained` is the mean squared distance of the training data, if known."""
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

    Returns:
        (N,) float32 waveforms by utterance.

    Raises:
        ValueError: none has labels (None: none needs them), or a file cannot be read.
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
        extractor: features of the codebook's dimension.
        codebook: K centroids.
        waves: (N,) float32 in [-1, 1] at the extractor's rate, by utterance.
        labels: int32 (T,) by utterance, or None.

    Raises:
        ValueError: a recording has another number of units than labels.
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
    """`measure_fit` of each layer of an extractor that has the codebook's dimension."""
    fits: dict[int, Fit] = {}
    for layer in range(1000):
        try:
            extractor = build_extractor(name, **conf | dict(layer=layer))
        except ValueError:  # behind the last layer
            break
        if extractor.dim == codebook.dim:
            fits[layer] = measure_fit(extractor, codebook, waves, labels)
    return fits
