"""dump: one pass from sound gives the bytes of the two passes over units."""

import re
import shutil

import pytest
import tiny

from espnet_entropy.bin import dump, dump_entropies, dump_units, merge_shards
from espnet_entropy.data.shards import shard_paths


def test_one_pass_equals_two(parts, tmp_path):
    tiny.command(dump, wav_scp=parts.wav_scp, bundle=parts.bundle, output=tmp_path)
    ark, _ = shard_paths(tmp_path, 1)
    expected, _ = shard_paths(parts.dump, 1)
    assert ark.read_bytes() == expected.read_bytes()

    tiny.command(merge_shards, output=tmp_path, expect=parts.wav_scp, data=parts.data)
    for path in parts.dump.iterdir():
        if path.is_file():
            content = path.read_text().replace(str(parts.dump), str(tmp_path))
            assert (tmp_path / path.name).read_text() == content, path.name


@pytest.fixture
def reuse(parts, tmp_path, capsys):
    """Dump `data` with --reuse of an earlier dump: (ark, how many utterances were copied)."""
    before = tmp_path / "dump"
    # Units and entropies made here, since a record holds the times of the ark of the units.
    tiny.command(
        dump_units, wav_scp=parts.wav_scp, codebook=parts.codebook, output=before / "units/all"
    )
    tiny.command(merge_shards, output=before / "units/all", expect=parts.wav_scp)
    tiny.command(
        dump_entropies,
        units_scp=before / "units/all/units.scp",
        codebook=parts.codebook,
        unit_lm=parts.checkpoint,
        output=before / "raw/all",
    )

    def reuse(name="all", bundle=parts.bundle, wav_scp=parts.wav_scp):
        capsys.readouterr()
        output = tmp_path / "new" / name
        shutil.rmtree(output, ignore_errors=True)
        tiny.command(dump, wav_scp=wav_scp, bundle=bundle, output=output, reuse=before)
        found = re.search(r"(\d+) utterances copied", capsys.readouterr().out)
        return shard_paths(output, 1)[0].read_bytes(), int(found[1]) if found else 0

    return reuse


def test_an_earlier_dump_of_the_same_recordings_is_copied(parts, reuse):
    expected = shard_paths(parts.dump, 1)[0].read_bytes()
    assert reuse() == (expected, 5)
    assert reuse("all_sp") == (expected, 5)
    assert reuse("other") == (expected, 0)


def test_an_earlier_dump_of_other_models_or_recordings_is_not_copied(parts, reuse, tmp_path):
    for part in ("codebook", "unit_lm"):
        assert reuse(bundle=tiny.another_bundle(parts, tmp_path / part, part))[1] == 0

    # A copy of the recordings elsewhere has their content; one of them is replaced.
    data = shutil.copytree(parts.data, tmp_path / "moved")
    table = (data / "wav.scp").read_text().replace(str(parts.data), str(data))
    (data / "wav.scp").write_text(table)
    assert reuse(wav_scp=data / "wav.scp")[1] == 5
    content, _ = reuse(wav_scp=data / "wav.scp")
    tiny.soundfile.write(data / "utt-b.wav", tiny.wave(77, 0.7), 16000, subtype="FLOAT")
    changed, copied = reuse(wav_scp=data / "wav.scp")
    assert copied == 4 and changed != content


def test_entropies_of_units_that_have_changed_are_not_copied(reuse, tmp_path):
    ark, _ = shard_paths(tmp_path / "dump/units/all", 1)
    ark.write_bytes(ark.read_bytes())
    assert reuse()[1] == 0
