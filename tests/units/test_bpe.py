"""BPE on units: pieces cover the units, frequent neighbours merge, and dumps carry the result."""

import numpy as np
import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from padded import load_padded_dump

from espnet_entropy.bin import bundle, dump, segment_bpe
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import read_dump, read_units
from espnet_entropy.data.kaldi import file_hash, read_table, write_bytes
from espnet_entropy.data.shards import read_codebook_hash, read_unit_lm_hash
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.units.bpe import UnitBpe, learn_bpe

# 3 4 5 is one word, 1 2 another; 0 stands between them, and 6 never occurs.
UTTERANCES = [np.array(line) for line in 20 * ([3, 4, 5, 0, 1, 2], [1, 2, 0, 3, 4, 5], [0, 1, 2])]


@pytest.fixture(scope="module")
def bpe(tmp_path_factory):
    path = tmp_path_factory.mktemp("bpe") / "units.model"
    write_bytes(path, learn_bpe(UTTERANCES, num_units=7, vocab_size=11))
    return UnitBpe(path)


def starts(bpe, units):
    return np.flatnonzero(bpe.boundaries(np.array(units))).tolist()


def test_frequent_neighbours_are_a_piece(bpe):
    assert starts(bpe, [3, 4, 5, 1, 2, 1, 2]) == [0, 3, 5]
    assert starts(bpe, [5, 4, 3]) == [0, 1, 2]
    assert starts(bpe, [6, 6, 6, 6]) == [0, 1, 2, 3]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40))
def test_pieces_are_made_of_known_ones(bpe, units):
    """What sentencepiece says of the text, counted by hand."""
    text = "".join(chr(0xF0000 + unit) for unit in units)
    pieces = bpe.processor.encode(text, out_type=str)
    assert "".join(pieces) == text
    places = np.cumsum([0, *(len(piece) for piece in pieces)])
    assert starts(bpe, units) == places[:-1].tolist()


def test_pieces_of_deduplicated_units_span_their_runs(bpe, tmp_path):
    path = tmp_path / "units.model"
    path.write_bytes(bpe.processor.serialized_model_proto())
    runs = UnitBpe(path, deduplicate=True)
    assert starts(runs, [3, 3, 4, 5, 5, 5, 0, 0, 1, 2, 2]) == [0, 6]
    assert starts(runs, [6, 6, 6, 6]) == [0]
    assert starts(bpe, [3, 3, 4, 5, 5, 5]) == [0, 1, 4, 5]


@pytest.mark.parametrize(
    "utterances, num_units, vocab_size, message",
    [
        ([], 7, 10, "no BPE of 10 pieces over 7 units"),
        (UTTERANCES, 7, 5000, "no BPE of 5000 pieces"),
        (UTTERANCES, 7, 7, "vocab_size 7 must exceed the 7 single units"),
        (UTTERANCES, 70_000, 80_000, "70000 units; BPE on units takes 1 to 65534"),
    ],
)
def test_what_cannot_be_learnt(utterances, num_units, vocab_size, message):
    with pytest.raises(ValueError, match=message):
        learn_bpe(utterances, num_units, vocab_size)


def test_an_error_of_reading_comes_through():
    def broken():
        yield from [np.arange(10)] * 100
        raise ValueError("utt x cannot be read")

    with pytest.raises(ValueError, match="utt x cannot be read"):
        learn_bpe(broken(), num_units=10, vocab_size=12)


def test_units_of_others_are_named(bpe):
    with pytest.raises(ValueError, match="unit 9 is not in this BPE model"):
        bpe.boundaries(np.array([3, 4, 9]))


def test_the_stored_segmenter_takes_what_is_stored_and_nothing_else():
    units = torch.zeros(2, 4, dtype=torch.int64)
    stored = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 9.0, 9.0]])
    lengths = torch.tensor([4, 2])
    config = SegmenterConfig("stored")
    found = find_boundaries(units, stored, lengths, config)
    assert found.tolist() == [[True, False, True, False], [True, True, False, False]]
    with pytest.raises(ValueError, match="segmenter 'stored' reads 0 and 1"):
        find_boundaries(units, stored + 0.5, lengths, config)


def test_a_dump_with_pieces(parts, tmp_path, capsys):
    learn = dict(units_scp=parts.units / "units.scp", num_units=tiny.NUM_UNITS, vocab_size=30)
    tiny.command(segment_bpe, "learn", **learn, output=tmp_path / "units.model")
    apply = dict(bpe_model=tmp_path / "units.model", dump=parts.dump)
    tiny.command(segment_bpe, "apply", output=tmp_path / "bpe", **apply)
    assert "Hz" in capsys.readouterr().out
    for name in ("text", "utt2spk", "utt2num_samples", "feats_type", "audio_format"):
        assert (tmp_path / "bpe" / name).read_bytes() == (parts.dump / name).read_bytes()
    bpe = UnitBpe(tmp_path / "units.model")
    expected = dict(read_units(parts.units / "units.scp"))
    for utt, units, stored in read_dump(tmp_path / "bpe"):
        assert units.tolist() == expected[utt].tolist()
        assert (stored == 1).tolist() == bpe.boundaries(units).tolist()
    found = find_boundaries(*load_padded_dump(tmp_path / "bpe"), SegmenterConfig("stored"))
    assert 5 < found.sum() < sum(map(len, expected.values()))
    with pytest.raises(SystemExit, match="is the dump itself"):
        tiny.command(segment_bpe, "apply", output=parts.dump, **apply)
    apply["bpe_model"] = parts.dump / "wav.scp"
    with pytest.raises(SystemExit, match="wav.scp is no BPE model"):
        tiny.command(segment_bpe, "apply", output=tmp_path / "other", **apply)
    assert read_table(parts.dump / "wav.scp")


def test_bpe_boundaries_are_not_used_as_entropies(parts, tmp_path):
    dumped = dict(wav_scp=parts.wav_scp, bundle=parts.bundle, output=tmp_path / "set")
    tiny.command(dump, **dumped)
    (tmp_path / "units.model").write_bytes(
        learn_bpe((units for _, units in read_units(parts.units / "units.scp")), tiny.NUM_UNITS, 30)
    )
    apply = dict(bpe_model=tmp_path / "units.model", dump=parts.dump)
    tiny.command(segment_bpe, "apply", output=tmp_path / "set", **apply)
    assert read_codebook_hash(tmp_path / "set") == read_codebook_hash(parts.dump)
    assert read_unit_lm_hash(tmp_path / "set") == file_hash(tmp_path / "units.model")
    # Neither for thresholds, nor for models that read entropies, nor by the dump itself.
    with pytest.raises(SystemExit, match="set was made with the unit LM .*but .*bundle has"):
        recalibrated = dict(bundle=parts.bundle, output=tmp_path / "bundle")
        tiny.command(bundle, "calibrate", dump=tmp_path / "set", **recalibrated)
    Bundle.open(parts.bundle).check_dump(tmp_path / "set", needs_unit_lm=False)
    with pytest.raises(SystemExit, match="set holds entropies of another unit LM; choose another"):
        tiny.command(dump, **dumped)
    tiny.command(segment_bpe, "apply", output=tmp_path / "set", **apply)
