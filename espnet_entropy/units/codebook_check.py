"""Check whether an imported codebook fits the features of an extractor.

A codebook of another layer of the same model has the right dimension, and its units look plausible.
Reference labels of a few seconds of audio show the difference.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.labels import parse_units
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


def labelled_waves(
    wav_scp: Path | str, labels: Path | str | None, extractor: nn.Module, codebook: Codebook
) -> tuple[dict[str, Tensor], dict[str, np.ndarray] | None]:
    """The first recordings of a table that have labels, up to MAX_SEC of audio, and the labels.

    Args:
        wav_scp: table of recordings.
        labels: table of their units; None uses all recordings.
        extractor: gives the sample rate.
        codebook: gives the number of units.

    Returns:
        (N,) float32 waveforms by utterance, and int32 (T,) labels by utterance.

    Raises:
        ValueError: no recording has labels, a file cannot be read, or a label is no unit.
    """
    recordings = read_recordings(wav_scp)
    table = None if labels is None else read_table(labels)
    chosen = [utt for utt in recordings if table is None or utt in table]
    if not chosen:
        raise ValueError(f"{wav_scp} and the labels have no utterance in common")
    waves, seconds = {}, 0.0
    for utt in chosen:
        waves[utt] = torch.from_numpy(recordings[utt].samples(extractor.sample_rate))
        seconds += len(waves[utt]) / extractor.sample_rate
        if seconds >= MAX_SEC:
            break
    if table is None:
        return waves, None
    num_units = codebook.num_units
    return waves, {utt: parse_units(table[utt], num_units, f"{labels}, utt {utt}") for utt in waves}


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


def check_agreement(
    fit: Fit,
    name: str,
    conf: dict,
    codebook: Codebook,
    waves: dict[str, Tensor],
    labels: dict[str, np.ndarray] | None,
) -> None:
    """Refuse a codebook if less than MIN_AGREEMENT of its units equal the labels.

    Args:
        fit: `measure_fit` of the same codebook, recordings and labels.
        name, conf: the extractor and its settings.

    Raises:
        ValueError: too few units agree; the message names the layer that agrees best.
    """
    if fit.agreement is None or fit.agreement >= MIN_AGREEMENT:
        return
    better = "give the extractor and weights that it was learned with"
    if "layer" in conf:
        fits = fits_of_layers(name, conf, codebook, waves, labels)
        layer = max(fits, key=lambda layer: fits[layer].agreement)
        better = f"layer {layer} agrees best, in {100 * fits[layer].agreement:.1f} %"
        if fits[layer].agreement < MIN_AGREEMENT:
            better += ", so the weights or the labels are others"
    raise ValueError(
        f"only {100 * fit.agreement:.1f} % of the units agree with the labels, but "
        f"{100 * MIN_AGREEMENT:.0f} % are needed; {better}"
    )
