"""Dumps into a folder that has other dumps: stale shards are made again or refused."""

import shutil

import pytest
import soundfile
import tiny

from espnet_entropy.bin import dump, dump_acoustics, dump_entropies, dump_units, merge_shards
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.shards import (
    shard_paths,
)


@pytest.fixture
def data(parts, tmp_path):
    """A copy of the recordings."""
    shutil.copytree(parts.data, tmp_path / "data")
    return point_to(tmp_path / "data")


def point_to(folder):
    """Let a copied data folder's wav.scp name its own recordings."""
    table = {utt: str(folder / f"{utt}.wav") for utt in read_table(folder / "wav.scp")}
    write_table(folder / "wav.scp", table)
    return folder


def units_options(parts, data):
    return dict(wav_scp=data / "wav.scp", codebook=parts.codebook)


def ark(folder):
    return shard_paths(folder, 1)[0].read_bytes()


def test_another_recording_under_the_same_key(parts, data, tmp_path, capsys):
    given = units_options(parts, data)
    tiny.command(dump_units, **given, output=tmp_path / "set")
    # It has the same length as the former recording.
    soundfile.write(data / "utt-b.wav", tiny.wave(9, 0.7), tiny.SAMPLE_RATE, subtype="FLOAT")
    tiny.command(dump_units, **given, output=tmp_path / "set")
    assert "is made again: utt-b has changed since" in capsys.readouterr().out
    tiny.command(dump_units, **given, output=tmp_path / "fresh")
    assert ark(tmp_path / "set") == ark(tmp_path / "fresh")
    # The key may also name another file, or the table may have one more key.
    table = read_table(data / "wav.scp")
    write_table(data / "wav.scp", table | {"utt-a": table["utt-b"]})
    tiny.command(dump_units, **given, output=tmp_path / "set")
    assert "is made again: utt-a has changed since" in capsys.readouterr().out
    write_table(data / "wav.scp", table | {"utt-x": table["utt-a"]})
    tiny.command(dump_units, **given, output=tmp_path / "set")
    assert "is made again: it was made from other inputs (utt-x" in capsys.readouterr().out


def test_a_moved_data_folder_counts_as_the_same(parts, data, tmp_path, capsys):
    tiny.command(dump_units, **units_options(parts, data), output=tmp_path / "set")
    data.rename(tmp_path / "moved")
    given = units_options(parts, point_to(tmp_path / "moved"))
    tiny.command(dump_units, **given, output=tmp_path / "set")
    assert "is complete" in capsys.readouterr().out


def test_other_segments_or_another_channel_of_the_same_files(parts, data, tmp_path, capsys):
    given = units_options(parts, data) | dict(output=tmp_path / "set")
    for end, channel in ((0.5, {}), (0.6, {}), (0.6, dict(channel=1))):
        (data / "segments").write_text(f"one utt-a 0 {end}\ntwo utt-a 0.6 1.2\n")
        tiny.command(dump_units, **given, **channel)
        tiny.command(dump_units, **given, **channel)
        said = capsys.readouterr().out
        assert ("one has changed since" in said) == ((end, channel) != (0.5, {}))
        assert "is complete" in said


def test_a_recording_that_was_left_out_is_dumped_once_it_exists(parts, data, tmp_path):
    sound = (data / "utt-c.wav").read_bytes()
    (data / "utt-c.wav").unlink()
    given = units_options(parts, data) | dict(max_failed_utts=1, output=tmp_path / "set")
    tiny.command(dump_units, **given)
    assert "utt-c" not in read_table(shard_paths(tmp_path / "set", 1)[1])
    (data / "utt-c.wav").write_bytes(sound)
    tiny.command(dump_units, **given)
    assert "utt-c" in read_table(shard_paths(tmp_path / "set", 1)[1])
    assert not (tmp_path / "set/shards/failed.1").read_text()


def test_another_unit_lm_is_refused(parts, tmp_path):
    checkpoint = tiny.save_as_espnet(tiny.unit_lm(seed=1), tmp_path / "lm")
    bundle = tiny.another_bundle(parts, tmp_path / "bundle", "unit_lm")
    units = dict(units_scp=parts.units / "units.scp", codebook=parts.codebook)
    given = dict(wav_scp=parts.wav_scp, output=tmp_path / "set")
    tiny.command(dump, bundle=parts.bundle, **given)
    before = ark(tmp_path / "set")
    message = "holds entropies of another unit LM; choose another --output, or remove this one"
    with pytest.raises(SystemExit, match=message):
        tiny.command(dump, bundle=bundle, **given)
    with pytest.raises(SystemExit, match=message):
        tiny.command(dump_entropies, unit_lm=checkpoint, output=tmp_path / "set", **units)
    assert ark(tmp_path / "set") == before
    # Older versions did not write the hash of the unit LM.
    (tmp_path / "set/unit_lm_sha256").unlink()
    tiny.command(dump, bundle=bundle, **given)
    tiny.command(dump, bundle=bundle, wav_scp=parts.wav_scp, output=tmp_path / "fresh")
    assert ark(tmp_path / "set") == ark(tmp_path / "fresh") != before


def test_units_that_were_made_again_get_new_entropies(parts, data, tmp_path, capsys):
    given = units_options(parts, data) | dict(output=tmp_path / "units")
    add = dict(units_scp=tmp_path / "units/units.scp", codebook=parts.codebook)
    add |= dict(unit_lm=parts.checkpoint)
    for _ in range(2):
        tiny.command(dump_units, **given)
        tiny.command(merge_shards, output=tmp_path / "units", expect=data / "wav.scp")
        tiny.command(dump_entropies, **add, output=tmp_path / "raw")
        soundfile.write(data / "utt-b.wav", tiny.wave(9, 0.7), tiny.SAMPLE_RATE, subtype="FLOAT")
    assert f"shard 1 of {tmp_path}/raw is made again: utt-a has changed" in capsys.readouterr().out
    tiny.command(dump_entropies, **add, output=tmp_path / "fresh")
    assert ark(tmp_path / "raw") == ark(tmp_path / "fresh")


def test_a_merged_table_does_not_outlive_its_shards(parts, data, tmp_path):
    """Otherwise its offsets would point into the new ark."""
    given = dict(bundle=parts.bundle, wav_scp=data / "wav.scp", output=tmp_path / "set")
    tiny.command(dump, **given)
    tiny.command(merge_shards, output=tmp_path / "set", expect=data / "wav.scp", data=data)
    (tmp_path / "set/mine.scp").write_text("utt-a somewhere.ark:6\n")
    tiny.command(dump, **given)
    assert (tmp_path / "set/wav.scp").exists()
    soundfile.write(data / "utt-b.wav", tiny.wave(9, 0.5), tiny.SAMPLE_RATE, subtype="FLOAT")
    tiny.command(dump, **given)
    assert not (tmp_path / "set/wav.scp").exists()
    assert (tmp_path / "set/mine.scp").exists()


def test_shards_of_different_settings_are_not_merged(parts, tmp_path):
    given = dict(wav_scp=parts.wav_scp, what="mel", output=tmp_path, num_shards=2)
    tiny.command(dump_acoustics, **given, shard=1)
    tiny.command(dump_acoustics, **given, shard=2, mel_conf="{fmin: 50}")
    with pytest.raises(SystemExit, match="shards 1 and 2 were made with different settings; run"):
        tiny.command(merge_shards, output=tmp_path, num_shards=2, expect=parts.wav_scp, name="mel")
