"""What the commands share: parsers, progress, summary lines."""

import logging
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

from espnet_entropy.data.audio import SoundWarning

# Warnings of other libraries about their own code: category, and module that causes the warning.
IGNORED_WARNINGS = (
    (FutureWarning, r"espnet2\."),
    (FutureWarning, r"torch\.nn\.utils\.weight_norm$"),
    (UserWarning, r"pyworld$"),
)
# Warnings that ESPnet logs for a model with a valid config.
IGNORED_LOGS = ("Set decoder to none as ctc_weight==1.0",)


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
        help="number of the channel to read, from 1 (default: that of reco2file_and_channel beside "
        "wav.scp if the file exists, else the mean of all channels)",
    )


def add_recording_arguments(parser) -> None:
    """Sound files, --wav_scp, --list and --channel."""
    parser.add_argument(
        "--wav_scp", help="Kaldi table of recordings; a segments file beside it is used"
    )
    parser.add_argument("--list", help="file with one path per line; - reads standard input")
    add_channel_argument(parser)
    parser.add_argument("files", nargs="*", help="sound files of any format and rate")


def named_recordings(args) -> dict:
    """`Recording`s of `add_recording_arguments`: files by path, those of a table by utterance.

    Raises:
        ValueError: no or several of the options are given, there are no recordings, a file is
            named twice, or a file does not exist and --max_failed_utts is 0.
    """
    from espnet_entropy.data.kaldi import read_lines
    from espnet_entropy.data.recordings import Recording, check_source, read_recordings

    if sum((bool(args.files), args.wav_scp is not None, args.list is not None)) != 1:
        raise ValueError("give one of these: sound files, --wav_scp, or --list")
    if args.wav_scp is not None:
        recordings = read_recordings(args.wav_scp, channel=args.channel)
    else:
        paths = args.files or [line.strip() for line in read_lines(args.list) if line.strip()]
        check_named_once(paths)
        recordings = {path: Recording(path, path, args.channel) for path in paths}
    if not recordings:
        raise ValueError(f"{args.wav_scp or args.list} has no recordings")
    if args.max_failed_utts:
        return recordings
    for name, recording in recordings.items():
        try:
            check_source(recording.source)  # before a model is loaded and recordings are decoded
        except ValueError as error:
            raise named_error(name, error) from error
    return recordings


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
        from espnet_entropy.data.kaldi import write_table

        if self.reasons:
            write_table(path, self.reasons)
        else:
            Path(path).unlink(missing_ok=True)


def check_named_once(names: list[str]) -> None:
    """Raise ValueError if a name occurs twice, since one result would replace the other."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice; give each recording once")


def named_error(name: str, error: ValueError) -> ValueError:
    """The error with the recording's name before it, unless it begins with that name."""
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
def known_warnings_ignored():
    """Ignore IGNORED_WARNINGS and IGNORED_LOGS; all other warnings are shown.

    At the end, the filters of warnings are those from before.
    """

    def is_wanted(record: logging.LogRecord) -> bool:
        return record.getMessage() not in IGNORED_LOGS

    logging.getLogger().addFilter(is_wanted)
    try:
        with warnings.catch_warnings():
            for category, module in IGNORED_WARNINGS:
                warnings.filterwarnings("ignore", category=category, module=module)
            yield
    finally:
        logging.getLogger().removeFilter(is_wanted)


@contextmanager
def user_errors():
    """End a command with the message of an error, without a traceback.

    Each SoundWarning is printed once, as a line `warning: ...`, even if a file is read repeatedly.
    """
    try:
        with known_warnings_ignored():
            warnings.simplefilter("always", SoundWarning)
            warnings.showwarning = _shown(warnings.showwarning)
            yield
    except (ValueError, OSError) as error:
        # One line per item, so that the last line of a log, and a grep for "error:", are complete.
        items = (" ".join(item.split()) for item in str(error).split("\n- "))
        sys.exit("error: " + "\n- ".join(items))


def _shown(others: Callable) -> Callable:
    """A `showwarning` that prints each SoundWarning once, above the progress bar."""
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
