"""What is done to frame features before they are compared with centroids."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

NORMALIZE = ("none", "frame", "dimension")


@dataclass(frozen=True)
class Normalization:
    """A map of features, the same for every frame, so that units do not depend on batches.

    Attributes:
        kind: `none`; `frame`, which gives each frame mean 0 and variance 1 (up to the epsilon of
            1e-5 that torch's layer_norm adds to the variance); or `dimension`, which does so to
            each dimension with the statistics.
        statistics: of `dimension`: (2, D) float32, the mean and the standard deviation of each
            dimension of the frames that the codebook was learned from.

    Raises:
        ValueError: an unknown kind, or statistics that do not belong to it.
    """

    kind: str = "none"
    statistics: Tensor | None = None

    def __post_init__(self):
        if self.kind not in NORMALIZE:
            raise ValueError(f"normalize is {self.kind!r}, but must be one of {NORMALIZE}")
        if (self.statistics is not None) != (self.kind == "dimension"):
            raise ValueError(f"normalize {self.kind!r}: only `dimension` has statistics")
        if self.statistics is not None and not (
            self.statistics.isfinite().all() and (self.statistics[1] > 0).all()
        ):
            raise ValueError("the statistics must be finite, and the standard deviations positive")

    @classmethod
    def of(cls, kind: str, features: Tensor) -> "Normalization":
        """The normalisation of this kind for frames (N, D) like these.

        A dimension in which all frames are equal is centred and not scaled.
        """
        if kind != "dimension":
            return cls(kind)
        deviation = features.std(0, correction=0)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        return cls(kind, torch.stack((features.mean(0), deviation)))

    def to(self, device: torch.device | str) -> "Normalization":
        """The same on another device."""
        if self.statistics is None:
            return self
        return Normalization(self.kind, self.statistics.to(device))

    def __call__(self, features: Tensor) -> Tensor:
        """(..., D) float32 -> (..., D) float32; with `none` the features themselves."""
        if self.kind == "frame":
            return nn.functional.layer_norm(features, features.shape[-1:])
        if self.kind == "dimension":
            return (features - self.statistics[0]) / self.statistics[1]
        return features
