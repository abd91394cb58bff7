"""k-means: assignment against brute force; learning that is seeded, bounded and finds clusters."""

from unittest import mock

import pytest
import reference
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

import espnet_entropy.units.codebook as codebook_module
from espnet_entropy.units.codebook import Codebook, learn_codebook
from espnet_entropy.units.normalization import NORMALIZE, Normalization


def clusters(num_clusters=5, frames_each=40, dim=6, seed=0):
    """Features (N, D) in shuffled, well separated clusters, their labels, the true centres."""
    generator = torch.Generator().manual_seed(seed)
    centres = 10 * torch.eye(num_clusters, dim)
    labels = torch.randperm(num_clusters * frames_each, generator=generator) % num_clusters
    noise = 0.1 * torch.randn(len(labels), dim, generator=generator)
    return centres[labels] + noise, labels, centres


# Small integers are exact in float32, so ties are real ties.
numbers = st.integers(-3, 3).map(float)


@given(st.data())
def test_assign_equals_brute_force(data):
    dim = data.draw(st.integers(1, 3))
    vector = st.lists(numbers, min_size=dim, max_size=dim)
    centroids = data.draw(st.lists(vector, min_size=1, max_size=6))
    features = data.draw(st.lists(vector, min_size=1, max_size=8))
    with mock.patch.object(codebook_module, "CHUNK_FRAMES", data.draw(st.sampled_from([2, 65536]))):
        units = Codebook(torch.tensor(centroids)).assign(torch.tensor(features))
    assert units.dtype == torch.int64
    assert units.tolist() == reference.nearest(features, centroids)


def test_assign_keeps_leading_dimensions():
    features, labels, centres = clusters()
    codebook = Codebook(centres)
    assert codebook.num_units == 5 and codebook.dim == 6
    assert torch.equal(codebook.assign(features.view(2, 4, 25, 6)), labels.view(2, 4, 25))
    assert codebook.assign(features[:0]).shape == (0,)
    assert codebook.assign(features[3]).item() == labels[3]


def test_assign_refuses_other_dimensions():
    with pytest.raises(ValueError, match="features have 5 dims, the codebook 6"):
        Codebook(torch.zeros(2, 6)).assign(torch.zeros(3, 5))


@pytest.mark.parametrize(
    "centroids",
    [torch.zeros(4), torch.tensor([[1.0, float("nan")]]), torch.tensor([[float("inf")]])],
    ids=["one-dimensional", "nan", "infinite"],
)
def test_bad_centroids_are_refused(centroids):
    with pytest.raises(ValueError, match="must be finite"):
        Codebook(centroids)


@pytest.mark.parametrize("chunk", [65536, 16], ids=["whole", "chunked"])
@pytest.mark.parametrize("seed", range(4))
def test_learning_recovers_separated_clusters(seed, chunk, monkeypatch):
    monkeypatch.setattr(codebook_module, "CHUNK_FRAMES", chunk)
    features, labels, centres = clusters()
    codebook, inertia = learn_codebook(features, 5, seed=seed)
    to_centres = torch.cdist(codebook.centroids, centres).argmin(1)
    assert sorted(to_centres.tolist()) == list(range(5))
    assert torch.equal(to_centres[codebook.assign(features)], labels)
    for unit, centre in enumerate(to_centres.tolist()):
        mean = features[labels == centre].mean(0)
        torch.testing.assert_close(codebook.centroids[unit], mean, atol=1e-4, rtol=0)
    distances = (features - codebook.centroids[codebook.assign(features)]).square().sum(-1)
    assert inertia == pytest.approx(distances.mean().item(), rel=1e-3)


def test_learning_is_seeded():
    features = torch.randn(300, 4, generator=torch.Generator().manual_seed(2))
    first, again, other = (learn_codebook(features, 8, seed=seed)[0] for seed in (3, 3, 4))
    assert torch.equal(first.centroids, again.centroids)
    assert not torch.equal(first.centroids, other.centroids)
    torch.manual_seed(99)  # the global generator plays no part
    assert torch.equal(first.centroids, learn_codebook(features, 8, seed=3)[0].centroids)


def test_learning_lowers_inertia():
    features = torch.rand(500, 2, generator=torch.Generator().manual_seed(2))
    inertias = [learn_codebook(features, 8, seed=1, max_iterations=n)[1] for n in (0, 1, 3, 50)]
    assert inertias == sorted(inertias, reverse=True)
    assert inertias[-1] < 0.9 * inertias[0]


def test_memory_is_bounded_by_chunks(monkeypatch):
    """No product is larger than CHUNK_FRAMES x K."""
    monkeypatch.setattr(codebook_module, "CHUNK_FRAMES", 10)
    sizes, addmm = [], torch.addmm

    def counted(*args):
        sizes.append(len(args[1]))
        return addmm(*args)

    monkeypatch.setattr(torch, "addmm", counted)
    features, _, _ = clusters()
    learn_codebook(features, 5)[0].assign(features)
    assert max(sizes) == 10


def test_empty_clusters_are_filled(monkeypatch):
    """Starts that all fall on one frame still end with every cluster in use."""
    features, labels, centres = clusters()
    start = features[:1].repeat(5, 1)
    monkeypatch.setattr(codebook_module, "_plus_plus", lambda *args: start.clone())
    codebook, _ = learn_codebook(features, 5)
    assert torch.bincount(codebook.assign(features), minlength=5).min() > 0


def test_fewer_distinct_frames_than_units():
    codebook, inertia = learn_codebook(torch.ones(6, 2), 4)
    assert torch.equal(codebook.centroids, torch.ones(4, 2))
    assert inertia == 0


@pytest.mark.parametrize(
    "features, num_units, message",
    [
        (torch.zeros(3, 2), 4, "3 frames cannot make 4 units"),
        (torch.full((5, 2), float("nan")), 4, "NaN or infinite"),
        (torch.zeros(5, 2), 0, "num_units is 0"),
    ],
    ids=["few", "nan", "none"],
)
def test_what_cannot_be_learnt(features, num_units, message):
    with pytest.raises(ValueError, match=message):
        learn_codebook(features, num_units)


@pytest.mark.parametrize("chunk", [65536, 7], ids=["whole", "chunked"])
@pytest.mark.parametrize("normalize", NORMALIZE)
def test_normalised_assignment_equals_a_slow_one(normalize, chunk, monkeypatch):
    monkeypatch.setattr(codebook_module, "CHUNK_FRAMES", chunk)
    generator = torch.Generator().manual_seed(5)
    # Dimensions of very different size, one of them constant; frames of different loudness.
    features = torch.randn(60, 4, generator=generator) * torch.tensor([100.0, 1.0, 0.1, 0.0]) + 3
    features *= torch.rand(60, 1, generator=generator) + 0.5
    features[:, 3] = 3.0
    codebook, inertia = learn_codebook(features, 6, normalize=normalize)
    rows = features.double().tolist()
    compared = [reference.normalized(row, normalize, rows) for row in rows]
    centroids = codebook.centroids.tolist()
    units = reference.nearest(compared, centroids)
    assert codebook.assign(features).tolist() == units and len(set(units)) > 3
    distances = [
        sum((x - y) ** 2 for x, y in zip(row, centroids[unit], strict=True))
        for row, unit in zip(compared, units, strict=True)
    ]
    assert inertia == pytest.approx(sum(distances) / len(distances), rel=1e-3)


def test_normalisations_differ_in_their_units_and_files(tmp_path):
    features = torch.randn(200, 3, generator=torch.Generator().manual_seed(1))
    features = features * torch.tensor([9.0, 1.0, 0.1]) + 1
    units, files = [], []
    for normalize in NORMALIZE:
        codebook, _ = learn_codebook(features, 8, normalize=normalize)
        codebook.save(tmp_path / normalize)
        loaded = Codebook.load(tmp_path / normalize)
        units.append(tuple(loaded.assign(features).tolist()))
        assert units[-1] == tuple(codebook.assign(features).tolist())
        files.append((tmp_path / normalize).read_bytes())
    assert len(set(units)) == len(set(files)) == len(NORMALIZE)


@pytest.mark.parametrize(
    "kind, statistics, message",
    [
        ("all", None, "normalize is 'all'"),
        ("frame", torch.ones(2, 3), "only `dimension` has statistics"),
        ("dimension", None, "only `dimension` has statistics"),
        ("dimension", torch.zeros(2, 3), "must be finite, and the standard deviations positive"),
        ("dimension", torch.ones(2, 4), r"statistics are \(2, 4\), centroids \(5, 3\)"),
    ],
)
def test_bad_normalisations_are_refused(kind, statistics, message):
    with pytest.raises(ValueError, match=message):
        Codebook(torch.zeros(5, 3), Normalization(kind, statistics))


def test_a_file_without_normalisation_is_what_it_always_was(tmp_path):
    """The hash of such a file is in bundles, dumps and checkpoints of earlier versions."""
    centroids = torch.arange(6.0).view(2, 3)
    Codebook(centroids).save(tmp_path / "c.safetensors")
    save_file({"centroids": centroids}, tmp_path / "old.safetensors")
    old = (tmp_path / "old.safetensors").read_bytes()
    assert (tmp_path / "c.safetensors").read_bytes() == old
    assert Codebook.load(tmp_path / "old.safetensors").normalization == Normalization("none")


def test_save_and_load(tmp_path):
    codebook = Codebook(torch.randn(4, 3))
    codebook.save(tmp_path / "c.safetensors")
    loaded = Codebook.load(tmp_path / "c.safetensors")
    assert torch.equal(loaded.centroids, codebook.centroids)
    assert loaded.to("cpu").num_units == 4


def test_broken_files_are_named(tmp_path):
    Codebook(torch.randn(4, 3)).save(tmp_path / "whole")
    (tmp_path / "cut").write_bytes((tmp_path / "whole").read_bytes()[:-5])
    (tmp_path / "text").write_text("no codebook")
    for name in ("cut", "text", "missing"):
        with pytest.raises(ValueError, match=f"{name} is no codebook"):
            Codebook.load(tmp_path / name)
