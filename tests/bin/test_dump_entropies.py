"""dump_entropies: units get entropies, as the slow loop computes them."""

import numpy as np
import pytest
import reference
import tiny

from espnet_entropy.bin import dump_entropies
from espnet_entropy.data.dump import read_dump, read_units
from espnet_entropy.data.shards import shard_paths


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


def test_a_folder_that_is_no_codebook_is_refused(parts, tmp_path):
    with pytest.raises(SystemExit, match="error: .*lm/config.yaml describes no codebook, it lacks"):
        add(parts, tmp_path / "dump", codebook=parts.checkpoint.parent)


def test_whole_shards_are_left_alone(parts, capsys):
    before = shard_paths(parts.dump, 1)[0].stat().st_mtime_ns
    add(parts, parts.dump)
    assert "is complete" in capsys.readouterr().out
    assert shard_paths(parts.dump, 1)[0].stat().st_mtime_ns == before
