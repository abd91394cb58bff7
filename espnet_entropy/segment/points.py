"""The points of the units, whose distances are the distortion of segments."""

import torch
from torch import Tensor

# Points are multiples of its inverse, so that their inner products are exact in float64.
RESOLUTION = 2.0**12


def unit_points(centroids: Tensor, components: int) -> Tensor:
    """A point for each unit.

    The centroids are centred, projected on their first principal components and scaled to a mean
    squared norm of 1.

    Args:
        centroids: (K, D') float32.
        components: C, of which those beyond the rank are zero.

    Returns:
        (K, C) float32, multiples of 1 / RESOLUTION.

    Raises:
        ValueError: the centroids are all equal.
    """
    centred = centroids.double() - centroids.double().mean(0)
    if centred.abs().max() <= 1e-6 * centroids.abs().max():
        raise ValueError(
            f"the {len(centroids)} centroids are all equal, so segments have no distortion; learn "
            "the codebook from other audio, or take another segmenter"
        )
    left, values, _ = torch.linalg.svd(centred, full_matrices=False)
    projected = (left * values)[:, :components]
    projected = projected / projected.square().sum(1).mean().sqrt()
    points = torch.zeros(len(centroids), components)
    points[:, : projected.shape[1]] = (projected * RESOLUTION).round() / RESOLUTION
    return points
