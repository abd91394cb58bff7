"""The local dispatcher keeps Kaldi's command contract."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUN_PL = Path(__file__).parents[2] / "egs2" / "TEMPLATE" / "utils" / "run.pl"


def run(folder, *words, **environment):
    return subprocess.run(
        [sys.executable, str(RUN_PL), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


def body(log):
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def test_array_replaces_job_as_text_and_logs_are_framed(tmp_path):
    result = run(tmp_path, "JOB=2:4", "log/x.JOB.log", "echo", "part.JOB/JOB")
    assert result.returncode == 0, result.stderr
    logs = sorted(p.name for p in (tmp_path / "log").iterdir())
    assert logs == ["x.2.log", "x.3.log", "x.4.log"]
    assert body(tmp_path / "log" / "x.3.log") == ["part.3/3"]
    lines = (tmp_path / "log" / "x.3.log").read_text().splitlines()
    assert lines[0] == "# echo part.3/3"
    assert lines[-1].startswith("# Ended (code 0) at ") and "elapsed time 0." in lines[-1]


@pytest.mark.parametrize(
    "words, expected",
    [
        (["echo", "a  b"], "a  b"),
        (["echo", 'say "a  b"'], 'say "a  b"'),
        (["echo", "abc", "|", "tr", "a", "z"], "zbc"),
        (["echo", "JOB"], "JOB"),
        # Bare angle brackets would be redirections, in Kaldi too.
        (["printf", "\\<%s\\>", ""], "<>"),
    ],
)
def test_words_are_quoted_as_kaldi_does(tmp_path, words, expected):
    assert run(tmp_path, "x.log", *words).returncode == 0
    # printf leaves no line end behind, so the closing line follows at once.
    assert "\n#\n" + expected in (tmp_path / "x.log").read_text()


def test_no_more_jobs_at_a_time_than_asked(tmp_path):
    command = "touch on.JOB ; echo on.* | wc -w ; sleep 0.3 ; rm on.JOB".split()
    result = run(tmp_path, "--max-jobs-run", "2", "JOB=1:6", "x.JOB.log", *command)
    assert result.returncode == 0, result.stderr
    seen = [int(body(tmp_path / f"x.{i}.log")[0]) for i in range(1, 7)]
    assert max(seen) <= 2


def test_failure_shows_the_log_and_starts_nothing_more(tmp_path):
    command = ["JOB=1:5", "x.JOB.log", "echo", "number", "JOB", "&&", "test", "JOB", "-ne", "2"]
    result = run(tmp_path, "--max_jobs_run", "1", *command)
    assert result.returncode == 1
    assert "x.2.log" in result.stderr and "number 2" in result.stderr
    assert "1 done, 1 failed, 3 not started" in result.stderr
    assert not (tmp_path / "x.3.log").exists()
    assert run(tmp_path, "x.log", "false", "|", "cat").returncode == 1


@pytest.mark.parametrize(
    "words, message",
    [
        (["--num_nodes", "2", "x.log", "true"], "cmd_backend=slurm"),
        (["--numb", "2", "x.log", "true"], "unknown option '--numb'"),
        (["--max_jobs_run", "0", "x.log", "true"], "at least 1"),
        (["--gpu", "one", "x.log", "true"], "whole number"),
        (["JOB=1:3", "x.log", "true"], "put JOB into its name"),
        (["JOB=3:1", "x.JOB.log", "true"], "bad job range"),
        (["x.log"], "a log file and a command are needed"),
    ],
)
def test_refusals(tmp_path, words, message):
    result = run(tmp_path, *words)
    assert result.returncode == 1 and message in result.stderr
    assert not list(tmp_path.iterdir())


def test_jobs_get_gpus_of_their_own_and_options_of_schedulers_are_accepted(tmp_path):
    command = ["JOB=1:2", "x.JOB.log", "echo", "$CUDA_VISIBLE_DEVICES;", "sleep", "0.3"]
    options = "--gpu 1 --mem 4G --time 1-00:00 --num_threads 2 --num_nodes 1".split()
    result = run(tmp_path, *options, *command, CUDA_VISIBLE_DEVICES="4,7")
    assert result.returncode == 0, result.stderr
    seen = {body(tmp_path / f"x.{i}.log")[0] for i in (1, 2)}
    assert seen <= {"4", "7"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_all_that_a_job_has_started(tmp_path, number):
    # The sleeper is a grandchild: killing the shell alone would leave it.
    command = ["x.log", "sleep", "300", "&", "echo", "pid=$!", "&&", "wait"]
    process = subprocess.Popen([sys.executable, str(RUN_PL), *command], cwd=tmp_path)
    try:
        log, deadline = tmp_path / "x.log", time.time() + 20
        while not (log.exists() and "\npid=" in log.read_text()):
            assert time.time() < deadline
            time.sleep(0.05)
        sleeper = int(log.read_text().split("\npid=")[1].split()[0])
        process.send_signal(number)
        assert process.wait(timeout=20) == 128 + number
    finally:
        process.kill()
    state = Path(f"/proc/{sleeper}/stat")
    # Where nobody reaps orphans (containers) the dead stay as zombies.
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_log_that_cannot_be_written_stops_the_other_jobs(tmp_path):
    (tmp_path / "x.2.log").mkdir()
    started = time.time()
    result = run(tmp_path, "--max_jobs_run", "2", "JOB=1:2", "x.JOB.log", "sleep", "300")
    assert result.returncode == 1 and time.time() - started < 30
    assert "x.2.log" in result.stderr and "stopping 1 jobs" in result.stderr
    assert "# Ended (code -15)" in (tmp_path / "x.1.log").read_text()


def test_follow_prints_a_line_an_epoch(tmp_path):
    script = tmp_path / "train.py"
    script.write_text(
        "import sys, time\n"
        "for e in (4, 5):\n"
        "    print(f'[h] (trainer:1) INFO: {e}/5epoch started', flush=True)\n"
        "    time.sleep(0.2)\n"
        "    print(f'[h] (trainer:2) INFO: {e}epoch results: [train] iter_time=1.2e-04, '\n"
        "          f'loss_ctc=62.3, loss=62.30, time=1 minute and 3.2 seconds, total_count=24, '\n"
        "          f'[valid] loss_ctc=57.9, cer_ctc=0.97, loss=1.234e+03, time=0.2 seconds',\n"
        "          flush=True)\n"
    )
    result = run(tmp_path, "--follow", "true", "x.log", sys.executable, "train.py")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    wanted = "epoch 4/5  train loss 62.30  valid loss 1.234e+03  valid cer_ctc 0.97"
    assert lines[0].startswith(wanted)
    assert lines[1].startswith("epoch 5/5") and lines[1].endswith("0 s left")


def test_espnet_launcher_takes_it(tmp_path):
    (tmp_path / "run.pl").symlink_to(RUN_PL)
    command = [sys.executable, "-m", "espnet2.bin.launch", "--cmd", "./run.pl", "--ngpu", "0"]
    result = subprocess.run(
        [*command, "--log", "train.log", "--", "echo", "trained"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    (line,) = body(tmp_path / "train.log")
    assert line == "trained --ngpu 0 --multiprocessing_distributed True"
