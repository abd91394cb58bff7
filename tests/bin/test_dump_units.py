"""dump_units: one shard of units; skipped when whole, named when broken."""

import numpy as np
import pytest
import tiny

from espnet_entropy.bin import dump_units, merge_shards
from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import read_table, write_table


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


def with_a_broken_one(parts, folder):
    """The five recordings and one that is none."""
    (folder / "broken.wav").write_bytes(b"RIFF no sound at all")
    write_table(
        folder / "wav.scp", read_table(parts.wav_scp) | {"utt-0": str(folder / "broken.wav")}
    )
    return folder / "wav.scp"


def dump_and_merge(parts, scp, output, **options):
    for shard in (1, 2):
        tiny.command(
            dump_units,
            wav_scp=scp,
            codebook=parts.codebook,
            output=output,
            num_shards=2,
            shard=shard,
            **options,
        )
    tiny.command(merge_shards, output=output, num_shards=2, expect=scp, **options)


def test_a_broken_recording_is_named_or_left_out_and_listed(parts, tmp_path, capsys):
    scp = with_a_broken_one(parts, tmp_path)
    with pytest.raises(SystemExit, match="error: utt utt-0: .*broken.wav cannot be decoded"):
        dump_and_merge(parts, scp, tmp_path / "strict")
    dump_and_merge(parts, scp, tmp_path / "units", max_failed_utts=1)
    captured = capsys.readouterr()
    assert "left out: utt utt-0: " in captured.err
    assert "5 utterances from 2 shards; 1 could not be read: " in captured.out
    failed = read_table(tmp_path / "units/failed_utts")
    assert list(failed) == ["utt-0"] and "broken.wav cannot be decoded" in failed["utt-0"]
    expected = {utt: units.tolist() for utt, units in read_units(parts.units / "units.scp")}
    found = {utt: units.tolist() for utt, units in read_units(tmp_path / "units/units.scp")}
    assert found == expected


def test_all_shards_together_may_fail_so_often(parts, tmp_path):
    """Each shard by itself stays within the limit."""
    table = {f"utt-{n}": str(tmp_path / "none.wav") for n in range(2)}
    write_table(tmp_path / "wav.scp", table | read_table(parts.wav_scp))
    message = r"2 utterances could not be dumped, but --max_failed_utts allows 1: utt-0: .*none.wav"
    with pytest.raises(SystemExit, match=message):
        dump_and_merge(parts, tmp_path / "wav.scp", tmp_path / "units", max_failed_utts=1)
    assert not (tmp_path / "units/units.scp").exists()


def test_a_folder_of_another_codebook_is_left_alone(parts, tmp_path):
    dump(parts, tmp_path)
    (tmp_path / "codebook_sha256").write_text(64 * "0" + "\n")
    with pytest.raises(SystemExit, match="holds units of another codebook"):
        dump(parts, tmp_path)
    assert (tmp_path / "codebook_sha256").read_text() == 64 * "0" + "\n"
