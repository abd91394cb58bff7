"""A disk that fills up, and folders that may not be written: nothing half is taken for whole."""

import os
import subprocess
import sys

import launching
import pytest
import tiny

from espnet_entropy.bin import dump_units, merge_shards
from espnet_entropy.dump import read_units
from espnet_entropy.shards import shard_paths

# Files of more than some bytes cannot be written: to a program the same as a full disk.
SMALL_DISK = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
from espnet_entropy.bin import dump_units
dump_units.main(sys.argv[2:])
"""


def words(parts, output):
    options = dict(wav_scp=parts.wav_scp, codebook=parts.codebook, output=output)
    return [text for name, value in options.items() for text in (f"--{name}", str(value))]


@pytest.mark.parametrize("size", [0, 100, 700])
def test_a_full_disk_in_the_middle_of_a_dump(parts, tmp_path, size):
    """At once, in the ark, and (a table is smaller than its ark) behind the first utterances."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL_DISK, str(size), *words(parts, tmp_path / "units")],
        capture_output=True,
        text=True,
        env=launching.environment(),
    )
    assert done.returncode == 1 and "error: " in done.stderr and "Traceback" not in done.stderr
    assert not shard_paths(tmp_path / "units", 1)[1].exists()
    assert not list(tmp_path.rglob("*.tmp"))
    # The same command with room is what an undisturbed one makes.
    for folder in ("units", "undisturbed"):
        dump_units.main(words(parts, tmp_path / folder))
        tiny.command(merge_shards, output=tmp_path / folder, expect=parts.wav_scp)
    ark, _ = shard_paths(tmp_path / "units", 1)
    other, _ = shard_paths(tmp_path / "undisturbed", 1)
    assert ark.read_bytes() == other.read_bytes()
    assert len(dict(read_units(tmp_path / "units/units.scp"))) == len(tiny.SECONDS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
def test_a_read_only_folder(parts, tmp_path):
    (tmp_path / "units").mkdir()
    (tmp_path / "units").chmod(0o500)
    with pytest.raises(SystemExit, match="error: .*units.*Permission denied"):
        dump_units.main(words(parts, tmp_path / "units"))


def test_a_file_where_a_folder_is_to_be(parts, tmp_path):
    (tmp_path / "units").write_text("a file")
    with pytest.raises(SystemExit, match="error: .*units"):
        dump_units.main(words(parts, tmp_path / "units"))
    assert (tmp_path / "units").read_text() == "a file"
