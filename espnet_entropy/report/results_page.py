"""RESULTS.md of a recipe: blocks between markers, each written by one script, with provenance."""

import os
import platform
import subprocess
from datetime import date
from pathlib import Path


def insert(path: Path, name: str, text: str) -> None:
    """Replace the block `name`; a file without it gets it at the end."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    old = path.read_text(encoding="utf-8") if path.is_file() else "# Results\n"
    if begin in old and end in old:
        before, after = old.partition(begin)[0], old.partition(end)[2]
    else:
        before, after = old.rstrip("\n") + "\n\n", "\n"
    partial = path.with_name(path.name + ".partial")
    partial.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
    partial.replace(path)


def table(rows: list[list[str]]) -> str:
    """Markdown; the first row is the header, the first column is text and the others numbers."""
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (rows[0], rule, *rows[1:]))


def provenance(command: str, seeds: list, epochs: list) -> str:
    """What a block begins with: command, commit, seeds, epochs, machine, day."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"`{command}`, commit {commit()}, {listed('seed', seeds)}, "
        f"{'/'.join(map(str, epochs)) or 'no'} epochs of training, {cpu_model()}, {cores} cores, "
        f"{date.today().isoformat()}."
    )


def listed(noun: str, values: list) -> str:
    """`seed 0` or `seeds 0 1`."""
    return f"{noun}{'s' if len(values) > 1 else ''} {' '.join(map(str, values))}"


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


def git(*arguments: str) -> str:
    """What git prints."""
    command = ["git", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
