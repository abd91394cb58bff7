"""Files of a data folder: FLAC at the recipe's sample rate, tables, and who writes them."""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

RATE = 16000  # Hz


def is_current(path: Path, source: Path | str, samples: int) -> bool:
    """Whether `path` holds all samples, and nobody has replaced `source` since it was made.

    It is decoded to the end: a cut-off FLAC still has a header that promises all samples. The
    source's change time counts, because unpacking and copying may keep an older modification time.
    """
    try:
        changed = os.stat(source)
        if path.stat().st_mtime_ns < max(changed.st_mtime_ns, changed.st_ctime_ns):
            return False
        return len(soundfile.read(path, dtype="int16")[0]) == samples
    except (soundfile.LibsndfileError, OSError):
        return False


def write_atomically(path: Path, content: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(content, encoding="utf-8")
    os.replace(partial, path)


def write_flac(path: Path, wave: np.ndarray) -> None:
    """`wave` (N,) int16 or float at 16 kHz, under a temporary name until it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    soundfile.write(partial, wave, RATE, format="FLAC", subtype="PCM_16")
    os.replace(partial, path)


def total_samples(write: Callable[[tuple], int], jobs: list[tuple], nj: int, what: str) -> int:
    """The sum of the results of `write` for all jobs; see `run_jobs`."""
    return sum(run_jobs(write, jobs, nj, what))


def run_jobs(write: Callable[[tuple], object], jobs: list[tuple], nj: int, what: str) -> list:
    """Run `write` on all jobs in `nj` processes; returns its results in the order of the jobs.

    Raises:
        ValueError: `write` did, or a process was killed (multiprocessing.Pool would wait for ever).
    """
    try:
        with ProcessPoolExecutor(nj) as pool:
            done = pool.map(write, jobs, chunksize=8)
            return list(tqdm(done, total=len(jobs), desc=what, unit="clip"))
    except BrokenProcessPool:
        raise ValueError(
            f"{what}: one of {nj} processes was killed, perhaps for want of memory; run again "
            "(what is done stays), if need be with a smaller --nj"
        ) from None
