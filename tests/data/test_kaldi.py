"""File formats: tables, YAML, arks. What is there is whole; what is wrong is named."""

import os
import pickle

import kaldiio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy.data import audio, kaldi
from espnet_entropy.data.shards import write_shard


class Interrupted(Exception):
    """Stands for whatever stops a writer."""


def written(path, content):
    """The path, with this content; None: there is no file."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("before", [None, "old\n"], ids=["new", "replaced"])
def test_an_error_in_the_middle_changes_nothing(tmp_path, before):
    path = written(tmp_path / "c.txt", before)
    with pytest.raises(Interrupted), kaldi.atomic_text(path) as file:
        file.write("half a li")
        file.flush()
        raise Interrupted
    assert list(tmp_path.iterdir()) == ([] if before is None else [path])
    assert before is None or path.read_text() == before


keys = st.text("abc-_9é語Z", min_size=1, max_size=5)
values = st.text("xyz ü", max_size=8).map(lambda text: " ".join(text.split()))


@given(table=st.dictionaries(keys, values, max_size=6))
def test_tables_survive_and_are_sorted_as_in_c_locale(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "new" / "text"
    kaldi.write_table(path, table)
    read = kaldi.read_table(path)
    assert read == table
    assert [key.encode() for key in read] == sorted(key.encode() for key in table)


def test_tables_take_any_white_space_and_order(tmp_path):
    path = written(tmp_path / "text", "b\tone  two \r\na   three\nc\n日本 4")
    read = [("b", "one  two"), ("a", "three"), ("c", ""), ("日本", "4")]
    assert list(kaldi.read_table(path).items()) == read


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "text cannot be read"),
        ("a 1\nb 2\na 3\n", "line 3: a occurs a second time"),
        ("a 1\n \nb 2\n", "line 2: empty line"),
        ("\ufeffa 1\n", "text, line 1: byte order mark; save.*without"),
        ("ä b\n".encode("latin-1"), "text is not UTF-8"),
        ("a b\n".encode("utf-16"), "text is not UTF-8"),
    ],
    ids=["missing", "duplicate", "empty-line", "mark", "latin-1", "utf-16"],
)
def test_broken_tables_are_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        kaldi.read_table(written(tmp_path / "text", content))


def test_yaml_keeps_order_and_letters(tmp_path):
    content = {"z": 1, "a": {"é": [1.5, None]}}
    kaldi.write_yaml(tmp_path / "x.yaml", content)
    assert list(kaldi.read_yaml(tmp_path / "x.yaml").items()) == list(content.items())
    assert "é" in (tmp_path / "x.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "x.yaml cannot be read"),
        ("a: [1", "x.yaml cannot be read"),
        (b"\xff\xfe", "x.yaml cannot be read"),
        ("a: !!python/object/apply:os.getcwd []\n", "x.yaml cannot be read"),
        (5000 * "[", "x.yaml cannot be read"),
        ("- 1\n", "x.yaml is not a mapping"),
        ("", "x.yaml is not a mapping"),
    ],
    ids=["missing", "cut", "binary", "code", "deep", "list", "empty"],
)
def test_broken_yaml_is_named(tmp_path, content, message):
    with pytest.raises(ValueError, match=message):
        kaldi.read_yaml(written(tmp_path / "x.yaml", content))


def test_json_has_no_nan_and_a_broken_one_is_named(tmp_path):
    kaldi.write_json(tmp_path / "x.json", {"é": [float("nan"), (1.5, {"a": np.float64("nan")})]})
    assert kaldi.read_json(tmp_path / "x.json") == {"é": [None, [1.5, {"a": None}]]}
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="x.json cannot be read"):
        kaldi.read_json(tmp_path / "x.json")


# Arks


@pytest.mark.parametrize(
    "entry, message",
    [
        ("{}/a.ark", "a.ark cannot be read"),
        ("{}/a.ark:x", "a.ark:x cannot be read"),
        ("{}/a.ark:", "a.ark: cannot be read"),
        ("{}/a.ark:-3", "a.ark:-3 cannot be read"),
        ("{}/a.ark:7", "a.ark:7 cannot be read"),
        ("{}/a.ark:99999", "a.ark:99999 cannot be read"),
        ("{}/none.ark:4", "none.ark:4 cannot be read: .* make this dump again"),
        ("{}:4", ":4 cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_entries_that_lead_nowhere_are_named(tmp_path, entry, message):
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"utt": np.ones((30, 2), np.float32)})
    with pytest.raises(ValueError, match=message):
        kaldi.read_matrix(entry.format(tmp_path))


@pytest.mark.parametrize("kept", [-1, -100, 6, 0])
def test_cut_off_arks_are_named(tmp_path, kept):
    ark = tmp_path / "a.ark"
    kaldiio.save_ark(str(ark), {"utt": np.ones((30, 2), np.float32)})
    ark.write_bytes(ark.read_bytes()[:kept])
    with pytest.raises(ValueError, match="a.ark:4 cannot be read: .* make this dump again"):
        kaldi.read_matrix(f"{ark}:4")


COMMANDS = ["touch {0} |", "| touch {0}", "  touch {0} | "]


@pytest.mark.parametrize(
    "read, entry",
    [(lambda entry: audio.read_audio(entry, 16000), entry) for entry in COMMANDS]
    + [(kaldi.read_matrix, entry) for entry in [*COMMANDS, "touch {0} |[0:3]", "touch {0} |:0"]],
)
def test_shell_commands_in_tables_are_not_run(tmp_path, read, entry):
    witness = tmp_path / "witness"
    with pytest.raises(ValueError, match="shell command"):
        read(entry.format(witness))
    assert not witness.exists()


class Command:
    """What a pickle of it does when it is read."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_pickles_in_arks_are_not_read(tmp_path):
    witness = tmp_path / "witness"
    written(tmp_path / "a.ark", b"a PKL" + pickle.dumps(Command(f"touch {witness}")))
    with pytest.raises(ValueError, match="a.ark:2 cannot be read: no binary matrix .* b'PKL"):
        kaldi.read_matrix(f"{tmp_path}/a.ark:2")
    assert not witness.exists()


@pytest.mark.parametrize(
    "content", [b" [ 1 2 ]\n", b"\0BCM ", b"RIFF", b"NPY", b"", b"\0B\3"], ids=repr
)
def test_only_binary_matrices_and_vectors_are_read(tmp_path, content):
    written(tmp_path / "a.ark", content + bytes(40))
    with pytest.raises(ValueError, match="a.ark:0 cannot be read: no binary matrix"):
        kaldi.read_matrix(f"{tmp_path}/a.ark:0")


@pytest.mark.parametrize("name", ["a:b", "a[0]", "a b"])
def test_arks_in_folders_with_any_name(tmp_path, name):
    vector = np.arange(5, dtype=np.float64)
    table = write_shard(tmp_path / name, 1, [("utt", vector)])
    np.testing.assert_array_equal(kaldi.read_matrix(table["utt"].where), vector)
