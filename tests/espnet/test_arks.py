"""Tables and arks that ESPnet reads: nothing in them is executed."""

import sys

import kaldiio
import numpy as np
import pytest
from evil import Evil
from launching import execute

from espnet_entropy.data.refused import TRUST

ENTRIES = {
    "command": ("touch witness |", "is a shell command; it is not run"),
    "leading bar": ("| touch witness", "is a shell command; it is not run"),
    "part of a command's": ("touch witness |[0:3]", "is a shell command; it is not run"),
    "pickle": ("evil.ark:2", f"evil.ark:2 is a pickled object, .* set {TRUST}=true"),
}


def readers(scp):
    """ESPnet's two readers of a table: training's and inference's."""
    from espnet2.train.dataset import ESPnetDataset
    from espnet2.train.iterable_dataset import IterableESPnetDataset

    given = [(str(scp), "speech", "kaldi_ark")]
    yield lambda: ESPnetDataset(given)["a"]
    yield lambda: ESPnetDataset(given, max_cache_fd=3)["a"]
    yield lambda: next(iter(IterableESPnetDataset(given)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "witness").exists()


@pytest.fixture
def arks(folder):
    kaldiio.save_ark("good.ark", {"a": np.ones((3, 2), np.float32)}, scp="good.scp")
    kaldiio.save_ark("evil.ark", {"a": Evil(folder / "witness")}, write_function="pickle")
    return folder


@pytest.mark.parametrize("kind", ENTRIES)
def test_no_entry_of_a_table_is_executed(arks, kind):
    entry, message = ENTRIES[kind]
    (arks / "evil.scp").write_text(f"a {entry}\n")
    for read in readers("evil.scp"):
        with pytest.raises(ValueError, match=message):
            read()


def test_entries_of_arrays_are_still_read(arks):
    for read in readers("good.scp"):
        utt, data = read()
        assert utt == "a" and data["speech"].tolist() == [[1, 1]] * 3


def test_trusted_pickled_arrays_are_read(arks, monkeypatch):
    kaldiio.save_ark("own.ark", {"a": np.ones(2)}, scp="own.scp", write_function="pickle")
    monkeypatch.setenv(TRUST, "true")
    for read in readers("own.scp"):
        assert read()[1]["speech"].tolist() == [1, 1]


def test_newer_versions_of_espnet_read_arks_with_omniio(folder):
    kaldi = pytest.importorskip("omniio.kaldi")
    with pytest.raises(ValueError, match="is a shell command; it is not run"):
        kaldi.load_mat("touch witness |")


SPAWNING = """
import multiprocessing
import kaldiio
def read(entry):
    try:
        kaldiio.load_mat(entry)
    except ValueError as error:
        return str(error)
def main():
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.map(read, ["touch witness |", "evil.ark:2"]), sep="\\n")
"""


def test_spawned_children_execute_nothing_either(arks):
    (arks / "spawning.py").write_text(SPAWNING)
    done = execute(sys.executable, "-m", "espnet_entropy.run", "-m", "spawning", cwd=arks)
    command, pickled = done.stdout.splitlines()
    assert "shell command" in command and "pickled object" in pickled
