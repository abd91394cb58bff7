"""What run.pl and slurm.pl share: Kaldi's command line, and how jobs are shown while they run."""

import re
import signal
import sys
import time
from pathlib import Path

TAIL_LINES = 20
# `follow` is ours; the others are Kaldi's and ESPnet's.
OPTIONS = {"gpu", "mem", "time", "num_threads", "num_nodes", "max_jobs_run", "config", "follow"}
STARTED = re.compile(r"(\d+)/(\d+)epoch started")
RESULTS = re.compile(r"(\d+)epoch results: (.*)")
# Shown beside the validation loss, the first that the model reports.
METRICS = ("cer", "cer_ctc", "acc", "loss_ctc")
NAME = Path(sys.argv[0]).name


def quit_with(message):
    sys.exit(f"{NAME}: {message}")


def duration(seconds):
    """Seconds as a short text: 4 s, 3 min 10 s, 2 h 05 min."""
    seconds = int(round(seconds))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def parse(argv, usage, others=()):
    """Split the arguments into options, (name, first, last) of the array, log and command.

    `others` are options that this dispatcher takes besides Kaldi's.
    """
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
        if name not in OPTIONS and name not in others:
            quit_with(f"unknown option '{word}'")
        if not words:
            quit_with(f"option '{word}' needs a value")
        options[name] = words.pop(0)
    if len(words) < 2:
        quit_with("a log file and a command are needed\n" + usage)
    name, first, last = array or ("", 1, 1)
    if last > first and name not in words[0]:
        quit_with(
            f"{last - first + 1} jobs cannot share the log '{words[0]}': put {name} into its name"
        )
    return options, array, words[0], words[1:]


def whole_number(options, name, default):
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


def log_and_command(array, log, command, number):
    """Those of one job: the array's name replaced as text."""
    # Replacing an empty name would put the number between all letters.
    if array is None:
        return Path(log), command
    return Path(log.replace(array[0], str(number))), command.replace(array[0], str(number))


def report_failure(log, reason):
    """Say why a job failed, and show the end of its log."""
    print(f"\n{NAME}: job failed with {reason}, log {log}:", file=sys.stderr)
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    except OSError as error:
        lines = [f"({error.strerror})"]
    print("\n".join("    " + line for line in lines), file=sys.stderr, flush=True)


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
        if not self.log.exists():
            return
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


class Interrupt:
    """Remembers the first signal; the loop looks here, so none is lost between two steps."""

    def __init__(self):
        self.number = None
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # nohup has asked for hang-ups to be ignored. An ignored interrupt is only what bash
            # does to each job in the background of a script: this one still has to stop its jobs.
            if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN:
                signal.signal(s, self)

    def __call__(self, number, _frame):
        self.number = self.number or number
