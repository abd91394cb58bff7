"""The mini recipe under a real Slurm of two nodes makes what it makes without; many minutes."""

import shutil
import subprocess

import pytest
from recipe_copies import ENVIRONMENT, copy_recipes, products

pytestmark = pytest.mark.long


def test_the_same_bytes_and_words_as_on_one_machine(cluster, tmp_path):
    alone, spread = copy_recipes(tmp_path / "alone"), copy_recipes(tmp_path / "spread")
    command = ["./demo.sh", "--reduced", "true"]
    assert subprocess.run(command, cwd=alone, env=ENVIRONMENT).returncode == 0
    shutil.copytree(alone / "units1/downloads", spread / "units1/downloads")
    slurm = ENVIRONMENT | cluster.environment | {"cmd_backend": "slurm"}
    assert subprocess.run(command, cwd=spread, env=slurm).returncode == 0
    assert list(spread.glob("asr1/exp/reduced/**/q/*.sh")), "nothing went through Slurm"
    for name in ("units1", "asr1"):
        assert products(spread / name) == products(alone / name)
