"""k-means: assigning beside the bare matrix product, learning beside sklearn's mini batches."""

import torch
from torch import Tensor

from benchmarks.speed.measure import Row, compare, seconds, time_of
from espnet_entropy.units.codebook import Codebook, learn_codebook

SIZES = ((16384, 768, 500), (16384, 768, 2000), (16384, 1024, 2000))  # frames, D, K
LEARN = (20_000, 64, 100)


def frames_around(
    num_frames: int, dim: int, num_units: int, device: str, spread: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Frames scattered around centroids, (N, D) and (K, D) float32.

    spread: standard deviation of the centroids, where that of the frames around them is 1.
    """
    generator = torch.Generator().manual_seed(0)
    centroids = spread * torch.randn(num_units, dim, generator=generator)
    nearest = torch.randint(num_units, (num_frames,), generator=generator)
    noise = torch.randn(num_frames, dim, generator=generator)
    return (centroids[nearest] + noise).to(device), centroids.to(device)


def check(features: Tensor, centroids: Tensor) -> str:
    """Units beside those of float64 distances; only ties of float32 may differ.

    Raises:
        ValueError: a chosen centroid is farther than the nearest one by more than rounding.
    """
    units = Codebook(centroids).assign(features)
    distances = torch.cdist(features.double(), centroids.double()).square()
    nearest, expected = distances.min(1)
    excess = (distances.gather(1, units[:, None])[:, 0] - nearest) / nearest
    if excess.max() > 1e-5:
        raise ValueError(f"a unit is {excess.max():.3g} farther than the nearest centroid")
    return f"float64 distances: {int((units != expected).sum())} of {len(units)} units differ"


def quick(device: str) -> list[str]:
    """Correctness at small sizes."""
    return [check(*frames_around(500, 24, 30, device))]


def rows(device: str) -> list[Row]:
    """Assigning at three sizes; learning on a CPU."""
    return [*(assignment(*size, device=device) for size in SIZES), *learning(device)]


def assignment(num_frames: int, dim: int, num_units: int, *, device: str) -> Row:
    """One size."""
    features, centroids = frames_around(num_frames, dim, num_units, device)
    codebook, transposed = Codebook(centroids), centroids.T
    timing = compare(
        lambda: codebook.assign(features), lambda: features @ transposed, device=device
    )
    return Row(
        f"k-means assignment, K = {num_units}, D = {dim}",
        "bare matrix product of the same size",
        timing.ratio,
        1.1,
        note=f"{num_frames} frames: {timing}",
        checked=check(features[:4096], centroids),
    )


def learning(device: str) -> list[Row]:
    """Frames of clusters that overlap, as those of speech do, and of clusters far apart."""
    return [_learning(device, "overlap", 0.3), _learning(device, "lie far apart", 1.0)]


def _learning(device: str, clusters: str, spread: float) -> Row:
    """Time until sklearn's inertia is reached, beside sklearn's with the settings of ESPnet."""
    from sklearn.cluster import MiniBatchKMeans

    num_frames, dim, num_units = LEARN
    features, _ = frames_around(num_frames, dim, num_units, device, spread)
    on_host = features.cpu().numpy()
    peer = MiniBatchKMeans(
        num_units,
        batch_size=10_000,
        max_iter=100,
        n_init=20,
        tol=0.0,
        max_no_improvement=100,
        reassignment_ratio=0.0,
        random_state=0,
        compute_labels=False,
    )
    peer_sec = time_of(lambda: peer.fit(on_host), device)
    centroids = torch.from_numpy(peer.cluster_centers_).to(device)
    inertia = torch.cdist(features.double(), centroids.double()).square().min(1).values.mean()
    for iterations in range(1, 51):
        _, reached = learn_codebook(features, num_units, max_iterations=iterations)
        if reached <= inertia:
            break
    ours_sec = time_of(
        lambda: learn_codebook(features, num_units, max_iterations=iterations), device
    )
    setting = f"{num_frames} frames, D = {dim}, K = {num_units}: {seconds(ours_sec)} "
    setting += f"({iterations} iterations) against {seconds(peer_sec)}"
    checked = f"inertia {reached:.4f}, sklearn's {inertia:.4f}"
    peer_name = "sklearn MiniBatchKMeans, ESPnet's settings"
    if reached > inertia:
        what = f"k-means learning, clusters {clusters}: its inertia where it ends"
        return Row(what, peer_name, reached / inertia.item(), 1.0, note=setting, checked=checked)
    what = f"k-means learning to equal inertia, clusters {clusters}"
    return Row(what, peer_name, ours_sec / peer_sec, 1.0, note=setting, checked=checked)
