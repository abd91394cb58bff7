"""How rows are measured: both sides by turns in one process, and the median of their ratios."""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Row:
    """One ratio of the report.

    Attributes:
        what: the package's side.
        peer: what it is measured against.
        ratio: the package's figure over the peer's, or the other way for `times`; None: not run.
        limit: what the ratio must be; None: only reported.
        at_least: whether the limit is a lower one.
        note: sizes and seconds, or the reason why there is no ratio.
        checked: what was compared for correctness in this run, with the largest difference.
    """

    what: str
    peer: str
    ratio: float | None
    limit: float | None
    at_least: bool = False
    note: str = ""
    checked: str = ""

    @property
    def verdict(self) -> str:
        """`reached`, `short by 20 %` or `not run`."""
        if self.ratio is None:
            return "not run"
        if self.limit is None:
            return "reported"
        missing = self.limit / self.ratio if self.at_least else self.ratio / self.limit
        return "reached" if missing <= 1 else f"short by a factor of {missing:.2f}"

    def cells(self) -> list[str]:
        """A line of the table."""
        sign = "≥" if self.at_least else "≤"
        return [
            self.what,
            self.peer,
            "–" if self.limit is None else f"{sign} {self.limit:g}",
            "–" if self.ratio is None else f"{self.ratio:.3g}",
            self.verdict,
            self.note,
            self.checked or "–",
        ]


def not_run(what: str, peer: str, reason: str, **limits) -> Row:
    """A row without a figure, and why."""
    return Row(what, peer, None, limits.pop("limit", None), note=f"not run: {reason}", **limits)


@dataclass(frozen=True)
class Timing:
    """Seconds of two works that took turns.

    Attributes:
        ours_sec, peer_sec: medians.
        ratio: median over the turns of ours / peer's.
    """

    ours_sec: float
    peer_sec: float
    ratio: float

    def __str__(self) -> str:
        return f"{seconds(self.ours_sec)} against {seconds(self.peer_sec)}"


def clock(device: str) -> float:
    """Seconds: on CPU those this process computed, so that others on the machine count little."""
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def time_of(work: Callable[[], object], device: str) -> float:
    """Seconds of one call."""
    begin = clock(device)
    work()
    return clock(device) - begin


def compare(
    ours: Callable[[], object], peer: Callable[[], object], *, device: str, repeats: int = 5
) -> Timing:
    """Time two works by turns; of several turns, the first does not count.

    Args:
        ours, peer: the works.
        device: `cpu` (seconds of this process, on one thread) or `cuda` (wall clock).
        repeats: turns.
    """
    if repeats > 1:
        ours(), peer()
    times = [(time_of(ours, device), time_of(peer, device)) for _ in range(repeats)]
    return Timing(
        statistics.median(o for o, _ in times),
        statistics.median(p for _, p in times),
        statistics.median(o / p for o, p in times),
    )


def seconds(value: float) -> str:
    """`12.3 ms`, with three digits."""
    unit, scale = ("s", 1) if value >= 1 else ("ms", 1e3) if value >= 1e-3 else ("µs", 1e6)
    return f"{value * scale:.3g} {unit}"


def largest_difference(found: Tensor, expected: Tensor, *, at_most: float) -> float:
    """Of two tensors, relative to the largest expected value where that is above 1.

    Raises:
        ValueError: it is above `at_most`, or not a number: what was timed is wrong.
    """
    if found.shape != expected.shape:
        raise ValueError(f"shapes {tuple(found.shape)} and {tuple(expected.shape)} differ")
    expected = expected.double()
    scale = max(1.0, expected.abs().max().item())
    difference = ((found.double() - expected).abs().max() / scale).item()
    if not difference <= at_most or math.isnan(difference):
        raise ValueError(f"differs from the reference by {difference:.3g}, above {at_most:.3g}")
    return difference
