"""convert_kmeans: scikit-learn's models to and from codebooks, and no pickle unasked."""

from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import tiny
import tiny_models
import torch
from evil import Evil
from safetensors.numpy import save_file
from sklearn.cluster import MiniBatchKMeans
from transformers import HubertModel

from espnet_entropy.bin import convert_kmeans, dump_units, learn_codebook
from espnet_entropy.data.kaldi import read_matrix, read_table, read_yaml, write_table
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import MfccExtractor

MFCC = dict(extractor="mfcc", extractor_conf="{num_mel: 20, num_ceps: 5, deltas: false}")


@pytest.fixture(scope="module")
def kmeans(tmp_path_factory):
    """A model as ESPnet's and fairseq's recipes leave it."""
    features = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    path = tmp_path_factory.mktemp("kmeans") / "km_8.mdl"
    joblib.dump(MiniBatchKMeans(n_clusters=8, n_init=1, random_state=0).fit(features), path)
    return path


def take(path, output, **options):
    options = MFCC | dict(kmeans=path, output=output, execute_pickle="true") | options
    tiny.command(convert_kmeans, "import", **options)


def test_an_imported_codebook_gives_the_models_units(kmeans, parts, tmp_path, capsys):
    take(kmeans, tmp_path / "codebook")
    printed = capsys.readouterr()
    assert "8 units of 5 dimensions" in printed.out
    assert f"executing the pickle {kmeans}, sha256 " in printed.err
    codebook = Codebook.load(tmp_path / "codebook/codebook.safetensors")
    features = np.random.default_rng(1).normal(size=(500, 5)).astype(np.float32)
    expected = joblib.load(kmeans).predict(features)
    assert codebook.assign(torch.from_numpy(features)).tolist() == expected.tolist()
    # And the recipes go on from it.
    options = dict(wav_scp=parts.wav_scp, output=tmp_path / "units")
    tiny.command(dump_units, codebook=tmp_path / "codebook", **options)
    assert len(read_table(tmp_path / "units/shards/units.1.scp")) == len(tiny.SECONDS)
    assert len((tmp_path / "codebook/tokens.txt").read_text().split()) == 10


@pytest.mark.parametrize("normalize", ["frame", "dimension"])
def test_normalised_codebooks_stay_what_they_are(parts, tmp_path, normalize):
    """Neither a joblib file nor an import can say what is done to the features."""
    learned = tmp_path / "learned"
    options = dict(wav_scp=parts.wav_scp, num_units=8, normalize=normalize, output=learned)
    tiny.command(learn_codebook, **MFCC, **options)
    with pytest.raises(SystemExit, match=f"learned with --normalize {normalize}"):
        tiny.command(convert_kmeans, "export", codebook=learned, output=tmp_path / "km.mdl")
    with pytest.raises(SystemExit, match="holds no centroids"):
        take(learned / "codebook.safetensors", tmp_path / "imported")


def test_an_exported_model_gives_the_codebooks_units(parts, tmp_path):
    output = tmp_path / "new" / "km.mdl"
    tiny.command(convert_kmeans, "export", codebook=parts.bundle, output=output)
    model = joblib.load(output)
    codebook = Codebook.load(parts.bundle / "codebook.safetensors")
    features = torch.randn(500, codebook.dim, generator=torch.Generator().manual_seed(0)) * 9
    assert model.predict(features.numpy()).tolist() == codebook.assign(features).tolist()
    np.testing.assert_array_equal(model.cluster_centers_, codebook.centroids.numpy())


@pytest.mark.parametrize("suffix", [".npy", ".safetensors"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_plain_centroids_need_no_trust(tmp_path, capsys, suffix, dtype):
    path = tmp_path / f"centroids{suffix}"
    centroids = np.random.default_rng(0).normal(size=(8, 5)).astype(dtype)
    if suffix == ".npy":
        np.save(path, centroids)
    else:
        save_file({"centroids": centroids}, path)
    take(path, tmp_path / "codebook", execute_pickle="false")
    printed = capsys.readouterr()
    assert "8 units of 5 dimensions" in printed.out and "pickle" not in printed.err
    codebook = Codebook.load(tmp_path / "codebook/codebook.safetensors")
    np.testing.assert_array_equal(codebook.centroids.numpy(), centroids.astype(np.float32))


@pytest.mark.parametrize("execute", ["true", "false"])
@pytest.mark.parametrize("name", ["km.npy", "km.safetensors"])
def test_no_pickle_hides_in_a_plain_file(tmp_path, name, execute):
    if name == "km.npy":
        objects = np.array([[Evil(tmp_path / "executed")]], dtype=object)
        np.save(tmp_path / name, objects, allow_pickle=True)
    else:
        joblib.dump(Evil(tmp_path / "executed"), tmp_path / name)
    with pytest.raises(SystemExit, match=f"{name} holds no centroids"):
        take(tmp_path / name, tmp_path / "c", execute_pickle=execute)
    assert not (tmp_path / "executed").exists()


def test_no_pickle_is_executed_unasked(tmp_path):
    joblib.dump(Evil(tmp_path / "executed"), tmp_path / "km.mdl")
    with pytest.raises(SystemExit, match="is a pickle .*use --execute_pickle true"):
        take(tmp_path / "km.mdl", tmp_path / "codebook", execute_pickle="false")
    assert not (tmp_path / "executed").exists()
    with pytest.raises(SystemExit, match="holds a TextIOWrapper without cluster_centers_"):
        take(tmp_path / "km.mdl", tmp_path / "codebook")
    assert (tmp_path / "executed").exists() and not (tmp_path / "codebook").exists()


def test_what_does_not_fit_is_refused(kmeans, tmp_path):
    with pytest.raises(
        SystemExit, match="km_8.mdl has centroids of 5 dimensions, but mfcc gives 7"
    ):
        take(kmeans, tmp_path / "c", extractor_conf="{num_mel: 20, num_ceps: 7, deltas: false}")
    with pytest.raises(SystemExit, match="none.mdl cannot be read"):
        take(tmp_path / "none.mdl", tmp_path / "c")
    (tmp_path / "text.mdl").write_text("no model")
    with pytest.raises(SystemExit, match="text.mdl is no joblib file"):
        take(tmp_path / "text.mdl", tmp_path / "c")
    assert not (tmp_path / "c").exists()


# The check with recordings and labels


def save_hubert(path):
    """A tiny HuBERT whose layers differ more than those of a random HuBERT."""
    model = HubertModel.from_pretrained(tiny_models.save_hubert(path))
    with torch.no_grad():
        for weight in model.encoder.layers.parameters():
            weight.mul_(20)
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def hubert(parts, tmp_path_factory):
    """A codebook of layer 1 of a tiny HuBERT, as a joblib file, and the labels it gives."""
    folder = tmp_path_factory.mktemp("hubert")
    conf = f"{{upstream: hf_hubert_custom, path: {save_hubert(folder / 'hubert')}, layer: %d}}"
    wav_scp, codebook = parts.wav_scp, folder / "codebook"
    learning = dict(extractor="s3prl", extractor_conf=conf % 1, num_units=tiny.NUM_UNITS)
    tiny.command(learn_codebook, wav_scp=wav_scp, output=codebook, **learning)
    tiny.command(convert_kmeans, "export", codebook=codebook, output=folder / "km.mdl")
    tiny.command(dump_units, wav_scp=wav_scp, codebook=codebook, output=folder / "units")
    entries = read_table(folder / "units/shards/units.1.scp")
    units = {utt: read_matrix(entry) for utt, entry in entries.items()}
    write_table(folder / "labels", {utt: " ".join(map(str, u)) for utt, u in units.items()})
    return SimpleNamespace(
        units=units,
        options=dict(
            kmeans=folder / "km.mdl",
            execute_pickle="true",
            extractor="s3prl",
            wav_scp=wav_scp,
            labels=folder / "labels",
        ),
        conf=conf,
    )


def check(hubert, output, *, layer=1, **options):
    options = hubert.options | dict(output=output, extractor_conf=hubert.conf % layer) | options
    tiny.command(convert_kmeans, "import", **options)


def test_a_codebook_of_the_named_layer_is_taken(hubert, tmp_path, capsys):
    check(hubert, tmp_path / "codebook")
    printed = capsys.readouterr().out
    assert "units: 100.0 % agree with the labels, mean squared distance to the centroids" in printed
    assert (tmp_path / "codebook/codebook.safetensors").exists()


def test_a_codebook_of_another_layer_is_refused(hubert, tmp_path):
    message = "only .* % of the units agree with .*; layer 1 agrees best, in 100.0 %"
    with pytest.raises(SystemExit, match=message):
        check(hubert, tmp_path / "codebook", layer=2)
    assert not (tmp_path / "codebook").exists()


def test_labels_of_another_codebook_are_refused(hubert, tmp_path):
    labels = {utt: " ".join(map(str, (units + 1) % 12)) for utt, units in hubert.units.items()}
    write_table(tmp_path / "labels", labels)
    with pytest.raises(SystemExit, match="only 0.0 % .*so the weights or the labels are others"):
        check(hubert, tmp_path / "codebook", labels=tmp_path / "labels")


def test_a_few_units_may_differ(hubert, tmp_path):
    """Every twentieth unit differs and one frame is missing at the end, as between toolkits."""
    labels = {}
    for utt, units in hubert.units.items():
        units = units[:-1].copy()
        units[::20] = (units[::20] + 1) % 12
        labels[utt] = " ".join(map(str, units))
    write_table(tmp_path / "labels", labels)
    check(hubert, tmp_path / "codebook", labels=tmp_path / "labels")


@pytest.mark.parametrize(
    "labels, message",
    [
        ("utt-a 1 2 3\n", "utt utt-a: there are 3 labels for 65 frames of s3prl"),
        ("utt-a 1 12 3\n", "labels, utt utt-a: ids lie in .* 12"),
        ("nobody 1 2 3\n", "wav.scp and the labels have no utterance in common"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(hubert, tmp_path, labels, message):
    (tmp_path / "labels").write_text(labels)
    with pytest.raises(SystemExit, match=message):
        check(hubert, tmp_path / "codebook", labels=tmp_path / "labels")


@pytest.mark.parametrize("compute_labels", [True, False])
def test_the_distance_is_printed_beside_that_of_the_training(
    parts, tmp_path, capsys, compute_labels
):
    extractor = MfccExtractor(num_mel=20, num_ceps=5, deltas=False)
    waves = [torch.from_numpy(tiny.wave(seed, 2.0)) for seed in range(3)]
    features = torch.cat([extractor(w[None], torch.tensor([len(w)]))[0][0] for w in waves]).numpy()
    kmeans = MiniBatchKMeans(8, n_init=1, random_state=0, compute_labels=compute_labels)
    joblib.dump(kmeans.fit(features), tmp_path / "km.mdl")
    take(tmp_path / "km.mdl", tmp_path / "codebook", wav_scp=parts.wav_scp)
    known = read_yaml(tmp_path / "codebook/config.yaml")["codebook"]["inertia"]
    # Without labels, scikit-learn keeps a running mean over the batches.
    assert known == pytest.approx(-kmeans.score(features) / len(features), rel=0.2)
    printed = capsys.readouterr().out
    assert "units: mean squared distance" in printed and f"of the codebook: {known:.4g})" in printed
