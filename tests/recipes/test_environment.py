"""path.sh and cmd.sh: the interpreter, threads and commands of the recipes' scripts."""

import os
import subprocess
import sys

import pytest
from test_scripts import UTILS, bash

PATH_SH = UTILS.parent / "units1" / "path.sh"


def test_threads_are_shared_among_jobs_unless_set(tmp_path):
    script = (
        f'. {PATH_SH}; use_jobs 100; echo "$OMP_NUM_THREADS"; use_jobs 1; echo "$OMP_NUM_THREADS"'
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    path = tmp_path / "script.sh"
    path.write_text(f"set -euo pipefail\n{script}\n")
    free = subprocess.run(["bash", str(path)], capture_output=True, text=True, env=environment)
    # After many jobs one job has all cores again: nproc must not read the threads set before.
    assert free.stdout == f"1\n{len(os.sched_getaffinity(0))}\n", free.stderr
    asked = bash(script, folder=tmp_path, OMP_NUM_THREADS="3")
    assert asked.stdout == "3\n3\n"


@pytest.mark.parametrize(
    "given, policy", [({}, "passive"), ({"OMP_WAIT_POLICY": "active"}, "active")]
)
def test_waiting_threads_sleep_unless_set(tmp_path, monkeypatch, given, policy):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    result = bash(f'. {PATH_SH}; echo "$OMP_WAIT_POLICY"', folder=tmp_path, **given)
    assert result.stdout == f"{policy}\n"


def test_interpreter_without_espnet_is_refused(tmp_path):
    fake = tmp_path / "python"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    result = bash(f". {PATH_SH}", folder=tmp_path, ENTROPY_PYTHON=str(fake))
    assert result.returncode == 1 and "has no ESPnet" in result.stderr


def test_chosen_interpreter_is_the_one_that_runs(tmp_path):
    (tmp_path / "bin").mkdir()
    for name, line in (
        ("python", "exit 1"),
        ("python3.x", f'export CHOSEN=yes; exec "{sys.executable}" "$@"'),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    # Also in what other programs start, and by a name that is looked up on PATH.
    script = f". {PATH_SH}; env python -c 'import os; print(os.environ[\"CHOSEN\"])'"
    for given in ("bin/python3.x", "python3.x"):
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        result = bash(script, folder=tmp_path, ENTROPY_PYTHON=given, PATH=path)
        assert result.stdout == "yes\n", result.stderr
    result = bash(script, folder=tmp_path, ENTROPY_PYTHON="no-such-python")
    assert result.returncode == 1 and "no interpreter" in result.stderr


def test_unknown_backend_is_refused(tmp_path):
    cmd_sh = UTILS.parent / "units1" / "cmd.sh"
    result = bash(f". {cmd_sh}", folder=tmp_path, cmd_backend="cloud")
    assert result.returncode == 1 and "local or slurm" in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    "given, trains_with",
    [
        ({}, "utils/slurm.pl --requeue true --follow true"),
        (dict(slurm_pl="/kaldi/slurm.pl"), "/kaldi/slurm.pl"),
    ],
)
def test_slurm_is_a_backend_and_kaldis_dispatcher_stands_in(tmp_path, given, trains_with):
    script = f". {UTILS.parent}/units1/cmd.sh; echo ${{cuda_cmd}}; echo ${{train_cmd}}"
    result = bash(script, folder=tmp_path, cmd_backend="slurm", **given)
    assert result.stdout.splitlines() == [trains_with, trains_with.split()[0]], result.stderr


@pytest.mark.parametrize("script", ["demo.sh", "units1/run.sh", "asr1/run.sh"])
def test_recipes_start_from_any_folder(tmp_path, script):
    relative = os.path.relpath(UTILS.parents[1] / "core_sounds" / script, tmp_path)
    result = subprocess.run(
        ["bash", relative, "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0 and "--" in result.stdout, result.stderr
