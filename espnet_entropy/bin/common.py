"""What the commands share: parsers, devices, errors and warnings."""

import logging
import sys
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import yaml
from espnet2.utils import config_argparse
from tqdm import tqdm

from espnet_entropy.data.audio import SoundWarning
from espnet_entropy.data.running import Stopwatch

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


def command(get_parser: Callable) -> Callable:
    """A decorator that turns a function of parsed arguments into a command's `main(cmd=None)`.

    Errors in the user's input end the command with a message (`user_errors`).
    """

    def decorate(run: Callable) -> Callable:
        def main(cmd=None):
            args = get_parser().parse_args(cmd)
            with user_errors():
                run(args)

        main.__module__ = run.__module__
        main.__doc__ = run.__doc__ or run.__globals__["__doc__"]
        return main

    return decorate


def mapping(text: str) -> dict:
    """Argument type: a YAML mapping such as `{path: downloads/model, layer: 3}`."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{text!r} is no YAML: {error}") from error  # what argparse reports
    if not isinstance(content, dict):
        raise ValueError(f"{text!r} is not a mapping")
    return content


def add_cost_arguments(parser) -> None:
    """Settings of segmenters on which thresholds depend."""
    from espnet_entropy.segment.calibration import Calibration

    parser.add_argument(
        "--gap_cost", type=float, default=Calibration.gap_cost, help="of dp, as models set it"
    )
    parser.add_argument(
        "--content", type=mapping, default={}, help="of content, e.g. {distortion_weight: 4}"
    )


def add_calibration_arguments(parser) -> None:
    """--calibration, --codebook."""
    parser.add_argument("--calibration", required=True, help="YAML written by calibrate")
    parser.add_argument(
        "--codebook", help="folder of learn_codebook, or a bundle; segmenter content reads it"
    )


def load_calibration(args):
    """The calibration, with the points of the units if a codebook is given."""
    from espnet_entropy.segment.calibration import Calibration

    calibration = Calibration.load(args.calibration)
    if args.codebook is None:
        return calibration
    centroids, origin = read_centroids(args.codebook)
    calibration.check_origin(args.calibration, origin, args.codebook)
    return calibration.with_points(centroids)


def read_centroids(folder: str):
    """The (K, D) centroids of a codebook's folder or of a bundle, and their origin."""
    from espnet_entropy.data.kaldi import file_hash
    from espnet_entropy.data.origin import Origin
    from espnet_entropy.units.codebook import Codebook

    path = Path(folder) / "codebook.safetensors"
    return Codebook.load(path).centroids, Origin(file_hash(path), None)


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


def add_dump_arguments(parser, output: str) -> None:
    """--wav_scp, --channel, --output and the options that cut a set into shards."""
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    add_channel_argument(parser)
    parser.add_argument("--output", required=True, help=output)
    add_shard_arguments(parser)
    add_failure_argument(parser)


def shard_options(args) -> dict:
    """Arguments of `make_recordings_shard` from the options of `add_dump_arguments`."""
    names = ("wav_scp", "channel", "output", "shard", "num_shards")
    return {name: getattr(args, name) for name in names} | dict(max_failed=args.max_failed_utts)


def print_shard(stopwatch: Stopwatch, shard: int, table: dict | None, shift_sec: float) -> None:
    """Print a summary of a shard if it was made; `table` is what `make_shard` returned."""
    if table is not None:
        frames = sum(entry.shape[0] for entry in table.values())
        print(stopwatch.summary(f"shard {shard}", len(table), frames, shift_sec))


def add_recording_arguments(parser) -> None:
    """Sound files, --wav_scp, --list and --channel."""
    parser.add_argument(
        "--wav_scp", help="Kaldi table of recordings; a segments file beside it is used"
    )
    parser.add_argument("--list", help="file with one path per line; - reads standard input")
    add_channel_argument(parser)
    parser.add_argument("files", nargs="*", help="sound files of any format and rate")


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
