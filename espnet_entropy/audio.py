"""Sound files: whatever FFmpeg reads, as one channel of samples at the wanted rate."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from espnet_entropy.data import shell_command_error


class SoundWarning(UserWarning):
    """A sound file was read, but not all of it, or not as it may be meant."""


def read_audio(
    source: Path | str | BinaryIO,
    sample_rate: int,
    *,
    channel: int | None = None,
    max_sec: float | None = None,
    containers: Sequence[str] | None = None,
) -> np.ndarray:
    """One channel of sound at the wanted rate.

    Anything FFmpeg reads is taken; channels are averaged and other rates resampled (by PyAV).

    Args:
        source: sound file, by its path or opened; an opened one is read from its beginning, and
            messages call it by its attribute `name`, if it has one.
        sample_rate: Hz.
        channel: the only channel taken, from 1; None: the mean of all.
        max_sec: longer recordings are refused, before the rest of them is decoded.
        containers: FFmpeg's names of the only formats taken. For files of unknown origin: among
            its formats are playlists, which make it open what they name.

    Returns:
        (N,) float32 in [-1, 1].

    Raises:
        ValueError: no such file, no sound in it, it cannot be decoded, is too long, or has no such
            channel; or the path is an address or a shell command, which FFmpeg would open, Kaldi's
            tools run, and we do not.
    """
    name = _name(source)
    import av

    # FFmpeg's own way to one channel adds the channels up; their mean cannot overflow. Channels
    # interleaved: PyAV reads behind the end where more than eight have a plane each.
    resampler = av.AudioResampler(format="flt", rate=sample_rate)
    blocks, most = [], float("inf") if max_sec is None else max_sec * sample_rate
    options = {"format_whitelist": ",".join(containers)} if containers else {}
    try:
        with av.open(_opened(source), options=options) as container:
            for frame in itertools.chain(container.decode(audio=0), [None]):
                for chunk in resampler.resample(frame):
                    most -= chunk.samples
                    if most < 0:
                        raise ValueError(
                            f"{name} is longer than {max_sec:g} s; cut it, or allow more"
                        )
                    block = chunk.to_ndarray().reshape(-1, chunk.layout.nb_channels)
                    blocks.append(_one_channel(block, channel, name))
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ValueError(f"{name} cannot be decoded: {error or 'no audio stream'}") from error
    if not blocks:
        raise ValueError(f"{name} holds no sound")
    samples = np.concatenate(blocks)
    if not np.isfinite(samples).all():
        raise ValueError(f"{name} holds NaN or infinite samples")
    return samples


def _one_channel(block: np.ndarray, channel: int | None, name: str) -> np.ndarray:
    """(N, channels) -> (N,): one of the channels, or their mean."""
    if channel is None:
        return block.mean(axis=1)
    if not 1 <= channel <= block.shape[1]:
        have = "1 channel" if block.shape[1] == 1 else f"{block.shape[1]} channels"
        raise ValueError(f"{name} has {have}, and no channel {channel}; channels count from 1")
    return block[:, channel - 1].copy()  # a view would keep all channels in memory


def _opened(source: Path | str | BinaryIO) -> str | BinaryIO:
    """What PyAV opens: FFmpeg reads what is before a colon, as in `12:30.wav`, as a protocol."""
    return os.path.abspath(source) if isinstance(source, str | Path) else source


def _name(source: Path | str | BinaryIO) -> str:
    """What messages call a source; ValueError if it is a path that is not a file's."""
    if not isinstance(source, str | Path):
        return str(getattr(source, "name", "the opened sound file"))
    _refuse_all_but_files(source)
    return str(source)


def _refuse_all_but_files(path: Path | str) -> None:
    if not str(path).strip():
        raise ValueError("no sound file is named; give its path behind the utterance in wav.scp")
    if "://" in str(path):
        raise ValueError(f"{path} is an address; it is not opened. Download it and name the file")
    if str(path).lstrip().startswith("|") or str(path).rstrip().endswith("|"):
        raise shell_command_error(path)


def sample_rate_of(source: Path | str | BinaryIO) -> int:
    """The rate in Hz at which a sound file was sampled; ValueError if it cannot be read."""
    name = _name(source)
    import av

    try:
        with av.open(_opened(source)) as container:
            return container.streams.audio[0].rate
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ValueError(f"{name} cannot be decoded: {error or 'no audio stream'}") from error
