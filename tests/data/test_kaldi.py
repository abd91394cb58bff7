"""File formats: tables, YAML, audio, arks. What is there is whole; what is wrong is named."""

import os
import pickle

import kaldiio
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy.data import audio, kaldi
from espnet_entropy.data.shards import write_shard


class Interrupted(Exception):
    """Stands for whatever stops a writer."""


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def ark_entry(folder, **arrays):
    """Write an ark; its entries."""
    path = folder / "some.ark"
    kaldiio.save_ark(str(path), arrays, scp=str(folder / "some.scp"))
    return kaldi.read_table(folder / "some.scp")


# Text files, tables, YAML, JSON


def test_atomic_text_makes_folders(tmp_path):
    with kaldi.atomic_text(tmp_path / "a" / "b" / "c.txt") as file:
        file.write("schön\n")
        assert not (tmp_path / "a" / "b" / "c.txt").exists()
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "schön\n".encode()
    assert names(tmp_path / "a" / "b") == ["c.txt"]


@pytest.mark.parametrize("before", [None, "old\n"], ids=["new", "replaced"])
def test_an_error_in_the_middle_changes_nothing(tmp_path, before):
    path = tmp_path / "c.txt"
    if before is not None:
        path.write_text(before)
    with pytest.raises(Interrupted), kaldi.atomic_text(path) as file:
        file.write("half a li")
        file.flush()
        raise Interrupted
    assert names(tmp_path) == ([] if before is None else ["c.txt"])
    assert before is None or path.read_text() == before


keys = st.text("abc-_9é語Z", min_size=1, max_size=5)
values = st.text("xyz ü", max_size=8).map(lambda text: " ".join(text.split()))


@given(table=st.dictionaries(keys, values, max_size=6))
def test_tables_survive_and_are_sorted_as_in_c_locale(table, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "text"
    kaldi.write_table(path, table)
    read = kaldi.read_table(path)
    assert read == table
    assert [key.encode() for key in read] == sorted(key.encode() for key in table)


def test_tables_take_any_white_space(tmp_path):
    (tmp_path / "text").write_bytes(b"b\tone  two \r\na   three\nc\n")
    table = kaldi.read_table(tmp_path / "text")
    assert list(table.items()) == [("b", "one  two"), ("a", "three"), ("c", "")]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "text cannot be read"),
        (b"a 1\nb 2\na 3\n", "line 3: a occurs a second time"),
        (b"a 1\n\nb 2\n", "line 2: empty line"),
        (b"a \xff\n", "not UTF-8"),
    ],
    ids=["missing", "duplicate", "empty-line", "binary"],
)
def test_broken_tables_are_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "text").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        kaldi.read_table(tmp_path / "text")


def test_yaml_keeps_order_and_letters(tmp_path):
    content = {"z": 1, "a": {"é": [1.5, None]}}
    kaldi.write_yaml(tmp_path / "x.yaml", content)
    assert list(kaldi.read_yaml(tmp_path / "x.yaml").items()) == list(content.items())
    assert "é" in (tmp_path / "x.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "x.yaml cannot be read"),
        (b"a: [1", "x.yaml cannot be read"),
        (b"\xff\xfe", "x.yaml cannot be read"),
        (b"- 1\n", "x.yaml is not a mapping"),
        (b"", "x.yaml is not a mapping"),
    ],
    ids=["missing", "cut", "binary", "list", "empty"],
)
def test_broken_yaml_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        kaldi.read_yaml(tmp_path / "x.yaml")


def test_json_has_no_nan_and_a_broken_one_is_named(tmp_path):
    kaldi.write_json(tmp_path / "x.json", {"é": [float("nan"), (1.5, {"a": np.float64("nan")})]})
    assert kaldi.read_json(tmp_path / "x.json") == {"é": [None, [1.5, {"a": None}]]}
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(ValueError, match="x.json cannot be read"):
        kaldi.read_json(tmp_path / "x.json")


# Audio


def sine(rate, seconds=1.0):
    time = np.arange(round(rate * seconds)) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_samples_are_kept(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype=subtype)
    samples = audio.read_audio(tmp_path / "a.wav", 16000)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, sine(16000), atol=4e-5 if subtype == "PCM_16" else 1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_rates_and_channels(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.stack([sine(rate)] * channels, axis=1), rate)
    samples = audio.read_audio(path, 16000)
    assert samples.shape == (16000,)
    inside = slice(400, -400)  # resampling rings at the ends
    np.testing.assert_allclose(samples[inside], sine(16000)[inside], atol=5e-3)


def test_channels_are_averaged(tmp_path):
    left, right = sine(16000), np.full(16000, 0.2, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16000, subtype="FLOAT")
    samples = audio.read_audio(tmp_path / "a.wav", 16000)
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-6)


def broken_recordings(folder):
    """Files with what is said of them."""
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("voice " * 50)
    soundfile.write(folder / "silent.wav", sine(16000)[:0], 16000)
    (folder / "header.wav").write_bytes((folder / "silent.wav").read_bytes()[:30])
    for name, value in (("nan", np.nan), ("infinite", np.inf)):
        samples = sine(16000)
        samples[100] = value
        soundfile.write(folder / f"{name}.wav", samples, 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    "name, message",
    [
        ("missing.wav", "cannot be decoded"),
        ("empty.wav", "cannot be decoded"),
        ("text.wav", "cannot be decoded"),
        ("header.wav", "cannot be decoded"),
        ("silent.wav", "holds no sound"),
        ("nan.wav", "holds NaN or infinite"),
        ("infinite.wav", "holds NaN or infinite"),
    ],
)
def test_broken_audio_is_named(tmp_path, name, message):
    broken_recordings(tmp_path)
    with pytest.raises(ValueError, match=f"{name} {message}"):
        audio.read_audio(tmp_path / name, 16000)


def test_addresses_are_not_opened():
    with pytest.raises(ValueError, match="address, which is not opened; download"):
        audio.read_audio("http://127.0.0.1:9/a.wav", 16000)


@pytest.mark.parametrize("name", ["12:30.wav", "-.wav", "a|b.wav"])
def test_relative_names_with_signs(tmp_path, monkeypatch, name):
    soundfile.write(tmp_path / name, sine(16000), 16000)
    monkeypatch.chdir(tmp_path)
    assert len(audio.read_audio(name, 16000)) == 16000


# Arks


def test_broken_arks_are_named(tmp_path):
    entry = ark_entry(tmp_path, a=np.arange(50, dtype=np.int32))["a"]
    assert kaldi.read_matrix(entry).tolist() == list(range(50))
    content = (tmp_path / "some.ark").read_bytes()
    (tmp_path / "some.ark").write_bytes(content[:-30])
    for broken in (entry, f"{tmp_path / 'none.ark'}:2"):
        with pytest.raises(ValueError, match="cannot be read: .* make this dump again"):
            kaldi.read_matrix(broken)


@pytest.mark.parametrize("entry", ["touch {0} |[0:3]", "touch {0} |:0[0:1]", "touch {0} |:0"])
def test_shell_commands_are_not_run_with_a_slice_either(tmp_path, entry):
    with pytest.raises(ValueError, match="shell command"):
        kaldi.read_matrix(entry.format(tmp_path / "witness"))
    assert not (tmp_path / "witness").exists()


class Command:
    """What a pickle of it does when it is read."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_pickles_in_arks_are_not_read(tmp_path):
    witness = tmp_path / "witness"
    (tmp_path / "a.ark").write_bytes(b"a PKL" + pickle.dumps(Command(f"touch {witness}")))
    with pytest.raises(ValueError, match="a.ark:2 cannot be read: no binary matrix .* b'PKL"):
        kaldi.read_matrix(f"{tmp_path}/a.ark:2")
    assert not witness.exists()


@pytest.mark.parametrize(
    "content", [b" [ 1 2 ]\n", b"\0BCM ", b"RIFF", b"NPY", b"", b"\0B\3"], ids=repr
)
def test_only_binary_matrices_and_vectors_are_read(tmp_path, content):
    (tmp_path / "a.ark").write_bytes(content + bytes(40))
    with pytest.raises(ValueError, match="a.ark:0 cannot be read: no binary matrix"):
        kaldi.read_matrix(f"{tmp_path}/a.ark:0")


@pytest.mark.parametrize("name", ["a:b", "a[0]", "a b"])
def test_arks_in_folders_with_any_name(tmp_path, name):
    vector = np.arange(5, dtype=np.float64)
    table = write_shard(tmp_path / name, 1, [("utt", vector)])
    np.testing.assert_array_equal(kaldi.read_matrix(table["utt"].where), vector)


@pytest.mark.parametrize("entry", ["some.ark", "some.ark:x", "some.ark:"])
def test_entries_need_an_offset(entry):
    with pytest.raises(ValueError, match=f"{entry} cannot be read"):
        kaldi.read_matrix(entry)


@pytest.mark.parametrize("entry", ["touch {0} |", "| touch {0}"])
@pytest.mark.parametrize("read", [kaldi.read_matrix, lambda entry: audio.read_audio(entry, 16000)])
def test_shell_commands_in_tables_are_not_run(tmp_path, entry, read):
    witness = tmp_path / "witness"
    with pytest.raises(ValueError, match="shell command"):
        read(entry.format(witness))
    assert not witness.exists()
