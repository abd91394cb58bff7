"""kill -9 in the middle of every stage of the core_sounds recipes, then the same command again.

All that a run has started is killed at once, as when its machine goes down. What comes out in
the end must equal what an undisturbed run makes: the dumps' bytes, and the decoded words. Minutes.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import time
import uuid
from pathlib import Path

import pytest
from recipe_copies import ENVIRONMENT, copy_recipes, products

MARK = "ENTROPY_FAULT_RUN"
STAGE = re.compile(r"^stage (\d+): (.*)$")
pytestmark = pytest.mark.long


def start(script: Path) -> subprocess.Popen:
    environment = ENVIRONMENT | {MARK: uuid.uuid4().hex}
    return subprocess.Popen(
        [script, "--reduced", "true", "--nj", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def kill_all(process: subprocess.Popen) -> None:
    """All that carries the run's mark, until there is none."""
    mark = Path(f"/proc/{process.pid}/environ").read_bytes().split(f"{MARK}=".encode())[1][:32]
    while True:
        found = [
            number
            for number in map(int, filter(str.isdigit, os.listdir("/proc")))
            if number != os.getpid() and mark in environment_of(number)
        ]
        if not found:
            break
        for number in found:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.poll()


def environment_of(number: int) -> bytes:
    try:
        return Path(f"/proc/{number}/environ").read_bytes()
    except OSError:
        return b""


def run_with_kills(script: Path, after_sec: random.Random) -> list[str]:
    """Run again and again, each time until a stage that was not killed yet, and kill it there.

    Returns:
        The stages that were killed, in order.
    """
    killed: list[str] = []
    while True:
        process = start(script)
        for line in process.stdout:
            begun = STAGE.match(line.rstrip())
            # A stage's line of summary, or of what was done before, ends with its duration.
            if begun and not re.search(r" \d+ s$", line.rstrip()) and begun[0] not in killed:
                time.sleep(after_sec.uniform(0.2, 3.0))
                if process.poll() is None:
                    kill_all(process)
                    killed.append(begun[0])
                break
        else:
            assert process.wait() == 0, killed
            return killed
        process.stdout.close()
        process.wait()


def test_killed_in_every_stage_the_recipes_make_the_same(tmp_path):
    undisturbed, disturbed = copy_recipes(tmp_path / "a"), copy_recipes(tmp_path / "b")
    seconds = random.Random(0)
    for name in ("units1", "asr1"):
        assert (
            subprocess.run(
                [undisturbed / name / "run.sh", "--reduced", "true", "--nj", "2"],
                env=ENVIRONMENT,
            ).returncode
            == 0
        )
        downloads = undisturbed / "units1/downloads"
        if name == "units1" and downloads.exists():
            shutil.copytree(downloads, disturbed / "units1/downloads")
        killed = run_with_kills(disturbed / name / "run.sh", seconds)
        print(f"{name}: killed in {len(killed)} stages: {'; '.join(killed)}")
        assert len(killed) >= 6
        assert products(disturbed / name) == products(undisturbed / name)
