"""What long runs report: progress, the time they took, and the utterances they left out."""

import sys
import time
from collections.abc import Iterable, Sized
from pathlib import Path

from tqdm import tqdm

from espnet_entropy.data.kaldi import write_table


def progress(items: Iterable, description: str, total: int | None = None) -> Iterable:
    """A progress bar on standard error; in log files a line every ten seconds."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(items, desc=description, total=total, mininterval=interval, file=sys.stderr)


class Stopwatch:
    """Seconds since its making, and the summary line of a dump."""

    def __init__(self):
        self.start = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds, never zero."""
        return max(time.monotonic() - self.start, 1e-9)

    def summary(self, what: str, num_utts: int, num_units: int, frame_shift_sec: float) -> str:
        """`what: utterances, hours, units/s, times real time`."""
        elapsed, audio = self.elapsed, num_units * frame_shift_sec
        return (
            f"{what}: {num_utts} utterances, {audio / 3600:.3f} h, {num_units} units in "
            f"{elapsed:.1f} s ({num_units / elapsed:.0f} units/s, "
            f"{audio / elapsed:.0f} x real time)"
        )


class Failures:
    """Utterances that were left out, with the reasons, up to a given number.

    Args:
        most: number of utterances that may be left out.
        what: word before their names in messages.
    """

    def __init__(self, most: int, what: str = "utt "):
        self.most, self.what = most, what
        self.reasons: dict[str, str] = {}

    def leave_out(self, utt: str, error: ValueError) -> None:
        """Store and print an utterance; ValueError if it is one too many."""
        self.reasons[utt] = " ".join(str(error).split())
        if len(self.reasons) > self.most:
            raise named_error(f"{self.what}{utt}", error) from error
        print(f"left out: {named_error(f'{self.what}{utt}', error)}", file=sys.stderr, flush=True)

    def write(self, path: Path | str) -> None:
        """Write them as a table; if there are none, remove an existing table."""
        if self.reasons:
            write_table(path, self.reasons)
        else:
            Path(path).unlink(missing_ok=True)


def named_error(name: str, error: ValueError) -> ValueError:
    """The error with the recording's name before it, unless it begins with that name."""
    if str(error).startswith((f"{name}: ", f"{name} ")):
        return error
    return ValueError(f"{name}: {error}")
