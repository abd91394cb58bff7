"""dump_units: one shard of units; skipped when whole, named when broken."""

import numpy as np
import pytest
import tiny

from espnet_entropy.bin import dump_units, merge_shards
from espnet_entropy.data import read_table, write_table
from espnet_entropy.dump import read_units, shard_paths


def dump(parts, output, num_shards=1, shard=1, wav_scp=None):
    tiny.command(
        dump_units,
        wav_scp=wav_scp or parts.wav_scp,
        codebook=parts.codebook,
        output=output,
        num_shards=num_shards,
        shard=shard,
    )


@pytest.mark.parametrize("order", [(1,), (2, 1), (3, 1, 2, 4, 5, 6)], ids=["1", "2", "6"])
def test_units_do_not_depend_on_shards(parts, tmp_path, order):
    """Six shards are more than there are utterances."""
    for shard in order:
        dump(parts, tmp_path, len(order), shard)
    tiny.command(merge_shards, output=tmp_path, num_shards=len(order), expect=parts.wav_scp)
    expected = dict(read_units(parts.units / "units.scp"))
    found = dict(read_units(tmp_path / "units.scp"))
    assert list(found) == list(expected) == sorted(tiny.SECONDS)
    for utt, units in found.items():
        assert units.dtype == np.int32
        np.testing.assert_array_equal(units, expected[utt])
        assert len(units) == round(tiny.SECONDS[utt] * 50)
    shapes = (tmp_path / "text_shape").read_bytes()
    assert shapes == (parts.units / "text_shape").read_bytes()


def test_whole_shards_are_left_alone(parts, tmp_path, capsys):
    dump(parts, tmp_path)
    assert "shard 1: 5 utterances" in capsys.readouterr().out
    before = [path.stat().st_mtime_ns for path in shard_paths(tmp_path, 1)]
    dump(parts, tmp_path)
    assert "there already" in capsys.readouterr().out
    assert before == [path.stat().st_mtime_ns for path in shard_paths(tmp_path, 1)]


def test_broken_recordings_are_named(parts, tmp_path):
    recordings = read_table(parts.wav_scp) | {"utt-b": str(tmp_path / "none.wav")}
    write_table(tmp_path / "wav.scp", recordings)
    with pytest.raises(SystemExit, match="error: utt utt-b: .*none.wav cannot be decoded"):
        dump(parts, tmp_path / "dump", wav_scp=tmp_path / "wav.scp")
    assert not any(path.exists() for path in shard_paths(tmp_path / "dump", 1))
