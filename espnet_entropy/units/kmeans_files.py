"""Centroids in files of other tools: joblib files of scikit-learn, .npy and .safetensors.

A joblib file is a pickle: loading it executes the code in it. Only `read_kmeans` does so.
"""

from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from espnet_entropy.data.kaldi import atomic_bytes


def read_kmeans(path: Path | str) -> tuple[np.ndarray, float | None]:
    """Load a k-means model of scikit-learn, which executes its code.

    Returns:
        Centroids (K, D) float32, and the mean squared distance of the frames that they were learned
        from, if it is known.

    Raises:
        ValueError: the file cannot be loaded, or is no such model.
    """
    import joblib

    try:
        model = joblib.load(path)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise ValueError(f"{path} is no joblib file: {error}") from error
    centroids = getattr(model, "cluster_centers_", None)
    if not isinstance(centroids, np.ndarray) or centroids.ndim != 2:
        raise ValueError(f"{path} holds a {type(model).__name__} without cluster_centers_ (K, D)")
    return centroids.astype(np.float32), _mean_inertia(model)


def _mean_inertia(model) -> float | None:
    inertia, labels = getattr(model, "inertia_", None), getattr(model, "labels_", None)
    if labels is None:
        # Models that do not keep labels, such as those of ESPnet and fairseq.
        mean = getattr(model, "_ewa_inertia", None)
    else:
        mean = None if inertia is None else inertia / len(labels)
    # The inertia of `convert_kmeans export` is 0, since that model is fitted to its own centroids.
    return float(mean) if mean else None


def read_centroids(path: Path) -> np.ndarray:
    """Centroids (K, D) float32 from a file that cannot hold code; ValueError if it has none."""
    try:
        centroids = PLAIN[path.suffix](path)
    except (OSError, ValueError, KeyError, EOFError, SafetensorError) as error:
        raise ValueError(
            f"{path} holds no centroids ({error}); save floats (K, D) with numpy.save, or with "
            "safetensors under the name `centroids`"
        ) from error
    if centroids.ndim != 2 or centroids.dtype.kind != "f" or not np.isfinite(centroids).all():
        raise ValueError(
            f"{path} holds {centroids.dtype} {centroids.shape}, but centroids are finite floats "
            "(K, D)"
        )
    return centroids.astype(np.float32)


# Suffix -> reader of files that hold only numbers.
PLAIN = {
    ".npy": partial(np.load, allow_pickle=False),
    ".safetensors": lambda path: load_file(path)["centroids"],
}


def write_kmeans(path: Path | str, centroids: np.ndarray) -> None:
    """Write scikit-learn's fitted MiniBatchKMeans with centroids (K, D) as a joblib file."""
    import joblib
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(n_clusters=len(centroids), n_init=1, max_iter=1)
    # Fitting to the centroids themselves leaves scikit-learn's own attributes as it wants them.
    model.fit(centroids)
    model.cluster_centers_ = centroids
    with atomic_bytes(path) as file:
        joblib.dump(model, file)
