"""Shards cut off, or robbed of a file, after they were made: the same command again mends them."""

import shutil

import pytest
import tiny

from espnet_entropy.bin import dump, dump_entropies, dump_units, merge_shards
from espnet_entropy.data.shards import shard_paths

# Suffix of a file of the shard -> what becomes of its content; None: the file is lost.
DAMAGES = {
    "ark without its last byte": (".ark", lambda content: content[:-1]),
    "empty ark": (".ark", lambda content: b""),
    "no ark": (".ark", None),
    "no shapes": (".shape", None),
    "shapes of other data": (".shape", lambda content: b"utt-x 3\n"),
    "table cut off": (".scp", lambda content: content[:-3]),
    "empty table": (".scp", lambda content: b""),
}


def options(parts, module, output):
    if module is dump:
        return dict(wav_scp=parts.wav_scp, bundle=parts.bundle, output=output)
    if module is dump_units:
        return dict(wav_scp=parts.wav_scp, codebook=parts.codebook, output=output)
    units = parts.units / "units.scp"
    return dict(units_scp=units, codebook=parts.codebook, unit_lm=parts.checkpoint, output=output)


@pytest.mark.parametrize("module", [dump, dump_units, dump_entropies])
def test_a_damaged_shard_is_refused_and_made_again(parts, tmp_path, module, capsys):
    merge = dict(num_shards=2, expect=parts.wav_scp, data=parts.data)

    def run(folder):
        for shard in (1, 2):
            tiny.command(module, **options(parts, module, folder), num_shards=2, shard=shard)
        tiny.command(merge_shards, output=folder, **merge)

    run(tmp_path / "whole")
    expected = {path.name: path.read_bytes() for path in (tmp_path / "whole/shards").iterdir()}
    for name, (suffix, damage) in DAMAGES.items():
        folder = tmp_path / name.replace(" ", "_")
        shutil.copytree(tmp_path / "whole", folder)
        for scp in (folder / "shards").glob("*.scp"):
            scp.write_text(scp.read_text().replace(str(tmp_path / "whole"), str(folder)))
        before = {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}
        path = shard_paths(folder, 2)[0].with_suffix(suffix)
        path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
        with pytest.raises(SystemExit, match=r"error: .*(units\.2\.|utterances are missing)"):
            tiny.command(merge_shards, output=folder, **merge)
        capsys.readouterr()
        run(folder)
        told = capsys.readouterr().out
        assert "shard 1 of" in told and "is complete" in told
        assert f"shard 2 of {folder} is made again: " in told
        after = {path.name: path.read_bytes() for path in (folder / "shards").iterdir()}
        assert after == before and after.keys() == expected.keys()
