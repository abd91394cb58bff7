"""A disk that fills up, and folders that may not be written: nothing half is taken for whole."""

import os
import shutil
import subprocess
import sys

import launching
import pytest
import tiny

from espnet_entropy.bin import dump_entropies, dump_units, merge_shards
from espnet_entropy.data.dump import read_dump, read_units
from espnet_entropy.data.shards import shard_paths

# Files of more than some bytes cannot be written: to a program the same as a full disk.
SMALL_DISK = """
import importlib, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
importlib.import_module(sys.argv[2]).main(sys.argv[3:])
"""


def words(parts, output, module=dump_units):
    options = dict(wav_scp=parts.wav_scp, codebook=parts.codebook, output=output)
    if module is dump_entropies:
        options["units_scp"] = parts.units / "units.scp"
        options["unit_lm"] = parts.checkpoint
        del options["wav_scp"]
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


def execute(*command):
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=launching.environment()
    )


@pytest.mark.parametrize(
    "module, size", [(dump_units, 0), (dump_units, 700), (dump_entropies, 900)]
)
def test_a_full_disk_in_the_middle_of_a_dump(parts, tmp_path, module, size):
    """At once, in the ark, and (a table is smaller than its ark) behind the first utterances."""
    command = [sys.executable, "-c", SMALL_DISK, size, module.__name__]
    done = execute(*command, *words(parts, tmp_path / "set", module))
    assert done.returncode == 1 and "error: " in done.stderr and "Traceback" not in done.stderr
    assert not shard_paths(tmp_path / "set", 1)[1].exists()
    assert not list(tmp_path.rglob("*.tmp"))
    # The same command with room is what an undisturbed one makes.
    for folder in ("set", "undisturbed"):
        module.main(words(parts, tmp_path / folder, module))
        paths = dict(output=tmp_path / folder, expect=parts.wav_scp, data=parts.data)
        tiny.command(merge_shards, **paths)
    ark, _ = shard_paths(tmp_path / "set", 1)
    other, _ = shard_paths(tmp_path / "undisturbed", 1)
    assert ark.read_bytes() == other.read_bytes()
    if module is dump_units:
        found = list(read_units(tmp_path / "set/units.scp"))
    else:
        found = list(read_dump(tmp_path / "set"))
    assert len(found) == len(tiny.SECONDS)


def as_a_user() -> list[str]:
    """What makes a program of root's obey the rights of folders; nothing where we are not root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("root may write into any folder, and there is no setpriv to give that up")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--inh-caps={rights}", f"--bounding-set={rights}"]


def test_a_folder_that_becomes_read_only_between_shards(parts, tmp_path):
    """The first shard stays, the second is refused, and later made with the same bytes."""
    command = [*as_a_user(), sys.executable, "-m", "espnet_entropy.bin.dump_units"]

    def dump(folder, shard):
        return execute(*command, *words(parts, folder), "--num_shards", 2, "--shard", shard)

    assert dump(tmp_path / "set", 1).returncode == 0
    shards = tmp_path / "set/shards"
    first = {path.name: path.read_bytes() for path in shards.iterdir()}
    shards.chmod(0o500)
    try:
        refused = dump(tmp_path / "set", 2)
    finally:
        shards.chmod(0o700)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "Permission denied" in last and "shards" in last
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == first
    assert dump(tmp_path / "set", 2).returncode == 0
    for shard in (1, 2):
        ark, _ = shard_paths(tmp_path / "set", shard)
        other, _ = shard_paths(parts.units, shard)
        assert ark.read_bytes() == other.read_bytes()


def test_a_file_where_a_folder_is_to_be(parts, tmp_path):
    (tmp_path / "units").write_text("a file")
    with pytest.raises(SystemExit, match="error: .*units"):
        dump_units.main(words(parts, tmp_path / "units"))
    assert (tmp_path / "units").read_text() == "a file"
