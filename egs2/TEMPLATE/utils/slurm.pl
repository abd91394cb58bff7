#!/usr/bin/env python3
"""Run jobs through Slurm, with the command contract of Kaldi's dispatchers.

    slurm.pl [--gpu N] [--mem M] [--time T] [--num_threads K] [--num_nodes N] [--max_jobs_run M]
             [--requeue true] [--follow true] [--config FILE] [JOB=1:N] log.JOB.log command...

It is Python, and is called slurm.pl because ESPnet's launcher and Kaldi's scripts recognise a
dispatcher by that file name; Kaldi's own fits in its place.

Several jobs become one array, of which at most M run at a time. Which options of sbatch an option
means stands in conf/slurm.conf, in Kaldi's format; without that file DEFAULTS below holds. Logs are
as run.pl writes them; the batch script and what Slurm itself has to say stand in q/ beside the log.

A job has succeeded only if Slurm says that it completed and the job has left its exit status 0.
Whatever else becomes of it (cancelled while pending, out of memory, timed out, node lost, never to
be started) is a failure with its reason; pending jobs are then cancelled, running ones end, and the
exit status is 1. An interrupt cancels all.

--requeue true is for trainings that continue from their last checkpoint: a job is started again
after preemption or the loss of a node, and by itself REQUEUE_SEC before its time limit.
"""

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import dispatch

DEFAULTS = """
command sbatch
option name=* --job-name $0
option time=* --time $0
option mem=* --mem $0
option num_threads=* --cpus-per-task $0
option num_nodes=* --nodes $0 --ntasks-per-node 1
option gpu=0
option gpu=* --gres gpu:$0
"""
# Options of sbatch that belong to this program alone.
OWN = {"max_jobs_run", "requeue", "follow", "config"}
FIRST_POLL_SEC, LONGEST_POLL_SEC = 0.2, 10.0
# After Slurm has seen a job's end, its files may take a while through a network file system.
FILES_SEC = float(os.environ.get("SLURM_PL_FILES_SEC", 60))
FAILED_SEC = 3.0
# How Slurm's own watch over memory ends a job, which then counts as failed.
MEMORY = re.compile(r"exceeded (job )?memory limit|oom[-_]kill", re.IGNORECASE)
REQUEUE_SEC = int(os.environ.get("SLURM_PL_REQUEUE_SEC", 120))
REMIND_SEC = 300
# Reasons for which Slurm would keep a job pending for ever.
HOPELESS = {
    "BadConstraints",
    "DependencyNeverSatisfied",
    "InvalidAccount",
    "InvalidQOS",
    "JobHeldAdmin",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "launch failed requeued held",
}
LIVING = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "REQUEUED"}
LIVING |= {"REQUEUE_HOLD", "REQUEUE_FED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED"}
REASONS = {
    "BOOT_FAIL": "a node that did not boot",
    "CANCELLED": "a cancellation",
    "DEADLINE": "a deadline that passed",
    "NODE_FAIL": "the loss of its node",
    "OUT_OF_MEMORY": "too little memory (--mem)",
    "PREEMPTED": "a preemption",
    "TIMEOUT": "its time limit (--time)",
}

# What each task does, after the variables that it reads.
TASK = Path(__file__).resolve().with_name("slurm_task.sh")


def read_config(path):
    """(command of sbatch, rules: (option, value or *, words), defaults) of Kaldi's slurm.conf."""
    text = DEFAULTS if path is None else Path(path).read_text(encoding="utf-8")
    command, rules, defaults = "sbatch", [], {}
    for line in text.splitlines():
        line = re.sub(r"(^|\s)#.*", "", line).strip()
        if not line:
            continue
        kind, _, rest = line.partition(" ")
        setting = re.fullmatch(r"([^=\s]+)=(\S+)\s*(.*)", rest.strip())
        if kind == "command":
            command = rest.strip()
        elif kind == "option" and setting:
            rules.append(setting.groups())
        elif kind == "default" and setting:
            defaults[setting[1]] = setting[2]
        else:
            dispatch.quit_with(f"{path}: no 'command', 'option x=y' or 'default x=y': {line}")
    return command, rules, defaults


def sbatch_words(options, config):
    """What sbatch is to be called with."""
    command, rules, defaults = config
    words = shlex.split(command)
    for name, value in {**defaults, **options}.items():
        if name in OWN:
            continue
        exact = [text for option, wanted, text in rules if (option, wanted) == (name, value)]
        general = [text for option, wanted, text in rules if (option, wanted) == (name, "*")]
        if not exact + general:
            dispatch.quit_with(f"conf/slurm.conf has no 'option {name}=*', for --{name} {value}")
        words += shlex.split((exact + general)[0].replace("$0", value))
    return words


@dataclass
class Task:
    """One job of the array."""

    number: int
    log: Path
    state: str = "PENDING"
    detail: str = ""  # Slurm's reason
    started: float = 0.0
    ended: float = 0.0
    result: str = ""  # "done", "not started", or why it failed


class Array:
    """An array that has been submitted."""

    def __init__(self, words, script, tasks, status, offset):
        self.tasks, self.status, self.offset = tasks, status, offset
        ran = subprocess.run([*words, "--parsable", script], capture_output=True, text=True)
        number = ran.stdout.strip().splitlines()[-1:] or [""]
        self.id = number[0].split(";")[0]
        if ran.returncode != 0 or not self.id.isdigit():
            dispatch.quit_with(f"sbatch failed: {(ran.stderr or ran.stdout).strip()}")

    def look(self):
        """Take Slurm's word for the tasks; False where Slurm cannot be asked."""
        ran = subprocess.run(
            ["squeue", "-h", "-r", "-t", "all", "-j", self.id, "-o", "%K|%T|%r"],
            capture_output=True,
            text=True,
        )
        gone = "Invalid job id" in ran.stderr
        if ran.returncode != 0 and not gone:
            return False
        seen = {}
        for line in ran.stdout.splitlines():
            index, state, detail = line.split("|", 2)
            number = self.offset + (int(index) if index.isdigit() else 1)
            seen[number] = state, detail
        for task in self.tasks:
            # Jobs that ended a while ago are forgotten: then their files alone can tell.
            if task.number in seen:
                task.state, task.detail = seen[task.number]
            elif task.state in LIVING:
                task.state, task.detail = "FORGOTTEN", ""
            if task.state == "RUNNING" and not task.started:
                task.started = time.time()
        return True

    def exit_status(self, task):
        """What the task has left, None if nothing (yet)."""
        try:
            return int(Path(f"{self.status}.{task.number}").read_text())
        except (OSError, ValueError):
            return None

    def slurms_words(self, task):
        """What slurmstepd writes to, such as that a limit was exceeded."""
        return Path(f"{self.status}.slurm.{task.number - self.offset}.out")

    def cancel(self, *words):
        subprocess.run(["scancel", *words, self.id], capture_output=True)


def settle(array, task, given_up):
    """Set the result of a task that runs no more, if it can be known already."""
    status, since = array.exit_status(task), time.time() - task.ended
    if status == 0 and task.state in ("COMPLETED", "FORGOTTEN"):
        task.result = "done"
    elif task.state == "CANCELLED" and given_up and not task.started and status is None:
        task.result = "not started"
    elif task.state in REASONS:
        task.result = REASONS[task.state]
    elif status:
        task.result = f"status {status}"
    elif since > FILES_SEC or (task.state == "FAILED" and since > FAILED_SEC):
        # Slurm says it went well, but nothing came of it; or it was killed, or nobody knows.
        task.result = f"Slurm's state {task.state} and without an exit status"
        if MEMORY.search(ending(task.log) + ending(array.slurms_words(task))):
            task.result = REASONS["OUT_OF_MEMORY"]


def ending(path):
    """The last lines of a file, as far as there is one."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-20:])
    except OSError:
        return ""


def wait_for(array, follow):
    """Wait until every task has its result. Returns the number of a signal, or None."""
    progress = dispatch.Progress(len(array.tasks))
    follower = dispatch.Follower(array.tasks[0].log) if follow else None
    interrupt, given_up, poll = dispatch.Interrupt(), False, FIRST_POLL_SEC
    asked, reminded = time.time(), time.time()
    while True:
        if interrupt.number:
            print(f"\n{dispatch.NAME}: interrupted, cancelling job {array.id}", file=sys.stderr)
            array.cancel()
            return interrupt.number
        if array.look():
            asked = time.time()
        elif time.time() - asked > REMIND_SEC:
            asked = time.time()
            print(f"{dispatch.NAME}: Slurm does not answer; waiting on", file=sys.stderr)
        open_tasks = [task for task in array.tasks if not task.result]
        for task in open_tasks:
            if task.state == "PENDING" and task.detail in HOPELESS:
                task.result = f"Slurm, which will never start it: {task.detail}"
                array.cancel()
            elif task.state not in LIVING:
                task.ended = task.ended or time.time()
                settle(array, task, given_up)
            if task.result not in ("", "done", "not started"):
                dispatch.report_failure(task.log, task.result)
                for line in ending(array.slurms_words(task)).splitlines():
                    print(f"    {line}", file=sys.stderr)
                if not given_up:
                    given_up = True
                    array.cancel("--state=PENDING")
        if follower:
            follower.read()
        done = sum(task.result == "done" for task in array.tasks)
        progress.show(done)
        if all(task.result for task in array.tasks):
            return None
        if time.time() - reminded > REMIND_SEC:
            reminded = time.time()
            remind(array)
        time.sleep(poll)
        poll = min(poll * 1.2, LONGEST_POLL_SEC)


def remind(array):
    """Who is still at it, and what the others wait for."""
    waiting = {task.detail for task in array.tasks if task.state == "PENDING" and not task.result}
    running = [task for task in array.tasks if task.state == "RUNNING" and not task.result]
    parts = [f"job {array.id}: {sum(task.result == 'done' for task in array.tasks)} done"]
    if waiting:
        parts.append(f"pending for {', '.join(sorted(waiting))}")
    if running:
        slowest = min(running, key=lambda task: task.started)
        since = dispatch.duration(time.time() - slowest.started)
        parts.append(f"{len(running)} running, longest {slowest.log} for {since}")
    print("; ".join(parts), file=sys.stderr, flush=True)


def largest_array():
    ran = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True)
    found = re.search(r"MaxArraySize\s*=\s*(\d+)", ran.stdout)
    if ran.returncode != 0 or not found:
        dispatch.quit_with(f"Slurm does not answer: {ran.stderr.strip() or 'no configuration'}")
    return int(found[1]) - 1


def submit(options, array, log, command, numbers):
    """Submit the jobs of these numbers as one array (a plain job where there is no array)."""
    config = options.get("config")
    if config is None and Path("conf/slurm.conf").exists():
        config = "conf/slurm.conf"
    tasks = [Task(i, dispatch.log_and_command(array, log, command, i)[0]) for i in numbers]
    for folder in {task.log.parent for task in tasks}:
        (folder / "q").mkdir(parents=True, exist_ok=True)
    stem = Path(log).name.replace(array[0], "X") if array else Path(log).name
    status = tasks[0].log.parent / "q" / f"{stem}.{os.getpid()}.{numbers[0]}"
    words = sbatch_words(options, read_config(config))
    requeue = options.get("requeue") == "true"
    if requeue:
        words += ["--requeue", f"--signal=B:USR1@{REQUEUE_SEC}", "--open-mode=append"]
    else:
        words += ["--no-requeue"]
    offset = 0
    if array:
        offset = numbers[0] - 1
        at_once = dispatch.whole_number(options, "max_jobs_run", len(numbers))
        words += [f"--array=1-{len(numbers)}%{at_once}"]
    words += ["--output", f"{status}.slurm.{'%a' if array else 1}.out"]
    if "name" not in options:
        words += ["--job-name", re.sub(r"\W+", "_", stem)]
    script = Path(f"{status}.sh")
    variables = dict(
        folder=os.getcwd(),
        name=array[0] if array else "",
        offset=offset,
        command=command,
        log=log,
        status=status,
        requeue=str(requeue).lower(),
    )
    lines = [f"{key}={shlex.quote(str(value))}\n" for key, value in variables.items()]
    script.write_text("#!/usr/bin/env bash\n" + "".join(lines) + TASK.read_text())
    return Array(words, str(script), tasks, str(status), offset)


def main(argv):
    options, array, log, words = dispatch.parse(argv, __doc__, others=("requeue", "name"))
    if dispatch.whole_number(options, "max_jobs_run", 1) < 1:
        dispatch.quit_with(f"--max_jobs_run must be at least 1: {options['max_jobs_run']}")
    command = dispatch.shell_command(words)
    _, first, last = array or ("", 1, 1)
    most, failed, left = largest_array(), 0, 0
    for start in range(first, last + 1, most):
        numbers = range(start, min(start + most, last + 1))
        submitted = submit(options, array, log, command, numbers)
        follow = options.get("follow") == "true" and len(numbers) == 1
        signal_number = wait_for(submitted, follow)
        if signal_number:
            return 128 + signal_number
        results = [task.result for task in submitted.tasks]
        failed = sum(result not in ("done", "not started") for result in results)
        if failed:
            left = results.count("not started") + last - numbers[-1]
            done = numbers[0] - first + results.count("done")
            print(
                f"{dispatch.NAME}: {done} done, {failed} failed, {left} not started",
                file=sys.stderr,
            )
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
