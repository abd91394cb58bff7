"""slurm.pl on a real Slurm of two nodes: Kaldi's contract, and the truth about jobs that fail."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SLURM_PL = Path(__file__).parents[2] / "egs2/TEMPLATE/utils/slurm.pl"
pytestmark = pytest.mark.long


@pytest.fixture
def run(cluster, tmp_path):
    def call(*words, **environment):
        return subprocess.run(
            [sys.executable, str(SLURM_PL), *map(str, words)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | cluster.environment | environment,
        )

    return call


@pytest.fixture
def start(cluster, tmp_path):
    """Start it without waiting; whatever is left at the end is ended."""
    started = []

    def call(*words):
        process = subprocess.Popen(
            [sys.executable, str(SLURM_PL), *map(str, words)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | cluster.environment,
        )
        started.append(process)
        return process

    yield call
    for process in started:
        process.kill()
        process.communicate()


def until(condition, seconds=40):
    limit = time.time() + seconds
    while not condition():
        assert time.time() < limit
        time.sleep(0.1)


def body(log):
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def job_ids(cluster, *words):
    return cluster.ask("squeue", "-h", "-o", "%A", *words).split()


def test_array_replaces_job_as_text(run, tmp_path):
    result = run("JOB=2:4", "log/x.JOB.log", "echo", "part.JOB/JOB")
    assert result.returncode == 0, result.stderr
    logs = sorted(p.name for p in (tmp_path / "log").glob("*.log"))
    assert logs == ["x.2.log", "x.3.log", "x.4.log"]
    assert body(tmp_path / "log/x.3.log") == ["part.3/3"]
    lines = (tmp_path / "log/x.3.log").read_text().splitlines()
    assert lines[0] == "# echo part.3/3" and "# Ended (code 0)" in lines[-1]


@pytest.mark.parametrize(
    "words, expected",
    [
        (["echo", "a  b"], "a  b"),
        (["echo", 'say "a  b"'], 'say "a  b"'),
        (["echo", "abc", "|", "tr", "a", "z"], "zbc"),
        (["echo", "JOB"], "JOB"),
    ],
)
def test_words_are_quoted_as_kaldi_does(run, tmp_path, words, expected):
    assert run("x.log", *words).returncode == 0
    assert body(tmp_path / "x.log") == [expected]


def test_an_array_larger_than_slurm_takes(run, tmp_path):
    """MaxArraySize is 20 there."""
    result = run("JOB=1:45", "log/x.JOB.log", "echo", "number", "JOB")
    assert result.returncode == 0, result.stderr
    for number in (1, 19, 20, 39, 45):
        assert body(tmp_path / f"log/x.{number}.log") == [f"number {number}"]


def test_no_more_jobs_at_a_time_than_asked(run, tmp_path):
    command = "touch on.JOB ; echo on.* | wc -w ; sleep 1 ; rm on.JOB".split()
    assert run("--max-jobs-run", "2", "JOB=1:5", "x.JOB.log", *command).returncode == 0
    assert max(int(body(tmp_path / f"x.{i}.log")[0]) for i in range(1, 6)) <= 2


def test_jobs_get_gpus_of_their_own(run, tmp_path):
    command = ["JOB=1:4", "x.JOB.log", "echo", "gpu=$CUDA_VISIBLE_DEVICES", ";", "sleep", "2"]
    assert run("--gpu", "1", *command).returncode == 0
    assert {body(tmp_path / f"x.{i}.log")[0] for i in range(1, 5)} <= {"gpu=0", "gpu=1"}


def test_several_nodes(run, tmp_path):
    result = run("--num_nodes", "2", "x.log", "srun", "bash", "-c", "echo rank $SLURM_PROCID")
    assert result.returncode == 0, result.stderr
    assert run("--num_nodes", 2, "y.log", "srun", "printenv", "SLURMD_NODENAME").returncode == 0
    assert sorted(body(tmp_path / "y.log")) == ["node1", "node2"]


def test_path_sh_and_slurm_conf(run, tmp_path):
    (tmp_path / "path.sh").write_text("export FROM_PATH=here\n")
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/slurm.conf").write_text(
        "# as Kaldi's\ncommand sbatch --export=PATH\noption mem=* --mem-per-cpu $0\n"
        "option gpu=0 -p short\noption gpu=* --gres=gpu:$0  # all\ndefault gpu=0\n"
    )
    words = ["printenv", "FROM_PATH", "SLURM_JOB_PARTITION", "SLURM_MEM_PER_CPU"]
    result = run("--mem", "100M", "x.log", *words, ALSO="not there")
    assert result.returncode == 0, result.stderr
    assert body(tmp_path / "x.log") == ["here", "short", "100"]
    refused = run("--time", "1", "x.log", "true")
    assert refused.returncode == 1 and "has no 'option time=*'" in refused.stderr


def test_a_failure_shows_the_log_and_starts_nothing_more(run, tmp_path):
    command = ["echo", "number", "JOB", ";", "sleep", "1", ";", "test", "JOB", "-ne", "2"]
    result = run("--max_jobs_run", "1", "JOB=1:9", "x.JOB.log", *command)
    assert result.returncode == 1
    assert "status 1, log x.2.log" in result.stderr and "    number 2" in result.stderr
    assert "failed" in result.stderr and "not started" in result.stderr
    assert not (tmp_path / "x.9.log").exists()


def test_cancelled_while_pending(start, cluster, tmp_path):
    process = start("--max_jobs_run", "1", "JOB=1:2", "x.JOB.log", "sleep", "4")
    until(lambda: (tmp_path / "x.1.log").exists())
    cluster.ask("scancel", "--state=PENDING", *job_ids(cluster))
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "a cancellation, log x.2.log" in error and "1 done, 1 failed" in error


def test_cancelled_while_running(start, cluster, tmp_path):
    process = start("x.log", "sleep", "300")
    until(lambda: (tmp_path / "x.log").exists())
    cluster.ask("scancel", *job_ids(cluster))
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and "a cancellation, log x.log" in error


def test_too_little_memory(run, tmp_path):
    eat = f"{sys.executable} -c 'import time; x = bytearray(300000000); time.sleep(30)'"
    result = run("--mem", "50M", "x.log", "bash", "-c", eat)
    assert result.returncode == 1 and "too little memory (--mem)" in result.stderr, result.stderr


def test_time_limit(run):
    result = run("--time", "0:01", "x.log", "sleep", "300")
    assert result.returncode == 1 and "its time limit (--time), log x.log" in result.stderr


def test_never_to_be_started(run, tmp_path):
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/slurm.conf").write_text("option time=* -p short --time $0\n")
    result = run("--time", "30", "x.log", "true")
    assert result.returncode == 1
    # Slurm may refuse it at once, or keep it pending for ever.
    assert "PartitionTimeLimit" in result.stderr or "time limit" in result.stderr, result.stderr


def test_what_slurm_refuses(run):
    result = run("--gpu", "9", "x.log", "true")
    assert result.returncode == 1 and "sbatch failed: sbatch: error" in result.stderr


def test_a_lost_node(start, cluster, tmp_path):
    process = start("x.log", "bash", "-c", "echo $SLURMD_NODENAME; sleep 300")
    until(lambda: (tmp_path / "x.log").exists() and body(tmp_path / "x.log"))
    node = body(tmp_path / "x.log")[0]
    try:
        cluster.stop_node(node)
        error = process.communicate(timeout=120)[1]
        assert process.returncode == 1 and "the loss of its node" in error, error
    finally:
        cluster.start_node(node)
        until(lambda: cluster.ask("sinfo", "-h", "-o", "%t %D") == "idle 2", 60)


@pytest.fixture
def requeued(start, cluster, tmp_path):
    """Start a job that ends when it runs a second time, and wait for its first; returns both."""
    script = (
        "echo $SLURMD_NODENAME; if [ -e half ]; then echo second; else touch half; sleep 300; fi"
    )
    (tmp_path / "work.sh").write_text(script)
    process = start("--requeue", "true", "--num_threads", "4", "x.log", "bash", "work.sh")
    until(lambda: (tmp_path / "half").exists())

    def finish(job):
        def pending_or_ended():
            # Slurm keeps a job that was put back waiting for two minutes.
            cluster.ask("scontrol", "update", f"JobId={job}", "StartTime=now")
            return process.poll() is not None

        until(pending_or_ended, 120)
        error = process.communicate()[1]
        assert process.returncode == 0, error
        assert "restart 1" in (tmp_path / "x.log").read_text()
        assert body(tmp_path / "x.log")[-1] == "second"

    return job_ids(cluster)[0], finish


def test_preempted_by_a_partition_of_higher_priority(requeued, cluster, tmp_path):
    job, finish = requeued
    command = ["-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3"]
    cluster.ask("sbatch", *command)
    until(lambda: cluster.ask("squeue", "-h", "-j", job, "-o", "%T") == "PENDING")
    finish(job)


def test_a_lost_node_gives_its_job_back(requeued, cluster, tmp_path):
    job, finish = requeued
    node = body(tmp_path / "x.log")[0]
    try:
        cluster.stop_node(node)
        finish(job)
        assert body(tmp_path / "x.log")[-2] != node
    finally:
        cluster.start_node(node)
        until(lambda: cluster.ask("sinfo", "-h", "-o", "%t %D") == "idle 2", 60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_cancels_all(start, cluster, tmp_path, number):
    process = start("--max_jobs_run", "1", "JOB=1:3", "x.JOB.log", "sleep", "300")
    until(lambda: (tmp_path / "x.1.log").exists())
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    until(lambda: not job_ids(cluster))


def test_requeued_before_the_time_limit(start, cluster, tmp_path):
    """A minute is Slurm's shortest limit; the signal comes at its beginning."""
    command = "if [ -e half ]; then echo second; else touch half; sleep 300; fi"
    (tmp_path / "work.sh").write_text(command)
    process = start("--requeue", "true", "--time", "1", "x.log", "bash", "work.sh")
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 0, error
    text = (tmp_path / "x.log").read_text()
    assert "The time limit is near" in text and "restart 1" in text
    assert body(tmp_path / "x.log")[-1] == "second"
