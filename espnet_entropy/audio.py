"""Sound files: whatever FFmpeg reads, as one channel of samples at the wanted rate."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_entropy.data import shell_command_error


def read_audio(
    path: Path | str,
    sample_rate: int,
    *,
    max_sec: float | None = None,
    containers: Sequence[str] | None = None,
) -> np.ndarray:
    """One channel of sound at the wanted rate.

    Anything FFmpeg reads is taken; channels are averaged and other rates resampled (by PyAV).

    Args:
        path: sound file.
        sample_rate: Hz.
        max_sec: longer recordings are refused, before the rest of them is decoded.
        containers: FFmpeg's names of the only formats taken. For files of unknown origin: among
            its formats are playlists, which make it open what they name.

    Returns:
        (N,) float32 in [-1, 1].

    Raises:
        ValueError: no such file, no sound in it, it cannot be decoded, or is too long; or the path
            is an address or a shell command, which FFmpeg would open, Kaldi's tools run, and we do
            not.
    """
    _refuse_all_but_files(path)
    import av

    # FFmpeg's own way to one channel adds the channels up; their mean cannot overflow. Channels
    # interleaved: PyAV reads behind the end where more than eight have a plane each.
    resampler = av.AudioResampler(format="flt", rate=sample_rate)
    chunks, most = [], float("inf") if max_sec is None else max_sec * sample_rate
    options = {"format_whitelist": ",".join(containers)} if containers else {}
    try:
        # FFmpeg reads what stands before a colon, as in `12:30.wav`, as a protocol.
        with av.open(os.path.abspath(path), options=options) as container:
            for frame in container.decode(audio=0):
                made = resampler.resample(frame)
                most -= sum(chunk.samples for chunk in made)
                if most < 0:
                    raise ValueError(f"{path} is longer than {max_sec:g} s; cut it, or allow more")
                chunks += made
            chunks += resampler.resample(None)
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ValueError(f"{path} cannot be decoded: {error or 'no audio stream'}") from error
    if not chunks:
        raise ValueError(f"{path} holds no sound")
    samples = np.concatenate(
        [chunk.to_ndarray().reshape(-1, chunk.layout.nb_channels).mean(axis=1) for chunk in chunks]
    )
    if not np.isfinite(samples).all():
        raise ValueError(f"{path} holds NaN or infinite samples")
    return samples


def _refuse_all_but_files(path: Path | str) -> None:
    if not str(path).strip():
        raise ValueError("no sound file is named; give its path behind the utterance in wav.scp")
    if "://" in str(path):
        raise ValueError(f"{path} is an address; it is not opened. Download it and name the file")
    if str(path).lstrip().startswith("|") or str(path).rstrip().endswith("|"):
        raise shell_command_error(path)


def sample_rate_of(path: Path | str) -> int:
    """The rate in Hz at which a sound file was sampled; ValueError if it cannot be read."""
    import av

    _refuse_all_but_files(path)
    try:
        with av.open(os.path.abspath(path)) as container:
            return container.streams.audio[0].rate
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ValueError(f"{path} cannot be decoded: {error or 'no audio stream'}") from error
