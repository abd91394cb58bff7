"""What the logs of an ESPnet training say, by epoch.

The checkpoint has the same content, but is a pickle.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

# [host] 2026-11-04 09:00:00,000 (trainer:394) INFO: 1epoch results: [train] loss=2, [valid] ...
EVENT = re.compile(
    r"(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*?)?(\d+)epoch (started|results)(?:: (.*))?"
)
# A number up to the next comma: times are words, and may have commas themselves.
MEASURE = re.compile(r"(\w+)=([-+.\w]+)(?=,|\s*$)")


@dataclass(frozen=True)
class Epoch:
    """A finished epoch.

    Attributes:
        number: counted from 1.
        train, valid: measure -> value, of training and validation.
        seconds: of both together; 0 if the log does not say when the epoch started.
    """

    number: int
    train: dict[str, float]
    valid: dict[str, float]
    seconds: float = 0.0


def parse_time(text: str) -> datetime:
    """A time stamp of Python's logging."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f")


def numbers_in_order(path: Path) -> list:
    """Sort key of paths: job.2.log before job.10.log."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def read_training_log(training: Path | str) -> list[Epoch]:
    """All epochs that a training has finished, in the order of its runs.

    An epoch that was done again after an interruption is there twice.

    Args:
        training: its folder, with `train.log` and those of its interrupted runs, `train.N.log`.
    """
    folder, epochs = Path(training), []
    logs = [*sorted(folder.glob("train.*.log"), key=numbers_in_order), folder / "train.log"]
    for log in filter(Path.is_file, logs):
        begun = None
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            found = EVENT.search(line)
            if not found:
                continue
            time = parse_time(found[1]) if found[1] else None
            if found[3] == "started":
                begun = time
                continue
            seconds = (time - begun).total_seconds() if time and begun else 0.0
            _, *parts = re.split(r"\[(\w+)\] ", found[4] or "")
            told = dict(zip(parts[::2], map(_measures, parts[1::2]), strict=True))
            epochs.append(
                Epoch(int(found[2]), told.get("train", {}), told.get("valid", {}), seconds)
            )
            begun = None
    return epochs


def read_epochs(training: Path | str) -> list[Epoch]:
    """Epochs by number, each from the last run that finished it; see `read_training_log`."""
    last = {epoch.number: epoch for epoch in read_training_log(training)}
    return [last[number] for number in sorted(last)]


def training_minutes(training: Path | str) -> float:
    """Time of training and validation over all finished epochs, without interruptions."""
    return sum(epoch.seconds for epoch in read_training_log(training)) / 60


def _measures(text: str) -> dict[str, float]:
    measures = {}
    for name, value in MEASURE.findall(text):
        try:
            measures[name] = float(value)
        except ValueError:
            continue
    return measures
