"""Kaldi's own slurm.pl in place of ours: a dump in shards on a real Slurm.

KALDI_SLURM_PL names the script (in a Kaldi tree: egs/wsj/s5/utils/parallel/slurm.pl).
"""

import os
import subprocess
from pathlib import Path

import pytest
import tiny
from launching import environment

TEMPLATE = Path(__file__).parents[2] / "egs2/TEMPLATE"
KALDI_SLURM_PL = os.environ.get("KALDI_SLURM_PL")
CONF = """command sbatch --export=ALL
option mem=* --mem-per-cpu $0
option num_threads=* --cpus-per-task $0
default gpu=0
option gpu=0
option gpu=* --gres=gpu:$0
"""
SCRIPT = """set -euo pipefail
cmd_backend=slurm nj=2 ngpu=0 num_shards=3 python=python OMP_NUM_THREADS=1
use_jobs() { :; }
. ./cmd.sh
. utils/jobs.sh
dump_sets "$1" dump_units "%set%/wav.scp" data --wav_scp "%set%/wav.scp" --codebook "$2"
"""
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not KALDI_SLURM_PL, reason="KALDI_SLURM_PL names no slurm.pl of Kaldi's"),
]


def dump(folder, parts, **variables):
    return subprocess.run(
        ["bash", "-c", SCRIPT, "x", "units", str(parts.codebook)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        env=environment() | variables,
    )


def test_a_dump_in_shards(cluster, parts, tmp_path):
    made = {}
    for name in ("ours", "kaldis"):
        folder = tmp_path / name
        tiny.make_data(folder / "data", tiny.SECONDS)
        (folder / "conf").mkdir()
        (folder / "conf/slurm.conf").write_text(CONF)
        (folder / "path.sh").touch()
        (folder / "cmd.sh").symlink_to(TEMPLATE / "units1/cmd.sh")
        (folder / "utils").symlink_to(TEMPLATE / "utils")
        other = dict(slurm_pl=KALDI_SLURM_PL) if name == "kaldis" else {}
        ran = dump(folder, parts, **cluster.environment, **other)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        arks = sorted((folder / "units/data/shards").glob("*.ark"))
        made[name] = [path.read_bytes() for path in arks]
        assert len(arks) == 3 and (folder / "units/data/units.scp").exists()
    assert made["ours"] == made["kaldis"]


def test_a_failure_is_one(cluster, parts, tmp_path):
    folder = tmp_path / "kaldis"
    tiny.make_data(folder / "data", tiny.SECONDS)
    (folder / "data/wav.scp").write_text("utt-a nothing.wav\n")
    (folder / "conf").mkdir()
    (folder / "conf/slurm.conf").write_text(CONF)
    (folder / "path.sh").touch()
    (folder / "cmd.sh").symlink_to(TEMPLATE / "units1/cmd.sh")
    (folder / "utils").symlink_to(TEMPLATE / "utils")
    ran = dump(folder, parts, **cluster.environment, slurm_pl=KALDI_SLURM_PL)
    assert ran.returncode != 0 and "failed" in ran.stderr
    log = (folder / "units/log/dump_units.1.log").read_text()
    assert "utt utt-a" in log or "nothing.wav" in log
    assert not (folder / "units/data/units.scp").exists()
