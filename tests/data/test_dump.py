"""The dump: what is written comes back, and what is broken is named."""

import itertools

import kaldiio
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from espnet_entropy.data import dump, kaldi
from espnet_entropy.data.shard_rows import read_rows, read_sizes, shard_keys, write_rows
from espnet_entropy.data.shards import (
    merge_shards,
    shard_paths,
    write_shard,
)


class Interrupted(Exception):
    """Stands for whatever stops a writer."""


def write_dump(folder, **matrices):
    kaldiio.save_ark(str(folder / "some.ark"), matrices, scp=str(folder / "some.scp"))
    kaldi.write_table(folder / "wav.scp", kaldi.read_table(folder / "some.scp"))


def test_dumps_are_read(tmp_path):
    a = np.array([[3, 0.5], [499, 1.25], [0, 0]], dtype=np.float32)
    write_dump(tmp_path, b=a[:1], a=a)
    read = {utt: (units, entropies) for utt, units, entropies in dump.read_dump(tmp_path)}
    assert list(read) == ["a", "b"]
    assert read["a"][0].tolist() == [3, 499, 0] and read["a"][0].dtype == np.int64
    assert read["a"][1].tolist() == [0.5, 1.25, 0] and read["a"][1].dtype == np.float32


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
        list(dump.read_dump(tmp_path))


def test_empty_dump_is_refused(tmp_path):
    (tmp_path / "wav.scp").write_text("")
    with pytest.raises(ValueError, match="is empty"):
        list(dump.padded_batches(tmp_path))


LENGTHS = [3, 50, 1, 4, 4, 2, 30]


@pytest.mark.parametrize("max_frames", [1, 8, 12, 10**6])
def test_batches_of_similar_length(tmp_path, max_frames):
    matrices = {f"u{n}": np.full((t, 2), t, np.float32) for n, t in enumerate(LENGTHS)}
    write_dump(tmp_path, **matrices)
    batches = list(dump.padded_batches(tmp_path, max_frames=max_frames))
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
    ((utts, *_),) = dump.padded_batches(tmp_path, ["u2", "u0"])
    assert utts == ["u2", "u0"]
    with pytest.raises(ValueError, match="has no utterance u9"):
        list(dump.padded_batches(tmp_path, ["u2", "u9"]))


# Shards

sizes = st.dictionaries(st.text("abc-_9é語Z", min_size=1, max_size=5), st.floats(0.1, 100))


@given(sizes, st.booleans(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_shards_are_an_even_partition(sizes, by_size, num_shards, random):
    def shards_of(utts):
        numbers = range(1, num_shards + 1)
        return [shard_keys(utts, n, num_shards, sizes if by_size else None) for n in numbers]

    shards = shards_of(sizes)
    assert sorted(itertools.chain(*shards)) == sorted(sizes)
    shuffled = list(sizes)
    random.shuffle(shuffled)
    assert shards == shards_of(shuffled)
    loads = [sum(sizes[key] if by_size else 1 for key in shard) for shard in shards]
    # The last one that was added to the fullest went where least was.
    most = max(sizes.values(), default=0) if by_size else 1
    assert max(loads) - min(loads) <= most + 1e-6
    for wrong in (0, num_shards + 1):
        with pytest.raises(ValueError, match=f"shard {wrong} is not between 1 and {num_shards}"):
            shard_keys(sizes, wrong, num_shards)


ARRAYS = {
    f"utt{n}-é": np.stack([np.arange(n + 1), np.full(n + 1, 0.5)], 1).astype(np.float32)
    for n in range(7)
}


def write_shards(folder, order, num_shards=3, arrays=ARRAYS):
    for shard in order:
        utts = shard_keys(arrays, shard, num_shards)
        write_shard(folder, shard, ((utt, arrays[utt]) for utt in utts))


def test_an_error_while_redoing_a_shard_leaves_it_unfinished(tmp_path):
    """The old ark must not pass for the result of the new attempt."""

    def interrupted():
        yield from itertools.islice(ARRAYS.items(), 2)
        raise Interrupted

    write_shard(tmp_path, 1, ARRAYS.items())
    ark, scp = shard_paths(tmp_path, 1)
    before = ark.read_bytes()
    with pytest.raises(Interrupted):
        write_shard(tmp_path, 1, interrupted())
    assert not scp.exists()
    assert ark.read_bytes() == before
    places = {utt: entry.where for utt, entry in write_shard(tmp_path, 1, ARRAYS.items()).items()}
    assert places == kaldi.read_table(scp)


def test_merging_names_what_is_wrong(tmp_path):
    write_shards(tmp_path, (1, 3))
    with pytest.raises(ValueError, match=r"units\.2\.scp is missing; run the stage"):
        merge_shards(tmp_path, 3, ARRAYS)
    write_shards(tmp_path, (2,))
    with pytest.raises(ValueError, match=r"1 utterances are missing \(new\) and 0 are not"):
        merge_shards(tmp_path, 3, [*ARRAYS, "new"])
    with pytest.raises(ValueError, match=r"0 utterances are missing \(\) and 1 are not .*\(utt0-é"):
        merge_shards(tmp_path, 3, list(ARRAYS)[1:])
    write_shard(tmp_path, 2, [("utt0-é", np.zeros(3, np.int32))])
    with pytest.raises(ValueError, match="utt0-é is in an earlier shard too"):
        merge_shards(tmp_path, 3, ARRAYS)
    write_shard(tmp_path / "eval", 1, [])
    with pytest.raises(ValueError, match="eval has no utterances"):
        merge_shards(tmp_path / "eval", 1, [])


# ESPnet's folders


def data_folder(folder, utts, **tables):
    for name, value in {"text": "A b", "utt2spk": None, **tables}.items():
        kaldi.write_table(folder / name, {u: value or f"spk{n % 2}" for n, u in enumerate(utts)})
    return folder


def test_espnet_layout(tmp_path):
    table = write_shard(tmp_path / "raw", 1, ARRAYS.items())
    # More utterances in the data than in the dump are no error: a dump may be a subset.
    source = data_folder(tmp_path / "data", [*ARRAYS, "zzz"], **{"text.tc": "A, b."})
    dump.write_espnet_layout(tmp_path / "raw", table, source)
    frames = kaldi.read_table(tmp_path / "raw/utt2num_samples")
    assert frames == {utt: str(len(a)) for utt, a in ARRAYS.items()}

    raw = tmp_path / "raw"
    for name in ("wav.scp", "text", "text.tc", "utt2spk", "utt2num_samples"):
        assert list(kaldi.read_table(raw / name)) == sorted(ARRAYS), name
    assert (raw / "feats_type").read_text() == "raw\n"
    assert "ark" in (raw / "audio_format").read_text()
    speakers = kaldi.read_table(raw / "spk2utt")
    assert list(speakers) == ["spk0", "spk1"]
    assert speakers["spk1"].split() == ["utt1-é", "utt3-é", "utt5-é"]
    assert kaldi.read_table(raw / "utt2num_samples")["utt4-é"] == "5"
    assert set(kaldi.read_table(raw / "text.tc").values()) == {"A, b."}


def test_words_of_a_dump_are_divided_by_single_blanks(tmp_path):
    """ESPnet would take a no-break space, which French texts have, for an unknown token."""
    table = write_shard(tmp_path / "raw", 1, ARRAYS.items())
    odd = dict.fromkeys(("text", "text.tc"), "Où\u00a0?\tici  là")
    dump.write_espnet_layout(tmp_path / "raw", table, data_folder(tmp_path / "d", ARRAYS, **odd))
    for name in odd:
        assert set(kaldi.read_table(tmp_path / "raw" / name).values()) == {"Où ? ici là"}


@pytest.mark.parametrize("sizes", [None, {"a": 1, "b": 5, "c": 2, "d": 2, "e": 1}])
@pytest.mark.parametrize("num_shards", [1, 2, 3, 7])
def test_rows_cut_at_once_are_those_a_job_would_choose(tmp_path, sizes, num_shards):
    kaldi.write_table(tmp_path / "wav.scp", {key: f"{key}.wav" for key in "edcba"})
    if sizes:
        kaldi.write_table(tmp_path / "utt2dur", {key: str(size) for key, size in sizes.items()})

    def rows():
        numbers = range(1, num_shards + 1)
        return [read_rows(tmp_path / "set", tmp_path / "wav.scp", n, num_shards) for n in numbers]

    chosen = rows()
    assert write_rows(tmp_path / "set", tmp_path / "wav.scp", num_shards) == 5
    assert rows() == chosen
    assert all(list(part) == sorted(part) for part in chosen)
    assert {k: v for part in chosen for k, v in part.items()} == {k: f"{k}.wav" for k in "abcde"}
    # The jobs read the rows of their shard, not the table, unless that has changed since.
    kaldi.write_table(tmp_path / "set/shards/rows.1", {"cut": "x"})
    assert rows()[0] == {"cut": "x"}
    assert len(read_rows(tmp_path / "set", tmp_path / "wav.scp", 1, num_shards + 1)) < 5
    kaldi.write_table(tmp_path / "wav.scp", {key: f"{key}.flac" for key in "edcba"})
    assert {k: v for part in rows() for k, v in part.items()} == {k: f"{k}.flac" for k in "abcde"}
    kaldi.write_table(tmp_path / "d.scp", {"d": "d.wav"})
    assert read_rows(tmp_path / "set", tmp_path / "d.scp", 1, num_shards) == {"d": "d.wav"}


@pytest.mark.parametrize("name", ["utt2dur", "utt2num_samples", "text_shape"])
def test_sizes_stand_beside_the_table(tmp_path, name):
    kaldi.write_table(tmp_path / "wav.scp", {"a": "a.wav", "b": "b.wav"})
    assert read_sizes(tmp_path / "wav.scp") is None
    kaldi.write_table(tmp_path / name, {"a": "3", "b": "4.5", "c": "1"})
    assert read_sizes(tmp_path / "wav.scp") == {"a": 3, "b": 4.5}
    kaldi.write_table(tmp_path / "segments", {"c": "a 0 1"})
    assert read_sizes(tmp_path / "wav.scp") == {"c": 1}
    (tmp_path / "segments").unlink()
    for broken in ({"a": "3"}, {"a": "3", "b": "long"}):
        kaldi.write_table(tmp_path / name, broken)
        with pytest.raises(ValueError, match=f"{name} does not fit .*wav.scp"):
            read_sizes(tmp_path / "wav.scp")
