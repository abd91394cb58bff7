"""The k-means codebook that turns frame features into units."""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from espnet_entropy.data.kaldi import write_tensors
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.running import Failures, progress
from espnet_entropy.units.normalization import NORMALIZE, Normalization

# Frames whose distances to all centroids are held at once: bounds memory at any corpus size.
CHUNK_FRAMES = 65536
# The name of the centroids in a codebook's file says what features are compared with them: a
# version that knows no normalisation finds no `centroids` there and gives no wrong units.
NAMES = {kind: "centroids" if kind == "none" else f"centroids_{kind}" for kind in NORMALIZE}


class Codebook:
    """K centroids; a unit is the index of the nearest one.

    Args:
        centroids: (K, D) float32, finite.
        normalization: of the features, before they are compared with the centroids; None: none.
    """

    def __init__(self, centroids: Tensor, normalization: Normalization | None = None):
        if centroids.dim() != 2 or not centroids.isfinite().all():
            raise ValueError(f"centroids must be finite (K, D), but are {tuple(centroids.shape)}")
        self.normalization = normalization or Normalization()
        statistics = self.normalization.statistics
        if statistics is not None and statistics.shape != (2, centroids.shape[1]):
            raise ValueError(
                f"statistics are {tuple(statistics.shape)}, centroids {tuple(centroids.shape)}"
            )
        self.centroids = centroids.float()
        self._half_norms = self.centroids.square().sum(-1) / 2

    @property
    def num_units(self) -> int:
        """K."""
        return self.centroids.shape[0]

    @property
    def dim(self) -> int:
        """D, the features' dimension."""
        return self.centroids.shape[1]

    def to(self, device: torch.device | str) -> "Codebook":
        """The same codebook on another device."""
        return Codebook(self.centroids.to(device), self.normalization.to(device))

    def assign(self, features: Tensor) -> Tensor:
        """Nearest centroids, on the features' device.

        Args:
            features: (..., D) float32.

        Returns:
            (...) int64 in [0, K). Of equally near centroids the first one.

        Raises:
            ValueError: D differs from the codebook's.
        """
        if features.shape[-1] != self.dim:
            raise ValueError(f"features have {features.shape[-1]} dims, the codebook {self.dim}")
        flat = features.reshape(-1, self.dim)
        units = [self._nearest(chunk) for chunk in flat.split(CHUNK_FRAMES)]
        return torch.cat(units).view(features.shape[:-1])

    def _nearest(self, features: Tensor) -> Tensor:
        # argmin |x - c|^2 = argmax (x.c - |c|^2 / 2): one matrix product
        normalized = self.normalization(features)
        return torch.addmm(-self._half_norms, normalized, self.centroids.T).argmax(-1)

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, which appears at `path` only when whole."""
        tensors = {NAMES[self.normalization.kind]: self.centroids}
        if self.normalization.statistics is not None:
            tensors["statistics"] = self.normalization.statistics
        write_tensors(path, tensors)

    @classmethod
    def load(cls, path: Path | str) -> "Codebook":
        """Read a safetensors file.

        Raises:
            ValueError: the file is missing, cut off, or no codebook.
        """
        try:
            tensors = load_file(str(path))
            kind = next((kind for kind, name in NAMES.items() if name in tensors), "none")
            return cls(tensors[NAMES[kind]], Normalization(kind, tensors.get("statistics")))
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise ValueError(f"{path} is no codebook ({error}); learn it again") from error


def learn_codebook(
    features: Tensor,
    num_units: int,
    *,
    normalize: str = "none",
    seed: int = 0,
    max_iterations: int = 50,
) -> tuple[Codebook, float]:
    """Learn a codebook by k-means++ and Lloyd's iterations.

    Memory is that of `features`, twice where they are normalised, plus CHUNK_FRAMES x K distances.
    A centroid that loses all its frames restarts at the frame farthest from its own centroid.

    Args:
        features: (N, D) float32, finite: a sample of the corpus' frames.
        num_units: K <= N.
        normalize: what is done to the features first, see `Normalization`.
        seed: of the first centroids; on one machine's CPU the result depends on it alone (CUDA
            adds the frames of a centroid in any order).
        max_iterations: Lloyd's iterations; it stops earlier once inertia gains less than 0.01 %.

    Returns:
        The codebook, and its inertia: the mean squared distance of the normalised frames.

    Raises:
        ValueError: no units or fewer frames than units, or features that are not finite.
    """
    if num_units < 1:
        raise ValueError(f"num_units is {num_units}, but a codebook has at least one unit")
    if len(features) < num_units:
        raise ValueError(f"{len(features)} frames cannot make {num_units} units; give more audio")
    if not features.isfinite().all():
        raise ValueError("features hold NaN or infinite values")
    normalization = Normalization.of(normalize, features)
    features = normalization(features)
    generator = torch.Generator().manual_seed(seed)
    centroids = _plus_plus(features, num_units, generator)
    previous = float("inf")
    for _ in range(max_iterations):
        units, distances = _nearest_with_distances(features, centroids)
        inertia = distances.mean().item()
        centroids = _means(features, units, distances, centroids)
        if previous - inertia < 1e-4 * inertia:
            break
        previous = inertia
    _, distances = _nearest_with_distances(features, centroids)
    return Codebook(centroids, normalization), distances.mean().item()


def _plus_plus(features: Tensor, num_units: int, generator: torch.Generator) -> Tensor:
    """k-means++: each next centroid is drawn by its squared distance to those drawn before."""
    # A sample suffices to start from, and keeps this pass (K products) small.
    sample = features
    if len(features) > CHUNK_FRAMES:
        sample = features[torch.randperm(len(features), generator=generator)[:CHUNK_FRAMES]]
    chosen = [torch.randint(len(sample), (1,), generator=generator).item()]
    distances = (sample - sample[chosen[0]]).square().sum(-1)
    for _ in range(num_units - 1):
        cumulative = distances.double().cumsum(0)
        draw = torch.rand(1, generator=generator, dtype=torch.float64).to(sample.device)
        index = torch.searchsorted(cumulative, draw * cumulative[-1]).clamp(max=len(sample) - 1)
        chosen.append(index.item())
        distances = torch.minimum(distances, (sample - sample[index]).square().sum(-1))
    return sample[chosen].clone()


def _nearest_with_distances(features: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """(N,) units and (N,) squared distances."""
    half_norms = centroids.square().sum(-1) / 2
    units, distances = [], []
    for chunk in features.split(CHUNK_FRAMES):
        similarity, unit = torch.addmm(-half_norms, chunk, centroids.T).max(-1)
        units.append(unit)
        distances.append((chunk.square().sum(-1) - 2 * similarity).clamp(min=0))
    return torch.cat(units), torch.cat(distances)


def _means(features: Tensor, units: Tensor, distances: Tensor, centroids: Tensor) -> Tensor:
    """New centroids: the means of their frames; empty ones restart at the farthest frames."""
    sums = torch.zeros_like(centroids).index_add_(0, units, features)
    counts = torch.bincount(units, minlength=len(centroids))
    means = sums / counts.clamp(min=1).unsqueeze(1)
    empty = (counts == 0).nonzero().squeeze(1)
    means[empty] = features[distances.topk(len(empty)).indices]
    return means


def sample_features(
    recordings: Sequence[Recording],
    extractor: nn.Module,
    max_frames: int,
    seed: int,
    failures: Failures,
    device: str = "cpu",
) -> Tensor:
    """Features of whole recordings, drawn in a seeded order until there are enough.

    Args:
        recordings: what to draw from.
        extractor: features (B, T, D).
        max_frames: greatest number of frames, which bounds the memory.
        seed: seed of the order.
        failures: gets the recordings that cannot be read.
        device: where the extractor is.

    Returns:
        (N, D) float32, N at most `max_frames`, on the device.

    Raises:
        ValueError: more recordings fail than `failures` allows.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(recordings), generator=generator).tolist()
    sample = torch.empty(max_frames, extractor.dim, device=device)
    filled = 0
    for index in progress(order, "features"):
        try:
            wave = torch.from_numpy(recordings[index].samples(extractor.sample_rate))
            features, _ = extractor(wave.unsqueeze(0).to(device), torch.tensor([len(wave)]))
        except ValueError as error:
            failures.leave_out(recordings[index].utterance, error)
            continue
        rows = features[0][: max_frames - filled]
        sample[filled : filled + len(rows)] = rows
        filled += len(rows)
        if filled == max_frames:
            break
    return sample[:filled]
