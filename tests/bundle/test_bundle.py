"""Bundles: packed from parts that fit, verified, moved, and free of pickles."""

import json
import os
import shutil
from pathlib import Path

import pytest
import tiny
import torch
import yaml
from safetensors.torch import save_file

from espnet_entropy.bundle.build import load_trained_lm, pack_bundle
from espnet_entropy.bundle.bundle import FILES, Bundle, describe_extractor, load_extractor
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import build_extractor


@pytest.fixture
def bundle(parts, tmp_path):
    """A copy that may be damaged."""
    return Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))


def test_packed_parts_come_back(parts):
    bundle = Bundle.open(parts.bundle)
    bundle.check_hashes()
    assert bundle.num_units == tiny.NUM_UNITS and bundle.frame_rate_hz == pytest.approx(50)
    learnt = Codebook.load(parts.codebook / "codebook.safetensors")
    assert torch.equal(bundle.codebook().centroids, learnt.centroids)
    assert bundle.calibration() == Calibration.load(parts.calibration)
    lm = bundle.unit_lm()
    assert not lm.training and lm.conf == parts.lm.conf
    for name, value in parts.lm.state_dict().items():
        assert torch.equal(lm.state_dict()[name], value), name


def test_no_pickle_inside(parts):
    files = sorted(p.name for p in parts.bundle.iterdir())
    assert files == sorted(["config.yaml", *FILES])
    for path in parts.bundle.iterdir():
        content = path.read_bytes()
        if path.suffix == ".yaml":
            assert isinstance(yaml.safe_load(content), dict)
            continue
        # safetensors: a length, that much JSON, and nothing but the numbers it lists
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        header.pop("__metadata__", None)
        assert len(content) == start + max(x["data_offsets"][1] for x in header.values())


def test_config_says_what_it_is(parts):
    config = read_yaml(parts.bundle / "config.yaml")
    assert config["format"] == 1
    assert config["extractor"]["name"] == "mfcc"
    assert config["sample_rate"] == 16000 and config["frame_shift_sec"] == 0.02
    assert config["unit_lm"]["context"] == 8
    assert set(config["files"]) == set(FILES)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_tampering_is_found(bundle, name, damage):
    content = bytearray((bundle / name).read_bytes())
    content[-1] ^= 1
    (bundle / name).unlink()
    if damage == "changed":
        (bundle / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        Bundle.open(bundle).check_hashes()


@pytest.mark.parametrize("name", ["codebook", "unit_lm", "calibration"])
def test_cut_parts_are_refused(bundle, name):
    path = next(bundle.glob(f"{name}.*"))
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match=path.name):
        getattr(Bundle.open(bundle), name)()


def test_lm_of_another_shape_is_refused(bundle):
    config = read_yaml(bundle / "config.yaml")
    config["unit_lm"]["hidden_size"] = 32
    write_yaml(bundle / "config.yaml", config)
    with pytest.raises(ValueError, match="unit_lm.safetensors does not hold this bundle's unit LM"):
        Bundle.open(bundle).unit_lm()


@pytest.mark.parametrize("content", [None, {}, {"format": 2}], ids=["none", "no-format", "future"])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    if content is not None:
        write_yaml(tmp_path / "config.yaml", content)
    with pytest.raises(ValueError, match="holds no bundle|bundle format (None|2), known is 1"):
        Bundle.open(tmp_path)


def with_units(parts, folder, what, num_units):
    """The parts' paths, with one of them made for another K."""
    paths = dict(codebook=parts.codebook, unit_lm=parts.checkpoint, calibration=parts.calibration)
    if what == "unit LM":
        paths["unit_lm"] = tiny.save_as_espnet(tiny.unit_lm(num_units), folder / "lm")
    elif what == "calibration":
        paths["calibration"] = folder / "calibration.yaml"
        Calibration(num_units, 50.0, {}, {}).save(paths["calibration"])
    else:
        paths["codebook"] = Path(shutil.copytree(parts.codebook, folder / "codebook"))
        Codebook(torch.randn(num_units, 5)).save(paths["codebook"] / "codebook.safetensors")
    return paths


@pytest.mark.parametrize("what", ["unit LM", "calibration", "file of centroids"])
def test_parts_of_different_runs_are_refused(parts, tmp_path, what):
    paths = with_units(parts, tmp_path, what, tiny.NUM_UNITS + 3)
    output = tmp_path / "bundle"
    with pytest.raises(ValueError, match=rf"has {tiny.NUM_UNITS} units, the {what} 15; they were"):
        pack_bundle(**paths, output=output)
    assert not output.exists() and not list(tmp_path.glob(".bundle*"))


def test_a_calibration_at_another_frame_rate_is_refused(parts, tmp_path):
    paths = with_units(parts, tmp_path, "calibration", tiny.NUM_UNITS)
    Calibration(tiny.NUM_UNITS, 100.0, {}, {}).save(paths["calibration"])
    with pytest.raises(ValueError, match="at 100 units/s, .* gives 50; calibrate again"):
        pack_bundle(**paths, output=tmp_path / "bundle")


def test_packing_replaces_an_older_bundle(parts, tmp_path):
    output = Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))
    (output / "codebook.safetensors").write_text("old")
    tiny.pack(parts, output)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle"]
    for path in parts.bundle.iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes(), path.name


def paths_of(parts):
    return dict(codebook=parts.codebook, unit_lm=parts.checkpoint, calibration=parts.calibration)


@pytest.mark.parametrize("content", ["data", "bundle-and-data", "other-config", "file", "link"])
def test_packing_replaces_nothing_but_a_bundle(parts, tmp_path, content):
    output = tmp_path / "out"
    if content == "bundle-and-data":
        shutil.copytree(parts.bundle, output)
    elif content in ("data", "other-config"):
        output.mkdir()
    if content in ("data", "bundle-and-data"):
        (output / "thesis.tex").write_text("dear")
    elif content == "other-config":
        write_yaml(output / "config.yaml", {"lm": "llama"})
    elif content == "file":
        output.write_text("dear")
    elif content == "link":
        output.symlink_to(parts.bundle)
    with pytest.raises(
        ValueError,
        match="out is (no|a link).*remove it or name another",
    ):
        pack_bundle(**paths_of(parts), output=output)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    if content in ("data", "bundle-and-data"):
        assert (output / "thesis.tex").read_text() == "dear"


def test_packing_fills_an_empty_folder(parts, tmp_path):
    pack_bundle(**paths_of(parts), output=tmp_path).check_hashes()


@pytest.mark.parametrize("output", [".", "..", "a/.."])
def test_packing_needs_a_folder_with_a_name(parts, tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="name a new one"):
        pack_bundle(**paths_of(parts), output=output)
    assert not list(tmp_path.iterdir())


def test_others_may_read_a_bundle(parts, tmp_path):
    before = os.umask(0o022)
    try:
        pack_bundle(**paths_of(parts), output=tmp_path / "bundle")
        Codebook(torch.zeros(2, 3)).save(tmp_path / "c.safetensors")
    finally:
        os.umask(before)
    for path in (*(tmp_path / "bundle").iterdir(), tmp_path / "c.safetensors"):
        assert path.stat().st_mode & 0o777 == 0o644, path.name


@pytest.mark.parametrize("name", ["codebook", "unit_lm", "calibration"])
def test_a_part_of_another_bundle_is_refused(parts, bundle, name):
    """It fits and is whole, but is not what the rest was made with."""
    path = next(bundle.glob(f"{name}.*"))
    if name == "codebook":
        Codebook(torch.randn(tiny.NUM_UNITS, 5)).save(path)
    elif name == "unit_lm":
        save_file(tiny.unit_lm(seed=1).state_dict(), path)
    else:
        path.write_text(path.read_text() + "# changed\n")
    with pytest.raises(ValueError, match=f"{path.name} has hash .* pack it again"):
        getattr(Bundle.open(bundle), name)()


@pytest.mark.parametrize("key", ["files", "num_units", "unit_lm"])
def test_configs_that_lack_something_are_refused(bundle, key):
    config = read_yaml(bundle / "config.yaml")
    del config[key]
    write_yaml(bundle / "config.yaml", config)
    with pytest.raises(ValueError, match=f"config.yaml lacks {key}.*pack it again"):
        Bundle.open(bundle)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_diverged_lm_is_refused(parts, tmp_path, value):
    lm = tiny.unit_lm()
    with torch.no_grad():
        lm.llama.lm_head.weight[0, 0] = value
    checkpoint = tiny.save_as_espnet(lm, tmp_path / "lm")
    with pytest.raises(ValueError, match="lm_head.weight holds NaN or infinite values"):
        pack_bundle(parts.codebook, checkpoint, parts.calibration, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("damage", ["other-lm", "cut", "other-shape", "missing", "no-config"])
def test_unfit_checkpoints_are_refused(tmp_path, damage):
    checkpoint = tiny.save_as_espnet(tiny.unit_lm(), tmp_path)
    config = read_yaml(tmp_path / "config.yaml")
    if damage == "other-lm":
        write_yaml(tmp_path / "config.yaml", config | {"lm": "transformer"})
    elif damage == "cut":
        checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    elif damage == "other-shape":
        config["lm_conf"]["num_layers"] = 3
        write_yaml(tmp_path / "config.yaml", config)
    elif damage == "missing":
        checkpoint.unlink()
    else:
        (tmp_path / "config.yaml").unlink()
    with pytest.raises(ValueError, match=str(tmp_path)):
        load_trained_lm(checkpoint)


def test_trained_lm_is_the_one_saved(parts):
    lm = load_trained_lm(parts.checkpoint)
    ids = torch.tensor([[lm.sos, 1, 2, 3]])
    assert not lm.training
    with torch.no_grad():
        assert torch.equal(lm(ids)[0], parts.lm(ids)[0])


def test_other_settings_of_the_extractor_are_refused(bundle):
    config = read_yaml(bundle / "config.yaml")
    config["extractor"]["conf"]["num_mel"] = 21
    write_yaml(bundle / "config.yaml", config)
    with pytest.raises(ValueError, match="content hash"):
        load_extractor(bundle)


def test_extractors_without_weights_have_no_path(tmp_path):
    extractor = build_extractor("mfcc", num_mel=20, num_ceps=5, deltas=False)
    described = describe_extractor(extractor, tmp_path)
    assert "path" not in described["extractor"]["conf"]
    assert described["dim"] == 5 and described["batch_invariant"] is False


@pytest.mark.parametrize(
    "key, value",
    [
        ("files", 5),
        ("extractor", 5),
        ("extractor", dict(name="mfcc", conf=3)),
        ("extractor", dict(name="mfcc", conf=dict(path=5))),
        ("unit_lm", [1]),
        ("unit_lm", dict(foo=1)),
        ("num_units", "12"),
        ("frame_shift_sec", 0),
        ("frame_shift_sec", "a"),
        ("frame_shift_sec", float("nan")),
    ],
)
def test_configs_with_wrong_types_are_refused(bundle, key, value):
    path = bundle / "config.yaml"
    write_yaml(path, read_yaml(path) | {key: value})
    with pytest.raises(ValueError, match=f"config.yaml.*({key}|pack it again)"):
        Bundle.open(bundle).unit_lm()
