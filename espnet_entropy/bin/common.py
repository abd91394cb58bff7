"""What the commands share: parsers, progress, summary lines."""

import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sized
from contextlib import contextmanager
from pathlib import Path

import yaml
from espnet2.utils import config_argparse
from tqdm import tqdm

from espnet_entropy.audio import SoundWarning


def make_parser(description: str) -> config_argparse.ArgumentParser:
    """A parser that also takes `--config x.yaml`."""
    import argparse

    return config_argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )


def mapping(text: str) -> dict:
    """Argument type: a YAML mapping such as `{path: downloads/model, layer: 3}`."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{text!r} is no YAML: {error}") from error  # what argparse reports
    if not isinstance(content, dict):
        raise ValueError(f"{text!r} is not a mapping")
    return content


def add_shard_arguments(parser) -> None:
    """--num_shards, --shard, --device."""
    parser.add_argument("--num_shards", type=int, default=1, help="into how many the set is cut")
    parser.add_argument("--shard", type=int, default=1, help="which one to make, from 1")
    parser.add_argument("--device", default="cpu", help="torch device")


def add_failure_argument(parser) -> None:
    """--max_failed_utts."""
    parser.add_argument(
        "--max_failed_utts",
        type=int,
        default=0,
        help="recordings that may fail and are then left out and listed, not dropped unnoticed",
    )


def add_channel_argument(parser) -> None:
    """--channel."""
    parser.add_argument(
        "--channel",
        type=int,
        help="the only channel to read, from 1; else the file reco2file_and_channel beside wav.scp "
        "decides, or the mean of all channels is taken",
    )


def add_recording_arguments(parser) -> None:
    """Sound files, --wav_scp, --list and --channel."""
    parser.add_argument(
        "--wav_scp", help="Kaldi table of recordings, cut by segments beside it, in place of files"
    )
    parser.add_argument("--list", help="file of recordings, one path per line; - is standard input")
    add_channel_argument(parser)
    parser.add_argument("files", nargs="*", help="sound files of any format and rate")


def named_recordings(args) -> dict:
    """`Recording`s of `add_recording_arguments`, files by their path and those of a table by name.

    Raises:
        ValueError: there are none, more than one option names some, a file is named twice, or one
            is no file, unless --max_failed_utts leaves some out.
    """
    from espnet_entropy.data import read_lines
    from espnet_entropy.recordings import Recording, check_source, read_recordings

    if sum((bool(args.files), args.wav_scp is not None, args.list is not None)) != 1:
        raise ValueError("give sound files, or --wav_scp, or --list: one of them")
    if args.wav_scp is not None:
        recordings = read_recordings(args.wav_scp, channel=args.channel)
    else:
        paths = args.files or [line.strip() for line in read_lines(args.list) if line.strip()]
        check_named_once(paths)
        recordings = {path: Recording(path, path, args.channel) for path in paths}
    if not recordings:
        raise ValueError(f"{args.wav_scp or args.list} names no recordings")
    if args.max_failed_utts:
        return recordings
    for name, recording in recordings.items():
        try:
            check_source(recording.source)  # before a model is loaded and the first is decoded
        except ValueError as error:
            raise named_error(name, error) from error
    return recordings


class Failures:
    """Utterances that were left out, and why; as long as there are not too many.

    Args:
        most: how many may be left out.
        what: goes before their names in messages.
    """

    def __init__(self, most: int, what: str = "utt "):
        self.most, self.what = most, what
        self.reasons: dict[str, str] = {}

    def leave_out(self, utt: str, error: ValueError) -> None:
        """Note and tell it; ValueError if this one is not tolerated any more."""
        self.reasons[utt] = " ".join(str(error).split())
        if len(self.reasons) > self.most:
            raise named_error(f"{self.what}{utt}", error) from error
        print(f"left out: {named_error(f'{self.what}{utt}', error)}", file=sys.stderr, flush=True)

    def write(self, path: Path | str) -> None:
        """A table of them; where there are none, a former one is removed."""
        from espnet_entropy.data import write_table

        if self.reasons:
            write_table(path, self.reasons)
        else:
            Path(path).unlink(missing_ok=True)


def check_named_once(names: list[str]) -> None:
    """ValueError if a name occurs twice: one result would take the place of the other."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; name each recording once")


def named_error(name: str, error: ValueError) -> ValueError:
    """The error of a recording with its name, which a file's errors begin with already."""
    if str(error).startswith((f"{name}: ", f"{name} ")):
        return error
    return ValueError(f"{name}: {error}")


def progress(items: Iterable, description: str, total: int | None = None) -> Iterable:
    """A progress bar on standard error; in log files a line every ten seconds."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    interval = 0.1 if sys.stderr.isatty() else 10.0
    return tqdm(items, desc=description, total=total, mininterval=interval, file=sys.stderr)


def usable_device(name: str) -> str:
    """The name of a torch device on which something can be put.

    Raises:
        ValueError: there is no such device here.
    """
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:  # the latter from a torch without CUDA
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used: {reason}; try --device cpu") from error
    return name


@contextmanager
def user_errors():
    """Bad input ends a command with its message, not with a traceback.

    What sound files lack is a line `warning: ...`, once for each file however often it is read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", SoundWarning)
            warnings.showwarning = _shown(warnings.showwarning)
            yield
    except (ValueError, OSError) as error:
        # A line an item: a log's last line, and a grep for "error:", then say all of it.
        items = (" ".join(item.split()) for item in str(error).split("\n- "))
        sys.exit("error: " + "\n- ".join(items))


def _shown(others: Callable) -> Callable:
    """What shows warnings: each of ours once, as a line above the progress bar."""
    seen = set()

    def show(message, category, *where, **options):
        line = "warning: " + " ".join(str(message).split())
        if not issubclass(category, SoundWarning):
            others(message, category, *where, **options)
        elif line not in seen:
            seen.add(line)
            tqdm.write(line, file=sys.stderr)

    return show


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
