"""run_quality.sh: which commands it runs, in which order, on what."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EGS2 = Path(__file__).parents[2] / "egs2"


@pytest.fixture
def run(tmp_path):
    """Run the script with a Python that writes its arguments down, and fails for some."""

    def run(*options, failing="nothing", recipe="core_sounds"):
        log, python = tmp_path / "log", tmp_path / "python.sh"
        python.write_text(
            f'#!/bin/sh\necho "$@" >>{log}\ncase "$*" in *{failing}*) exit 3;; esac\n'
        )
        python.chmod(0o755)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [
                "bash",
                EGS2 / recipe / "units1/run_quality.sh",
                "--python",
                python,
                "--output",
                tmp_path / "out",
                *options,
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": path},
        )
        lines = log.read_text().splitlines() if log.exists() else []
        return done, [line.replace("-m espnet_entropy.bin.", "") for line in lines]

    return run


def test_commands(run, tmp_path):
    done, lines = run("--sets", "dev test", "--second_sets", "test", "--nj", "1")
    assert done.returncode == 0, done.stderr
    names = [line.split()[0] for line in lines]
    score = ["unit_quality", "boundary_scores"]
    assert names == ["force_align", *score, "force_align", "force_align", *score]
    assert "--whisper" not in lines[0] and "--data data/dev " in lines[0]
    assert "--whisper downloads/whisper-tiny.en" in lines[4]
    assert f"--compare_with {tmp_path}/out/align/test/sphinx/words.ctm" in lines[4]
    for line in lines[1], lines[2]:
        assert f"--phones {tmp_path}/out/align/dev/sphinx/phones.ctm" in line
        assert "--dump dump/raw/dev " in line and "--rates 24 15 7" in line
        assert "--methods" not in line


def test_options(run):
    done, lines = run("--sets", "dev", "--second_aligner", "", "--methods", "dp uniform")
    assert done.returncode == 0 and len(lines) == 3
    assert all("--methods dp uniform" in line for line in lines[1:])


def test_held_out_speakers(run, tmp_path):
    """The test set is scored after the dev set, with its offsets, syllables and aligners."""
    done, lines = run("--nj", "1", "--aligndir", tmp_path / "a", recipe="librispeech_mini")
    assert done.returncode == 0, done.stderr
    scored = ["unit_quality", "boundary_scores"]
    names = ["force_align", *scored, *["force_align"] * 3, *scored]
    assert [line.split()[0] for line in lines] == names
    dev, test = lines[2], lines[7]
    assert "--dump dump/raw/dev " in dev and "--offsets_of" not in dev
    assert f"--offsets_of {tmp_path}/out/dev.json" in test and "--tolerances 0.02 0.05" in test
    assert f"--syllables {tmp_path}/a/test/sphinx/syllables.ctm" in test
    assert f"Whisper's alignment={tmp_path}/a/test/whisper" in test
    assert "--aligners" not in dev and "--guess_words" in lines[3] and "--snr_db 20" in lines[5]


def test_the_first_failure_ends_it(run):
    done, lines = run("--sets", "dev test", failing="unit_quality")
    assert done.returncode == 3 and lines[-1].startswith("unit_quality")


def test_help_and_unknown_options(run):
    done, lines = run("--help")
    assert done.returncode == 0 and "--second_aligner" in done.stdout and not lines
    assert run("--set", "x")[0].returncode == 2
