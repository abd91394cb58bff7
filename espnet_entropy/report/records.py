"""What a recipe's folders say about how something was made: stages, commands, versions."""

import platform
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from espnet_entropy.evaluate.training_log import numbers_in_order
from espnet_entropy.report.results_page import cpu_model, num_cores

ENDED = re.compile(r"# Ended \(code (-?\d+)\) at (.*), elapsed time ([\d.]+) seconds")
PACKAGES = ("espnet-entropy", "torch", "espnet", "numpy", "transformers")


@dataclass(frozen=True)
class Stage:
    """A stage by its marker (see `egs2/TEMPLATE/utils/stage.sh`).

    Attributes:
        name: of the marker.
        state: `finished`, `begun, not finished` or `not run`.
        took: its duration in words, empty if unknown.
        ended: local time, empty if it has not.
    """

    name: str
    state: str
    took: str = ""
    ended: str = ""


@dataclass(frozen=True)
class Command:
    """A command by its logs; jobs of an array are one.

    Attributes:
        log: path of the log, with a `*` where the jobs' numbers differ.
        words: the command, of several jobs the first one's.
        jobs: how many there are.
        failed: how many of them did not end well, those that have not ended included.
        seconds: of all jobs together.
        started: of the first that started, as the log says it.
    """

    log: str
    words: str
    jobs: int
    failed: int
    seconds: float
    started: str


def read_stages(folder: Path | str, names: Iterable[str]) -> list[Stage]:
    """Stages by their markers, in the order of `names`.

    Args:
        folder: `exp/.stages`.
        names: of the markers.
    """
    return [_read_stage(Path(folder), name) for name in names]


def _read_stage(folder: Path, name: str) -> Stage:
    done = folder / f"{name}.done"
    if done.is_file():
        # Key, edition, duration, hash of what was made.
        lines = done.read_text(encoding="utf-8").split("\n")
        ended = datetime.fromtimestamp(done.stat().st_mtime).isoformat(" ", "minutes")
        return Stage(name, "finished", lines[2] if len(lines) > 2 else "", ended)
    begun = any((folder / f"{name}.{end}").exists() for end in ("last", "lock"))
    return Stage(name, "begun, not finished" if begun else "not run")


def read_commands(places: Iterable[Path | str]) -> list[Command]:
    """Commands of the logs that `utils/run.pl` and its like write, in the order they started.

    Args:
        places: logs, and folders whose `*.log` are meant; those that do not exist are left out, as
            is a log that does not begin with a command.
    """
    logs: dict[Path, None] = {}
    for place in map(Path, places):
        found = sorted(place.glob("*.log"), key=numbers_in_order) if place.is_dir() else [place]
        logs |= dict.fromkeys(path for path in found if path.is_file())
    jobs: dict[str, list] = {}
    for path in logs:
        text = path.read_text(encoding="utf-8", errors="replace")
        if text.startswith("# ") and "\n# Started at " in text:
            name = re.sub(r"\.\d+\.log$", ".*.log", path.name)
            jobs.setdefault(str(path.with_name(name)), []).append((path, text))
    commands = [_command(name, found) for name, found in jobs.items()]
    return [command for _, command in sorted(commands, key=lambda timed: timed[0])]


def _command(name: str, jobs: list[tuple[Path, str]]) -> tuple[datetime, Command]:
    ends = [list(ENDED.finditer(text)) for _, text in jobs]
    seconds = sum(float(found[-1][3]) for found in ends if found)
    failed = sum(not found or found[-1][1] != "0" for found in ends)
    starts = [text.partition("\n# Started at ")[2].partition("\n")[0] for _, text in jobs]
    first = min(starts, key=_when)
    words = jobs[0][1].partition("\n")[0].removeprefix("# ")
    log = name if len(jobs) > 1 else str(jobs[0][0])
    return _when(first), Command(log, words, len(jobs), failed, seconds, first)


def _when(text: str) -> datetime:
    """When it was; logs of other dispatchers, which write times otherwise, come first."""
    try:
        return datetime.strptime(" ".join(text.split()), "%a %b %d %H:%M:%S %Y")
    except ValueError:
        return datetime.min


def machine() -> list[tuple[str, str]]:
    """What this runs on: processor, system, Python and packages."""
    rows = [
        ("processor", f"{cpu_model()}, {num_cores()} cores"),
        ("system", f"{platform.system()} {platform.release()}"),
        ("Python", platform.python_version()),
    ]
    for name in PACKAGES:
        try:
            rows.append((name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append((name, "not installed"))
    return rows


def listed_files(places: Sequence[Path | str | None]) -> list[Path]:
    """Those of the paths that are files, each once."""
    paths = dict.fromkeys(Path(place) for place in places if place)
    return [path for path in paths if path.is_file()]
