"""RESULTS.md of a recipe: blocks between markers, each written by one script, with provenance."""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.report.render import markdown


def insert(path: Path, name: str, *parts) -> str:
    """Replace the block `name`, or add it at the end of a file without it.

    Args:
        path: the file.
        name: name of the block.
        parts: texts, and tables as rows of cells (see `render`).

    Returns:
        The block in Markdown.
    """
    text = markdown(*parts)
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Results\n"
    if begin in old and end in old:
        before, after = old.partition(begin)[0], old.partition(end)[2]
    else:
        before, after = old.rstrip("\n") + "\n\n", "\n"
    with atomic_text(path) as file:
        file.write(f"{before}{begin}\n{text}\n{end}{after}")
    return text


def provenance(command: str, seeds: Sequence, epochs: Sequence[int] = ()) -> str:
    """What a block begins with: command, commit, seeds, epochs of training, machine, day."""
    seeded = f"seed{'s' if len(seeds) > 1 else ''} {' '.join(map(str, seeds))}"
    trained = f"{'/'.join(map(str, epochs))} epochs of training, " if epochs else ""
    return (
        f"`{command}`, commit {commit()}, {seeded}, {trained}{cpu_model()}, "
        f"{num_cores()} cores, {date.today().isoformat()}."
    )


def num_cores() -> int | None:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and, of several seeds, standard deviation."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def cpu_model() -> str:
    """The processor's name, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """Short commit, with a `+` where tracked files other than results differ from it."""
    try:
        head = git("rev-parse", "--short=12", "HEAD")
        changed = git(
            "status", "--porcelain", "--untracked-files=no", "--", ":/", ":(top,exclude)*RESULTS.md"
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def last_commit() -> tuple[str, str]:
    """Hash and date of the last commit; empty outside of a repository."""
    try:
        return git("rev-parse", "HEAD"), git("log", "-1", "--format=%cd")
    except (OSError, subprocess.CalledProcessError):
        return "", ""


def git(*arguments: str) -> str:
    """What git prints."""
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
