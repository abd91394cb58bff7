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

from espnet_entropy.bundle.build import pack_bundle
from espnet_entropy.bundle.bundle import FILES, Bundle, load_extractor
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.units.codebook import Codebook


@pytest.fixture
def bundle(parts, tmp_path):
    """A copy that may be damaged."""
    return Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))


def test_packed_parts_come_back(parts):
    bundle = Bundle.open(parts.bundle)
    bundle.check_hashes()
    assert bundle.num_units == tiny.NUM_UNITS and bundle.frame_rate_hz == pytest.approx(50)
    assert bundle.config["batch_invariant"] is False
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


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"),
}


@pytest.mark.parametrize("name", ["codebook", "unit_lm", "calibration"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_parts_that_were_changed_are_refused(bundle, name, damage):
    path = next(bundle.glob(f"{name}.*"))
    DAMAGES[damage](path)
    opened = Bundle.open(bundle)
    for read in (opened.check_hashes, getattr(opened, name)):
        with pytest.raises(ValueError, match=path.name):
            read()


@pytest.mark.parametrize("content", [None, {}, {"format": 2}], ids=["none", "no-format", "future"])
def test_what_is_no_bundle_is_refused(tmp_path, content):
    if content is not None:
        write_yaml(tmp_path / "config.yaml", content)
    with pytest.raises(ValueError, match="holds no bundle|bundle format (None|2), known is 1"):
        Bundle.open(tmp_path)


def paths_of(parts, folder=None, what=None, num_units=0):
    """The parts' paths; one of them may be made for another K."""
    paths = dict(codebook=parts.codebook, unit_lm=parts.checkpoint, calibration=parts.calibration)
    if what == "unit LM":
        paths["unit_lm"] = tiny.save_as_espnet(tiny.unit_lm(num_units), folder / "lm")
    elif what == "calibration":
        paths["calibration"] = folder / "calibration.yaml"
        Calibration(num_units, 50.0, {}, {}).save(paths["calibration"])
    elif what == "file of centroids":
        paths["codebook"] = Path(shutil.copytree(parts.codebook, folder / "codebook"))
        Codebook(torch.randn(num_units, 5)).save(paths["codebook"] / "codebook.safetensors")
    return paths


@pytest.mark.parametrize("what", ["unit LM", "calibration", "file of centroids"])
def test_parts_of_different_runs_are_refused(parts, tmp_path, what):
    paths = paths_of(parts, tmp_path, what, tiny.NUM_UNITS + 3)
    output = tmp_path / "bundle"
    with pytest.raises(ValueError, match=rf"has {tiny.NUM_UNITS} units, the {what} 15; they were"):
        pack_bundle(**paths, output=output)
    assert not output.exists() and not list(tmp_path.glob(".bundle*"))


def test_a_calibration_at_another_frame_rate_is_refused(parts, tmp_path):
    paths = paths_of(parts, tmp_path, "calibration", tiny.NUM_UNITS)
    Calibration(tiny.NUM_UNITS, 100.0, {}, {}).save(paths["calibration"])
    with pytest.raises(ValueError, match="at 100 units/s, .* gives 50; calibrate again"):
        pack_bundle(**paths, output=tmp_path / "bundle")


def test_packing_replaces_an_older_bundle_and_fills_an_empty_folder(parts, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    output = Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))
    (output / "codebook.safetensors").write_text("old")
    tiny.pack(parts, output)
    pack_bundle(**paths_of(parts), output=empty).check_hashes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bundle", "empty"]
    for path in parts.bundle.iterdir():
        assert (output / path.name).read_bytes() == path.read_bytes(), path.name


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
    with pytest.raises(ValueError, match="out is (no|a link).*remove it or name another"):
        pack_bundle(**paths_of(parts), output=output)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    if content in ("data", "bundle-and-data"):
        assert (output / "thesis.tex").read_text() == "dear"


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


def test_a_diverged_lm_is_refused(parts, tmp_path):
    lm = tiny.unit_lm()
    with torch.no_grad():
        lm.llama.lm_head.weight[0, 0] = float("nan")
    checkpoint = tiny.save_as_espnet(lm, tmp_path / "lm")
    with pytest.raises(ValueError, match="lm_head.weight holds NaN or infinite values"):
        pack_bundle(parts.codebook, checkpoint, parts.calibration, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


MFCC = dict(num_mel=21, num_ceps=5, deltas=False)
ENTRIES = [(key, value) for key in ("files", "unit_lm", "extractor") for value in ("x", [1], 5)]
ENTRIES += [(key, None) for key in ("files", "num_units", "unit_lm", "extractor")]
ENTRIES += [("frame_shift_sec", value) for value in (0, "a", -1, float("nan"), [])]


@pytest.mark.parametrize(
    "key, value",
    [
        *ENTRIES,
        ("num_units", "12"),
        ("extractor", dict(name="mfcc", conf=3)),
        ("extractor", dict(name="mfcc", conf=dict(path=5))),
        ("extractor", dict(name="mfcc", conf=MFCC, sha256=64 * "0")),
        ("unit_lm", dict(foo=1)),
        ("unit_lm", dict(hidden_size=32)),
        ("unit_lm", dict(num_heads=5)),
    ],
)
def test_configs_with_wrong_entries_are_refused(bundle, key, value):
    config = read_yaml(bundle / "config.yaml")
    known = config.pop(key)
    if value is not None:
        config[key] = known | value if key == "unit_lm" and isinstance(value, dict) else value
    write_yaml(bundle / "config.yaml", config)
    with pytest.raises(ValueError, match="config.yaml|content hash|this bundle's unit LM"):
        Bundle.open(bundle).unit_lm()
        load_extractor(bundle)
