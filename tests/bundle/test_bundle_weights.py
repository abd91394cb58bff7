"""How a bundle finds its extractor's weights: after moves, and behind links."""

import shutil
from pathlib import Path

import pytest
import tiny
import torch

from espnet_entropy.bin import bundle as bundle_command
from espnet_entropy.bundle.build import pack_bundle
from espnet_entropy.bundle.bundle import describe_extractor, load_extractor
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.units.features import EXTRACTORS


class FileExtractor(torch.nn.Module):
    """An extractor whose weights are the content of a file."""

    name = "file"
    sample_rate, frame_shift_sec, dim, batch_invariant = 16000, 0.02, 5, False

    def __init__(self, path):
        super().__init__()
        self.conf = {"path": str(path)}

    def content_hash(self):
        return Path(self.conf["path"]).read_text()


@pytest.fixture
def with_weights(parts, tmp_path, monkeypatch):
    """root/weights and a bundle at root/exp/deep/bundle that names them."""
    monkeypatch.setitem(EXTRACTORS, "file", FileExtractor)
    root = tmp_path / "root"
    codebook = Path(shutil.copytree(parts.codebook, root / "codebook"))
    (root / "weights").write_text("abc")
    described = describe_extractor(FileExtractor(root / "weights"), codebook)
    assert described["extractor"]["conf"]["path"] == "../weights"
    write_yaml(codebook / "config.yaml", read_yaml(codebook / "config.yaml") | described)
    (root / "exp" / "deep").mkdir(parents=True)
    pack_bundle(codebook, parts.checkpoint, parts.calibration, root / "exp" / "deep" / "bundle")
    return root


def test_a_moved_bundle_finds_its_weights(with_weights):
    assert load_extractor(with_weights / "exp/deep/bundle").content_hash() == "abc"
    moved = with_weights.rename(with_weights.parent / "elsewhere")
    extractor = load_extractor(moved / "exp/deep/bundle")
    assert Path(extractor.conf["path"]) == moved / "weights"


def test_the_path_of_the_weights_can_be_given(with_weights, tmp_path):
    (with_weights / "weights").rename(tmp_path / "new")
    extractor = load_extractor(with_weights / "exp/deep/bundle", str(tmp_path / "new"))
    assert extractor.conf["path"] == str(tmp_path / "new")


def test_other_weights_are_refused(with_weights):
    (with_weights / "weights").write_text("xyz")
    with pytest.raises(ValueError, match="content hash xyz, but .* was made with abc"):
        load_extractor(with_weights / "exp/deep/bundle")


def link_to_the_bundle(root, aside):
    (aside / "link").symlink_to(root / "exp/deep/bundle")
    return aside / "link"


def relative_link_to_the_bundle(root, aside):
    (aside / "link").symlink_to(Path("..", "root", "exp", "deep", "bundle"))
    return aside / "link"


def linked_parent(root, aside):
    (aside / "link").symlink_to(root / "exp/deep")
    return aside / "link" / "bundle"


def link_in_the_middle(root, aside):
    (aside / "deeper").mkdir()
    (aside / "deeper" / "link").symlink_to(root / "exp")
    return aside / "deeper" / "link" / "deep" / ".." / "deep" / "bundle"


def folder_of_links(root, aside):
    (aside / "bundle").mkdir()
    for path in (root / "exp/deep/bundle").iterdir():
        (aside / "bundle" / path.name).symlink_to(path)
    return aside / "bundle"


def moved_away_with_a_link_left(root, aside):
    """`exp` is a link to another disk, and paths are relative to the unresolved folder."""
    (root / "exp").rename(aside / "exp")
    (root / "exp").symlink_to(aside / "exp")
    return root / "exp/deep/bundle"


WAYS = [
    link_to_the_bundle,
    relative_link_to_the_bundle,
    linked_parent,
    link_in_the_middle,
    folder_of_links,
    moved_away_with_a_link_left,
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("named", ["absolute", "relative"])
def test_a_bundle_behind_links_finds_its_weights(with_weights, tmp_path, monkeypatch, way, named):
    (tmp_path / "aside").mkdir()
    folder = way(with_weights, tmp_path / "aside")
    if named == "relative":
        monkeypatch.chdir(tmp_path)
        folder = folder.relative_to(tmp_path)
    assert load_extractor(folder).content_hash() == "abc"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_bundles_made_from_a_bundle_behind_links_find_their_weights(with_weights, tmp_path, way):
    (tmp_path / "aside").mkdir()
    folder = way(with_weights, tmp_path / "aside")
    # A linked parent that is deeper than its target.
    (tmp_path / "made").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "link").symlink_to(tmp_path / "made")
    output = tmp_path / "a" / "b" / "link" / "parts"
    tiny.command(bundle_command, "unpack", bundle=folder, output=output)
    for reached in (output, tmp_path / "made" / "parts"):
        assert load_extractor(reached / "codebook").content_hash() == "abc"


def test_packing_below_a_linked_parent_names_the_weights_by_real_folders(
    with_weights, parts, tmp_path
):
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "exp").symlink_to(tmp_path / "real" / "deep")
    codebook = with_weights / "codebook"
    pack_bundle(codebook, parts.checkpoint, parts.calibration, tmp_path / "exp" / "bundle")
    config = read_yaml(tmp_path / "real" / "deep" / "bundle" / "config.yaml")
    assert config["extractor"]["conf"]["path"] == "../../../root/weights"
    for folder in ("exp/bundle", "real/deep/bundle"):
        assert load_extractor(tmp_path / folder).content_hash() == "abc"


def test_a_link_to_the_weights_keeps_its_name(with_weights, tmp_path):
    (tmp_path / "small.pt").symlink_to(with_weights / "weights")
    described = describe_extractor(FileExtractor(tmp_path / "small.pt"), tmp_path / "codebook")
    assert described["extractor"]["conf"]["path"] == "../small.pt"


def test_missing_weights_are_expected_beside_the_real_bundle(with_weights, tmp_path):
    (tmp_path / "aside").mkdir()
    folder = link_to_the_bundle(with_weights, tmp_path / "aside")
    (with_weights / "weights").unlink()
    with pytest.raises(FileNotFoundError, match=str(with_weights / "weights")):
        load_extractor(folder)
