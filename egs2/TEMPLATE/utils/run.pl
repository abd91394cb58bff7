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

POLL_SEC = 0.05
GRACE_SEC = 5.0
TAIL_LINES = 20
OPTIONS = {"gpu", "mem", "time", "num_threads", "num_nodes", "max_jobs_run", "config", "follow"}
STARTED = re.compile(r"(\d+)/(\d+)epoch started")
RESULTS = re.compile(r"(\d+)epoch results: (.*)")
# Shown beside the validation loss, the first that the model reports.
METRICS = ("cer", "cer_ctc", "acc", "loss_ctc")


def quit_with(message):
    sys.exit(f"run.pl: {message}")


def duration(seconds):
    """Seconds as a short text: 4 s, 3 min 10 s, 2 h 05 min."""
    seconds = int(round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def parse(argv):
    """Split the arguments into options, (name, first, last) of the array, log and command."""
    options, array, words = {}, None, list(argv)
    while words and (words[0].startswith("-") or re.match(r"[A-Z_a-z]+=\d+", words[0])):
        word = words.pop(0)
        if not word.startswith("-"):
            found = re.fullmatch(r"([A-Z_a-z]+)=(\d+)(?::(\d+))?", word)
            if found is None or array is not None:
                quit_with(f"bad job range '{word}': write JOB=1:8, once")
            first, last = int(found[2]), int(found[3] or found[2])
            if not 1 <= first <= last:
                quit_with(f"bad job range '{word}': it must be ascending and start at 1 or more")
            array = (found[1], first, last)
            continue
        name = word.lstrip("-").replace("-", "_")
        if name not in OPTIONS:
            quit_with(f"unknown option '{word}'")
        if not words:
            quit_with(f"option '{word}' needs a value")
        options[name] = words.pop(0)
    if len(words) < 2:
        quit_with("a log file and a command are needed\n" + __doc__)
    return options, array, words[0], words[1:]


def number(options, name, default):
    try:
        return int(options.get(name, default))
    except ValueError:
        quit_with(f"--{name} must be a whole number: '{options[name]}'")


def shell_command(words):
    """Join words as Kaldi's dispatchers do, so that one script runs alike on all of them."""
    quoted = []
    for word in words:
        if re.fullmatch(r"\S+", word):
            quoted.append(word)
        elif '"' in word:
            quoted.append(f"'{word}'")
        else:
            quoted.append(f'"{word}"')
    return " ".join(quoted)


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


class Progress:
    """`3/8 jobs done`: redrawn on a terminal, elsewhere a line for each quarter."""

    def __init__(self, total):
        self.total, self.quarter, self.terminal = total, 0, sys.stderr.isatty()

    def show(self, done):
        if self.total < 2:
            return
        text = f"{done}/{self.total} jobs done"
        if self.terminal:
            end = "\n" if done == self.total else ""
            print(f"\r{text}", end=end, file=sys.stderr, flush=True)
        elif done * 4 // self.total > self.quarter:
            self.quarter = done * 4 // self.total
            print(text, file=sys.stderr, flush=True)


class Follower:
    """Epoch lines out of the log of ESPnet's trainer, for any task."""

    def __init__(self, log):
        self.log, self.position, self.rest = log, 0, ""
        self.first, self.last, self.start = None, None, time.time()

    def read(self):
        with self.log.open(encoding="utf-8", errors="replace") as f:
            f.seek(self.position)
            text = self.rest + f.read()
            self.position = f.tell()
        *lines, self.rest = text.split("\n")
        for line in lines:
            self.line(line)

    def line(self, line):
        started, results = STARTED.search(line), RESULTS.search(line)
        if started:
            self.last = int(started[2])
            if self.first is None:
                self.first, self.start = int(started[1]), time.time()
        elif results and self.first is not None:
            print(self.summary(int(results[1]), results[2]), file=sys.stderr, flush=True)

    def summary(self, epoch, results):
        values = {}
        for phase, body in re.findall(r"\[(\w+)\] ([^\[]*)", results):
            # A metric that the model does not have is nan.
            pairs = re.findall(r"([\w.]+)=([-+\d.e]+)(?=,|\s|$)", body)
            values[phase] = dict(pairs)
        valid = values.get("valid", {})
        parts = [f"epoch {epoch}/{self.last}", f"train loss {values['train'].get('loss', '?')}"]
        parts.append(f"valid loss {valid.get('loss', '?')}")
        parts += [f"valid {m} {valid[m]}" for m in METRICS if m in valid][:1]
        elapsed = time.time() - self.start
        left = elapsed / (epoch - self.first + 1) * (self.last - epoch)
        return "  ".join(parts + [f"{duration(elapsed)} so far", f"{duration(left)} left"])


def report_failure(job, status):
    lines = job.log.read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"\nrun.pl: job failed with status {status}, log {job.log}:", file=sys.stderr)
    print("\n".join("    " + line for line in lines[-TAIL_LINES:]), file=sys.stderr, flush=True)


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


class Interrupt:
    """Remembers the first signal; the loop looks here, so none is lost between fork and list."""

    def __init__(self):
        self.number = None
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has asked for hang-ups to be ignored. An ignored interrupt is only what bash
            # does to each job in the background of a script: this one still has to stop its jobs.
            if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN:
                signal.signal(s, self)

    def __call__(self, number, _frame):
        self.number = self.number or number


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
    progress, follower, interrupt = Progress(len(jobs)), None, Interrupt()
    while running or (waiting and not failed):
        while waiting and not failed and not interrupt.number and len(running) < at_once:
            job = waiting.pop(0)
            job.gpus, gpus = gpus[:gpus_each], gpus[gpus_each:]
            job.launch()
            running.append(job)
            follower = Follower(job.log) if follow else None
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
                report_failure(job, status)
    if failed:
        print(f"run.pl: {done} done, {failed} failed, {len(waiting)} not started", file=sys.stderr)
    return 1 if failed else 0


def main(argv):
    options, array, log, words = parse(argv)
    if number(options, "num_nodes", 1) > 1:
        quit_with("jobs run on this machine only; --num_nodes > 1 needs cmd_backend=slurm")
    name, first, last = array or ("", 1, 1)
    if last > first and name not in log:
        quit_with(f"{last - first + 1} jobs cannot share the log '{log}': put {name} into its name")
    command = shell_command(words)
    jobs = []
    for i in range(first, last + 1):
        # Replacing an empty name would put the number between all letters.
        log_i, command_i = log, command
        if array is not None:
            log_i, command_i = log.replace(name, str(i)), command.replace(name, str(i))
        jobs.append(Job(Path(log_i), command_i))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = max(number(options, "num_threads", 1), 1)
    at_once = number(options, "max_jobs_run", max(cores // threads, 1))
    if at_once < 1:
        quit_with(f"--max_jobs_run must be at least 1: {at_once}")
    gpus_each = number(options, "gpu", 0)
    gpus = visible_gpus() if gpus_each > 0 else []
    if gpus:
        if len(gpus) < gpus_each:
            quit_with(f"--gpu {gpus_each} asked for, {len(gpus)} visible")
        at_once = min(at_once, len(gpus) // gpus_each)
    follow = options.get("follow", "false") == "true" and len(jobs) == 1
    return run_all(jobs, at_once, gpus_each, gpus, follow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
