"""A dump as an unmodified recipe of ESPnet finds it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from espnet_entropy.bin import link_dump
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_table


@pytest.fixture
def made(parts, tmp_path, monkeypatch):
    """The folder of a recipe whose `wav.scp` files have paths relative to it."""
    raw = tmp_path / "made" / "dump" / "raw"
    for name in ("train", "dev"):
        shutil.copytree(parts.dump, raw / name)
        entries = read_table(raw / name / "wav.scp")
        ark = sorted((raw / name).rglob("*.ark"))[0].relative_to(tmp_path / "made")
        relative = {utt: f"{ark}:{entry.rpartition(':')[2]}" for utt, entry in entries.items()}
        write_table(raw / name / "wav.scp", relative)
    (tmp_path / "stock").mkdir()
    monkeypatch.chdir(tmp_path / "stock")
    return raw


def link(made, *options):
    link_dump.main(["--dump", str(made), "--train_set", "train", "--valid_set", "dev", *options])


def test_the_linked_dump_is_the_dump(made, parts):
    link(made)
    for folder in ("dump/raw/train", "dump/raw/org/dev"):
        for mine, theirs in zip(read_dump(folder), read_dump(parts.dump), strict=True):
            assert mine[0] == theirs[0]
            np.testing.assert_array_equal(mine[1], theirs[1])
            np.testing.assert_array_equal(mine[2], theirs[2])


def test_linking_twice_changes_nothing(made, tmp_path):
    def content():
        return {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    link(made)
    before = content()
    link(made)
    assert content() == before


@pytest.mark.parametrize("name", ["codebook_sha256", "unit_lm_sha256"])
def test_the_parts_of_the_dump_are_named_and_others_are_refused(made, parts, name):
    link(made)
    assert Path("dump/raw/train", name).read_text() == (parts.dump / name).read_text()
    (made / "train" / name).write_text(64 * "0" + "\n")
    before = Path("dump/raw/org/train/wav.scp").read_text()
    with pytest.raises(SystemExit, match="org/train holds .* of another .*choose another --output"):
        link(made)
    assert Path("dump/raw/org/train/wav.scp").read_text() == before
    # A dump without a hash must not keep the hash of an earlier dump.
    (made / "train" / name).unlink()
    link(made)
    assert not Path("dump/raw/train", name).exists()


def test_the_text_of_the_lm_is_that_of_the_training_set(made):
    link(made)
    assert read_table("dump/raw/lm_train.txt") == read_table(made / "train" / "text")


def test_missing_tables_and_arks_are_named(made):
    (made / "dev" / "spk2utt").unlink()
    with pytest.raises(SystemExit, match="dev lacks spk2utt"):
        link(made)
    write_table(made / "train" / "wav.scp", {"utt-a": "gone.ark:5"})
    with pytest.raises(SystemExit, match="utt-a: no file gone.ark"):
        link(made)


def test_a_dump_is_not_linked_onto_itself(made):
    with pytest.raises(SystemExit, match="another recipe"):
        link(made, "--output", str(made))


def test_a_set_that_is_a_link_to_the_dump_is_left_alone(made):
    Path("dump/raw").mkdir(parents=True)
    Path("dump/raw/train").symlink_to(made / "train")
    before = (made / "train/wav.scp").read_text()
    with pytest.raises(SystemExit, match="dump/raw/train is a link to .*would be lost"):
        link(made)
    assert (made / "train/wav.scp").read_text() == before
