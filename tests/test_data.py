"""File formats: tables, audio, dumps, shards. What is there is whole; what is wrong is named."""

import itertools
import os
import pickle
import signal
import subprocess
import sys

import kaldiio
import numpy as np
import pytest
import soundfile
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy import data


class Interrupted(Exception):
    """Stands for whatever stops a writer."""


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def ark_entry(folder, **arrays):
    """Write an ark; its entries."""
    path = folder / "some.ark"
    kaldiio.save_ark(str(path), arrays, scp=str(folder / "some.scp"))
    return data.read_table(folder / "some.scp")


# Text files, tables, YAML


def test_atomic_text_makes_folders(tmp_path):
    with data.atomic_text(tmp_path / "a" / "b" / "c.txt") as file:
        file.write("schön\n")
        assert not (tmp_path / "a" / "b" / "c.txt").exists()
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "schön\n".encode()
    assert names(tmp_path / "a" / "b") == ["c.txt"]


@pytest.mark.parametrize("before", [None, "old\n"], ids=["new", "replaced"])
def test_an_error_in_the_middle_changes_nothing(tmp_path, before):
    path = tmp_path / "c.txt"
    if before is not None:
        path.write_text(before)
    with pytest.raises(Interrupted), data.atomic_text(path) as file:
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
    data.write_table(path, table)
    read = data.read_table(path)
    assert read == table
    assert [key.encode() for key in read] == sorted(key.encode() for key in table)


def test_tables_take_any_white_space(tmp_path):
    (tmp_path / "text").write_bytes(b"b\tone  two \r\na   three\nc\n")
    table = data.read_table(tmp_path / "text")
    assert list(table.items()) == [("b", "one  two"), ("a", "three"), ("c", "")]


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "text cannot be read"),
        (b"a 1\nb 2\na 3\n", "line 3: a stands there twice"),
        (b"a 1\n\nb 2\n", "line 2: empty line"),
        (b"a \xff\n", "not UTF-8"),
    ],
    ids=["missing", "duplicate", "empty-line", "binary"],
)
def test_broken_tables_are_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "text").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        data.read_table(tmp_path / "text")


def test_yaml_keeps_order_and_letters(tmp_path):
    content = {"z": 1, "a": {"é": [1.5, None]}}
    data.write_yaml(tmp_path / "x.yaml", content)
    assert list(data.read_yaml(tmp_path / "x.yaml").items()) == list(content.items())
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
        data.read_yaml(tmp_path / "x.yaml")


# Audio


def sine(rate, seconds=1.0):
    time = np.arange(round(rate * seconds)) / rate
    return (0.4 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_samples_are_kept(tmp_path, subtype):
    soundfile.write(tmp_path / "a.wav", sine(16000), 16000, subtype=subtype)
    samples = data.read_audio(tmp_path / "a.wav", 16000)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, sine(16000), atol=4e-5 if subtype == "PCM_16" else 1e-6)


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_rates_and_channels(tmp_path, suffix, rate, channels):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, np.stack([sine(rate)] * channels, axis=1), rate)
    samples = data.read_audio(path, 16000)
    assert samples.shape == (16000,)
    inside = slice(400, -400)  # resampling rings at the ends
    np.testing.assert_allclose(samples[inside], sine(16000)[inside], atol=5e-3)


def test_channels_are_averaged(tmp_path):
    left, right = sine(16000), np.full(16000, 0.2, dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], 1), 16000, subtype="FLOAT")
    samples = data.read_audio(tmp_path / "a.wav", 16000)
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-6)


def broken_recordings(folder):
    """Files with what is said of them."""
    soundfile.write(folder / "whole.flac", tiny.wave(0, 2.0), 16000)
    whole = (folder / "whole.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
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
        ("cut.flac", "cannot be decoded"),
        ("silent.wav", "holds no sound"),
        ("nan.wav", "holds NaN or infinite"),
        ("infinite.wav", "holds NaN or infinite"),
    ],
)
def test_broken_audio_is_named(tmp_path, name, message):
    broken_recordings(tmp_path)
    with pytest.raises(ValueError, match=f"{name} {message}"):
        data.read_audio(tmp_path / name, 16000)


def test_addresses_are_not_opened():
    with pytest.raises(ValueError, match="address; it is not opened. Download it"):
        data.read_audio("http://127.0.0.1:9/a.wav", 16000)


@pytest.mark.parametrize("name", ["12:30.wav", "-.wav", "a|b.wav"])
def test_relative_names_with_signs(tmp_path, monkeypatch, name):
    soundfile.write(tmp_path / name, sine(16000), 16000)
    monkeypatch.chdir(tmp_path)
    assert len(data.read_audio(name, 16000)) == 16000


# Arks and dumps


def test_broken_arks_are_named(tmp_path):
    entry = ark_entry(tmp_path, a=np.arange(50, dtype=np.int32))["a"]
    assert data.read_matrix(entry).tolist() == list(range(50))
    content = (tmp_path / "some.ark").read_bytes()
    (tmp_path / "some.ark").write_bytes(content[:-30])
    for broken in (entry, f"{tmp_path / 'none.ark'}:2"):
        with pytest.raises(ValueError, match="cannot be read: .* make this dump again"):
            data.read_matrix(broken)


def write_dump(folder, **matrices):
    data.write_table(folder / "wav.scp", ark_entry(folder, **matrices))


def test_dumps_are_read(tmp_path):
    a = np.array([[3, 0.5], [499, 1.25], [0, 0]], dtype=np.float32)
    write_dump(tmp_path, b=a[:1], a=a)
    read = {utt: (units, entropies) for utt, units, entropies in data.read_dump(tmp_path)}
    assert list(read) == ["a", "b"]
    assert read["a"][0].tolist() == [3, 499, 0] and read["a"][0].dtype == np.int64
    assert read["a"][1].tolist() == [0.5, 1.25, 0] and read["a"][1].dtype == np.float32

    units, entropies, lengths = data.load_padded_dump(tmp_path)
    assert units.tolist() == [[3, 499, 0], [3, 0, 0]] and units.dtype == torch.int64
    assert entropies.tolist() == [[0.5, 1.25, 0], [0.5, 0, 0]]
    assert lengths.tolist() == [3, 1]


@pytest.mark.parametrize(
    "matrix, message",
    [
        (np.zeros(3, dtype=np.float32), r"utt a: not a finite \(T, 2\) matrix: \(3,\)"),
        (np.zeros((3, 3), dtype=np.float32), r"utt a: not a finite \(T, 2\) matrix: \(3, 3\)"),
        (np.array([[1, np.nan]], dtype=np.float32), "utt a: not a finite"),
        (np.array([[1.5, 0]], dtype=np.float32), "utt a: unit ids are not integers"),
    ],
    ids=["vector", "three-columns", "nan", "fraction"],
)
def test_broken_dumps_are_named(tmp_path, matrix, message):
    write_dump(tmp_path, a=matrix)
    with pytest.raises(ValueError, match=message):
        list(data.read_dump(tmp_path))


def test_empty_dump_is_refused(tmp_path):
    (tmp_path / "wav.scp").write_text("")
    for read in (data.load_padded_dump, lambda folder: list(data.padded_batches(folder))):
        with pytest.raises(ValueError, match="is empty"):
            read(tmp_path)


LENGTHS = [3, 50, 1, 4, 4, 2, 30]


@pytest.mark.parametrize("max_frames", [1, 8, 12, 10**6])
def test_batches_of_similar_length(tmp_path, max_frames):
    matrices = {f"u{n}": np.full((t, 2), t, np.float32) for n, t in enumerate(LENGTHS)}
    write_dump(tmp_path, **matrices)
    batches = list(data.padded_batches(tmp_path, max_frames=max_frames))
    assert sorted(itertools.chain(*(batch[0] for batch in batches))) == sorted(matrices)
    for utts, units, entropies, lengths in batches:
        assert units.shape == entropies.shape and (units.numel() <= max_frames or len(utts) == 1)
        for row, utt in enumerate(utts):
            length = len(matrices[utt])
            assert lengths[row] == length
            assert units[row].tolist() == [length] * length + [0] * (units.shape[1] - length)
    in_order = torch.cat([lengths for *_, lengths in batches]).tolist()
    assert in_order == sorted(LENGTHS)
    # As few as the limit allows: the next utterance would not have fitted.
    for before, after in itertools.pairwise(batches):
        assert (len(before[0]) + 1) * int(after[3][0]) > max_frames


def test_batches_of_some_utterances(tmp_path):
    write_dump(tmp_path, **{f"u{n}": np.ones((t, 2), np.float32) for n, t in enumerate(LENGTHS)})
    ((utts, *_),) = data.padded_batches(tmp_path, ["u2", "u0"])
    assert utts == ["u2", "u0"]
    with pytest.raises(ValueError, match="has no utterance u9"):
        list(data.padded_batches(tmp_path, ["u2", "u9"]))


# Shards


@given(st.sets(keys, max_size=12), st.integers(1, 5), st.randoms(use_true_random=False))
def test_shards_are_a_partition(utts, num_shards, random):
    shuffled = list(utts)
    random.shuffle(shuffled)
    shards = [data.shard_keys(shuffled, n, num_shards) for n in range(1, num_shards + 1)]
    assert sorted(itertools.chain(*shards)) == sorted(utts)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    in_order = sorted(utts)
    assert shards == [data.shard_keys(in_order, n, num_shards) for n in range(1, num_shards + 1)]


@pytest.mark.parametrize("shard", [0, 4, -1])
def test_shards_count_from_one(shard):
    with pytest.raises(ValueError, match=f"shard {shard} is not between 1 and 3"):
        data.shard_keys(["a"], shard, 3)


ARRAYS = {
    f"utt{n}-é": np.stack([np.arange(n + 1), np.full(n + 1, 0.5)], 1).astype(np.float32)
    for n in range(7)
}


def write_shards(folder, order, num_shards=3, arrays=ARRAYS):
    for shard in order:
        utts = data.shard_keys(arrays, shard, num_shards)
        data.write_shard(folder, shard, ((utt, arrays[utt]) for utt in utts))


@pytest.mark.parametrize("dtype", [np.int32, np.float32], ids=["units", "units-and-entropies"])
def test_shards_come_back(tmp_path, dtype):
    arrays = {utt: a if dtype is np.float32 else a[:, 0].astype(dtype) for utt, a in ARRAYS.items()}
    write_shards(tmp_path, (1, 2, 3), arrays=arrays)
    table = data.merge_shards(tmp_path, 3, arrays)
    assert set(table) == set(arrays)
    for utt, entry in table.items():
        read = data.read_matrix(entry)
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, arrays[utt])


def test_bytes_do_not_depend_on_the_order_of_jobs(tmp_path):
    written = []
    for order in ((1, 2, 3), (3, 1, 2)):
        folder = tmp_path / "dump"
        write_shards(folder, order)
        files = sorted((folder / "shards").iterdir())
        assert len(files) == 6
        written.append({path.name: path.read_bytes() for path in files})
        folder.rename(tmp_path / str(order))
    assert written[0] == written[1]


def interrupted(arrays, after):
    yield from itertools.islice(arrays.items(), after)
    raise Interrupted


def test_an_error_in_the_middle_leaves_no_shard(tmp_path):
    with pytest.raises(Interrupted):
        data.write_shard(tmp_path, 1, interrupted(ARRAYS, 2))
    assert names(tmp_path / "shards") == []


def test_an_error_while_redoing_a_shard_leaves_it_unfinished(tmp_path):
    """The old ark must not pass for the result of the new attempt."""
    data.write_shard(tmp_path, 1, ARRAYS.items())
    ark, scp = data.shard_paths(tmp_path, 1)
    before = ark.read_bytes()
    with pytest.raises(Interrupted):
        data.write_shard(tmp_path, 1, interrupted(ARRAYS, 2))
    assert not scp.exists()
    assert ark.read_bytes() == before
    assert data.write_shard(tmp_path, 1, ARRAYS.items()) == data.read_table(scp)


KILLED = """
import os, signal, sys
import numpy as np
from espnet_entropy import data

def arrays():
    yield "a", np.arange(9, dtype=np.int32)
    os.kill(os.getpid(), signal.SIGKILL)

data.write_shard(sys.argv[1], 1, arrays())
"""


def test_a_killed_job_leaves_no_shard_and_can_be_repeated(tmp_path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)])
    assert done.returncode == -signal.SIGKILL
    ark, scp = data.shard_paths(tmp_path, 1)
    assert not ark.exists() and not scp.exists()
    with pytest.raises(ValueError, match="units.1.scp is missing"):
        data.merge_shards(tmp_path, 1, ["a"])
    data.write_shard(tmp_path, 1, ARRAYS.items())
    assert set(data.merge_shards(tmp_path, 1, ARRAYS)) == set(ARRAYS)


def test_merging_names_what_is_wrong(tmp_path):
    write_shards(tmp_path, (1, 3))
    with pytest.raises(ValueError, match=r"units\.2\.scp is missing; run the stage"):
        data.merge_shards(tmp_path, 3, ARRAYS)
    write_shards(tmp_path, (2,))
    with pytest.raises(ValueError, match=r"1 utterances are missing \(new\) and 0 are not"):
        data.merge_shards(tmp_path, 3, [*ARRAYS, "new"])
    with pytest.raises(ValueError, match=r"0 utterances are missing \(\) and 1 are not .*\(utt0-é"):
        data.merge_shards(tmp_path, 3, list(ARRAYS)[1:])


def test_merging_nothing_is_an_error(tmp_path):
    data.write_shard(tmp_path / "eval", 1, [])
    with pytest.raises(ValueError, match="eval has no utterances"):
        data.merge_shards(tmp_path / "eval", 1, [])


# ESPnet's folders


def test_units_table(tmp_path):
    arrays = {utt: a[:, 0].astype(np.int32) for utt, a in ARRAYS.items()}
    table = data.write_shard(tmp_path, 1, arrays.items())
    data.write_units_table(tmp_path, table)
    shapes = data.read_table(tmp_path / "text_shape")
    assert shapes == {utt: str(len(a)) for utt, a in arrays.items()}
    for utt, units in data.read_units(tmp_path / "units.scp"):
        np.testing.assert_array_equal(units, arrays.pop(utt))
    assert not arrays


def data_folder(folder, utts, **tables):
    for name, value in {"text": "A b", "utt2spk": None, **tables}.items():
        data.write_table(folder / name, {u: value or f"spk{n % 2}" for n, u in enumerate(utts)})
    return folder


def test_espnet_layout(tmp_path):
    table = data.write_shard(tmp_path / "raw", 1, ARRAYS.items())
    # More utterances in the data than in the dump are no error: a dump may be a subset.
    source = data_folder(tmp_path / "data", [*ARRAYS, "zzz"], **{"text.tc": "A, b."})
    frames = data.write_espnet_layout(tmp_path / "raw", table, source)
    assert frames == {utt: len(a) for utt, a in ARRAYS.items()}

    raw = tmp_path / "raw"
    for name in ("wav.scp", "text", "text.tc", "utt2spk", "utt2num_samples"):
        assert list(data.read_table(raw / name)) == sorted(ARRAYS), name
    assert (raw / "feats_type").read_text() == "raw\n"
    assert "ark" in (raw / "audio_format").read_text()
    speakers = data.read_table(raw / "spk2utt")
    assert list(speakers) == ["spk0", "spk1"]
    assert speakers["spk1"].split() == ["utt1-é", "utt3-é", "utt5-é"]
    assert data.read_table(raw / "utt2num_samples")["utt4-é"] == "5"
    assert set(data.read_table(raw / "text.tc").values()) == {"A, b."}


@pytest.mark.parametrize("lacking", ["text", "utt2spk"])
def test_espnet_layout_names_what_lacks(tmp_path, lacking):
    table = data.write_shard(tmp_path / "raw", 1, ARRAYS.items())
    source = data_folder(tmp_path / "data", ARRAYS)
    content = data.read_table(source / lacking)
    content.pop("utt3-é")
    data.write_table(source / lacking, content)
    with pytest.raises(ValueError, match=rf"{lacking} lacks 1 utterances \(utt3-é"):
        data.write_espnet_layout(tmp_path / "raw", table, source)
    # wav.scp is what says that a dump is whole.
    assert not (tmp_path / "raw" / "wav.scp").exists()


def test_merge_refuses_an_utterance_in_two_shards(tmp_path):
    for shard in (1, 2):
        data.write_shard(tmp_path, shard, [("utt", np.zeros(3, np.int32))])
    with pytest.raises(ValueError, match="utt stands in an earlier shard too"):
        data.merge_shards(tmp_path, 2, ["utt"])


@pytest.mark.parametrize("entry", ["touch {0} |[0:3]", "touch {0} |:0[0:1]", "touch {0} |:0"])
def test_shell_commands_are_not_run_with_a_slice_either(tmp_path, entry):
    with pytest.raises(ValueError, match="shell command"):
        data.read_matrix(entry.format(tmp_path / "witness"))
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
        data.read_matrix(f"{tmp_path}/a.ark:2")
    assert not witness.exists()


@pytest.mark.parametrize(
    "content", [b" [ 1 2 ]\n", b"\0BCM ", b"RIFF", b"NPY", b"", b"\0B\3"], ids=repr
)
def test_only_binary_matrices_and_vectors_are_read(tmp_path, content):
    (tmp_path / "a.ark").write_bytes(content + bytes(40))
    with pytest.raises(ValueError, match="a.ark:0 cannot be read: no binary matrix"):
        data.read_matrix(f"{tmp_path}/a.ark:0")


@pytest.mark.parametrize("name", ["a:b", "a[0]", "a b"])
def test_arks_in_folders_with_any_name(tmp_path, name):
    vector = np.arange(5, dtype=np.float64)
    table = data.write_shard(tmp_path / name, 1, [("utt", vector)])
    np.testing.assert_array_equal(data.read_matrix(table["utt"]), vector)


@pytest.mark.parametrize("entry", ["some.ark", "some.ark:x", "some.ark:"])
def test_entries_need_an_offset(entry):
    with pytest.raises(ValueError, match=f"{entry} cannot be read"):
        data.read_matrix(entry)


@pytest.mark.parametrize("entry", ["touch {0} |", "| touch {0}"])
@pytest.mark.parametrize("read", [data.read_matrix, lambda entry: data.read_audio(entry, 16000)])
def test_shell_commands_in_tables_are_not_run(tmp_path, entry, read):
    witness = tmp_path / "witness"
    with pytest.raises(ValueError, match="shell command"):
        read(entry.format(witness))
    assert not witness.exists()
