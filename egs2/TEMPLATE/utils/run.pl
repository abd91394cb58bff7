#!/usr/bin/env python3
"""Run jobs on this machine, with the command contract of Kaldi's dispatchers.

    run.pl [--gpu N] [--mem M] [--time T] [--num_threads K] [--max_jobs_run M] [--follow true]
           [JOB=1:N] log.JOB.log command...

It is Python, and is called run.pl because ESPnet's launcher and Kaldi's scripts recognise a
dispatcher by that file name; slurm.pl or queue.pl of another installation fit in its place.

JOB (any capital name) is replaced as text in the log's name and in the command. As in Kaldi a
word without blanks reaches the shell as it is (so `\\|` makes a pipe) and other words are
quoted. At most M jobs run at a time (default: cores / K; with --gpu N also visible GPUs / N).
Each log starts with the command and ends with the exit status and the elapsed time. After a
failure no further job starts, the running ones end, the log's tail goes to standard error and
the exit status is 1. --mem and --time are accepted and not enforced. --follow true prints a
line an epoch from the log of an ESPnet training.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import dispatch

POLL_SEC = 0.05
GRACE_SEC = 5.0


def visible_gpus():
    """Names for CUDA_VISIBLE_DEVICES; empty when none is found."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [x for x in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if x.strip()]
    try:
        listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True).stdout
    except FileNotFoundError:
        return []
    return [str(i) for i, _ in enumerate(re.findall(r"^GPU ", listing, re.MULTILINE))]


@dataclass
class Job:
    log: Path
    command: str
    gpus: list = field(default_factory=list)
    process: subprocess.Popen = None
    start: float = 0.0

    def launch(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        if self.gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(self.gpus)
        self.start = time.time()
        with self.log.open("w", encoding="utf-8") as f:
            f.write(f"# {self.command}\n# Started at {time.ctime(self.start)}\n#\n")
            f.flush()
            # A session of its own: a signal then reaches all that the job has started.
            self.process = subprocess.Popen(
                ["bash", "-c", f"set -e -o pipefail; {self.command}"],
                stdin=subprocess.DEVNULL,
                stdout=f,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
                # With the stage's lock: should this program be killed, its jobs still hold it.
                close_fds=False,
            )

    def ended(self):
        """Exit status, written to the log; None while it runs."""
        status = self.process.poll()
        if status is not None:
            seconds = time.time() - self.start
            with self.log.open("a", encoding="utf-8") as f:
                f.write(f"# Ended (code {status}) at {time.ctime()}, ")
                f.write(f"elapsed time {seconds:.1f} seconds\n")
        return status

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass


def stop(jobs):
    for job in jobs:
        job.signal(signal.SIGTERM)
    limit = time.time() + GRACE_SEC
    while time.time() < limit and any(job.process.poll() is None for job in jobs):
        time.sleep(POLL_SEC)
    # Also where the shell has gone: something it started may have ignored the signal.
    for job in jobs:
        job.signal(signal.SIGKILL)
        job.process.wait()
        # The others have to be stopped too where this log cannot be written.
        with contextlib.suppress(OSError):
            job.ended()


def run_all(jobs, *limits):
    """Run the jobs; whatever happens here, none is left behind. Returns the exit status."""
    running = []
    try:
        return run_each(jobs, running, *limits)
    except OSError as error:
        print(f"\nrun.pl: {error}; stopping {len(running)} jobs", file=sys.stderr)
        return 1
    finally:
        stop(running)


def run_each(jobs, running, at_once, gpus_each, gpus, follow):
    """Run the jobs, at most `at_once` together; keeps `running` current. Returns the status."""
    waiting, done, failed = list(jobs), 0, 0
    progress, follower, interrupt = dispatch.Progress(len(jobs)), None, dispatch.Interrupt()
    while running or (waiting and not failed):
        while waiting and not failed and not interrupt.number and len(running) < at_once:
            job = waiting.pop(0)
            job.gpus, gpus = gpus[:gpus_each], gpus[gpus_each:]
            job.launch()
            running.append(job)
            follower = dispatch.Follower(job.log) if follow else None
        if interrupt.number:
            print(f"\nrun.pl: interrupted, stopping {len(running)} jobs", file=sys.stderr)
            return 128 + interrupt.number
        time.sleep(POLL_SEC)
        for job in list(running):
            status = job.ended()
            if follower:
                follower.read()
            if status is None:
                continue
            running.remove(job)
            gpus = job.gpus + gpus
            if status == 0:
                done += 1
                progress.show(done)
            else:
                failed += 1
                dispatch.report_failure(job.log, f"status {status}")
    if failed:
        print(f"run.pl: {done} done, {failed} failed, {len(waiting)} not started", file=sys.stderr)
    return 1 if failed else 0


def main(argv):
    options, array, log, words = dispatch.parse(argv, __doc__)
    if dispatch.whole_number(options, "num_nodes", 1) > 1:
        dispatch.quit_with("jobs run on this machine only; --num_nodes > 1 needs cmd_backend=slurm")
    command = dispatch.shell_command(words)
    _, first, last = array or ("", 1, 1)
    jobs = [Job(*dispatch.log_and_command(array, log, command, i)) for i in range(first, last + 1)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(dispatch.whole_number(options, "num_threads", 1), 1)
    at_once = dispatch.whole_number(options, "max_jobs_run", max(cores // threads, 1))
    if at_once < 1:
        dispatch.quit_with(f"--max_jobs_run must be at least 1: {at_once}")
    gpus_each = dispatch.whole_number(options, "gpu", 0)
    gpus = visible_gpus() if gpus_each > 0 else []
    if gpus:
        if len(gpus) < gpus_each:
            dispatch.quit_with(f"--gpu {gpus_each} asked for, {len(gpus)} visible")
        at_once = min(at_once, len(gpus) // gpus_each)
    follow = options.get("follow", "false") == "true" and len(jobs) == 1
    return run_all(jobs, at_once, gpus_each, gpus, follow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
