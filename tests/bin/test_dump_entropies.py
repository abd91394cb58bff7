"""dump_entropies: units get entropies, as the slow loop computes them."""

import importlib
import shutil

import numpy as np
import pytest
import reference
import tiny

from espnet_entropy.bin import dump_entropies
from espnet_entropy.data.dump import read_dump, read_units
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.shards import CODEBOOK_HASH, shard_paths, write_shard


def add(parts, output, **options):
    paths = dict(
        units_scp=parts.units / "units.scp", codebook=parts.codebook, unit_lm=parts.checkpoint
    )
    tiny.command(dump_entropies, **(paths | options), output=output)


def test_entropies_are_those_of_the_loop(parts):
    units = dict(read_units(parts.units / "units.scp"))
    for utt, dumped, entropies in read_dump(parts.dump):
        np.testing.assert_array_equal(dumped, units[utt])
        expected = reference.predictive_entropies(parts.lm, dumped.tolist())
        np.testing.assert_allclose(entropies, expected, atol=1e-4)


def test_other_parts_are_refused(parts, tmp_path):
    other = tiny.save_as_espnet(tiny.unit_lm(9), tmp_path / "lm")
    with pytest.raises(SystemExit, match="knows 9 units, .* has 12"):
        add(parts, tmp_path / "dump", unit_lm=other)


def test_units_of_another_codebook_are_refused(parts, tmp_path):
    """Such as after a codebook was learned again in place."""
    units = shutil.copytree(parts.units, tmp_path / "units")
    table = read_table(units / "units.scp")
    own = {utt: entry.replace(str(parts.units), str(units)) for utt, entry in table.items()}
    write_table(units / "units.scp", own)
    (units / CODEBOOK_HASH).write_text(64 * "0" + "\n")
    with pytest.raises(SystemExit, match="units.scp was made with the codebook 0{12}, but .* has"):
        add(parts, tmp_path / "dump", units_scp=units / "units.scp")
    assert not (tmp_path / "dump").exists()
    # Older units do not say.
    (units / CODEBOOK_HASH).unlink()
    add(parts, tmp_path / "dump", units_scp=units / "units.scp")


def test_a_folder_that_is_no_codebook_is_refused(parts, tmp_path):
    with pytest.raises(SystemExit, match="error: .*lm/config.yaml describes no codebook, it lacks"):
        add(parts, tmp_path / "dump", codebook=parts.checkpoint.parent)


@pytest.mark.parametrize("name", ["dump", "dump_units", "dump_entropies"])
def test_devices_that_are_not_there_are_named(parts, tmp_path, name):
    paths = dict(wav_scp=parts.wav_scp, bundle=parts.bundle)
    if name == "dump_units":
        paths = dict(wav_scp=parts.wav_scp, codebook=parts.codebook)
    if name == "dump_entropies":
        paths = dict(
            units_scp=parts.units / "units.scp", codebook=parts.codebook, unit_lm=parts.checkpoint
        )
    module = importlib.import_module(f"espnet_entropy.bin.{name}")
    with pytest.raises(SystemExit, match="error: device 'foo' cannot be used"):
        tiny.command(module, **paths, device="foo", output=tmp_path)


def test_units_out_of_range_are_named(parts, tmp_path):
    write_shard(tmp_path, 1, [("utt-x", np.array([1, 12], dtype=np.int32))])
    _, scp = shard_paths(tmp_path, 1)
    with pytest.raises(SystemExit, match="error: utt utt-x: unit ids lie in .*12"):
        add(parts, tmp_path / "dump", units_scp=scp)
    assert not any(path.exists() for path in shard_paths(tmp_path / "dump", 1))


def test_whole_shards_are_left_alone(parts, capsys):
    before = shard_paths(parts.dump, 1)[0].stat().st_mtime_ns
    add(parts, parts.dump)
    assert "is complete" in capsys.readouterr().out
    assert shard_paths(parts.dump, 1)[0].stat().st_mtime_ns == before
