"""Sound files: all formats that FFmpeg reads, as one channel at a given rate; WAVs are written."""

import io
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from espnet_entropy.data.decoding import WITHOUT_CLOCK, Decoder
from espnet_entropy.data.kaldi import atomic_bytes, shell_command_error
from espnet_entropy.data.sound_header import misread, ogg_lacks_end, stated_seconds, unread_bytes

# The mean of uncorrelated channels has 1 / channels of their mean energy (two speakers with a
# channel each, noise, microphones far apart). These thresholds are shares of that energy. The share
# is near 0 if one channel is another one inverted. Good recordings are far above: if the distance
# between microphones delays a voice by half of its period, one octave is lost, but not the others.
CANCELLED, WEAKENED = 0.1, 0.5
# Louder than any float audio, quieter than any 16-bit integer recording cast to float.
MAX_PEAK = 16.0


class SoundWarning(UserWarning):
    """A sound file was read, but some of its sound is or may be missing."""


def read_audio(
    source: Path | str | BinaryIO,
    sample_rate: int,
    *,
    channel: int | None = None,
    max_sec: float | None = None,
    containers: Sequence[str] | None = None,
) -> np.ndarray:
    """Read a sound file of any format that FFmpeg reads, resampled by PyAV to one channel.

    Args:
        source: path of a sound file, or an opened file, which is read from its beginning; messages
            use its attribute `name`, if it has one.
        sample_rate: Hz.
        channel: number of the channel to read, from 1; None gives the mean of all channels.
        max_sec: longer recordings are refused, before the rest of them is decoded.
        containers: FFmpeg's names of the formats to accept; None accepts all. Use it for files of
            unknown origin, because playlists make FFmpeg open other files.

    Returns:
        (N,) float32 in [-1, 1].

    Raises:
        ValueError: the file does not exist, holds no sound, cannot be decoded, is too long, has
            samples beyond MAX_PEAK, or does not have the channel; or the path is an address, which
            FFmpeg would open, or a shell command, which Kaldi's tools would run.
    """
    name = _name(source)
    mix, blocks = _Mix(name, channel), []
    most = float("inf") if max_sec is None else max_sec * sample_rate
    with _opened(source, name, containers) as container:
        with _bytes(source) as file:
            if reason := misread(file, container):
                raise ValueError(f"{name} {reason}")
        decoder = Decoder(container, sample_rate)
        for block in decoder.blocks():
            most -= len(block)
            if most < 0:
                raise ValueError(f"{name} is longer than {max_sec:g} s; cut it, or allow more")
            blocks.append(mix.one_channel(block))
        if decoder.failed > decoder.packets / 2:
            raise ValueError(
                f"{name} cannot be decoded: {decoder.failed} of {decoder.packets} packets are "
                f"broken ({_reason(decoder.error)})"
            )
        if not blocks:
            raise ValueError(f"{name} holds no sound")
        samples = np.concatenate(blocks)
        if not np.isfinite(samples).all():
            raise ValueError(f"{name} holds NaN or infinite samples")
        peak = max(samples.max(initial=0), -samples.min(initial=0))
        if peak > MAX_PEAK:
            raise ValueError(
                f"{name} holds samples up to {peak:.4g}, but sound lies in [-1, 1]; divide what "
                "was 16-bit integers by 32768"
            )
        faults = list(_faults(source, container, decoder, len(samples) / sample_rate))
    for fault in [*mix.faults(), *faults]:
        warnings.warn(f"{name} {fault}", SoundWarning, stacklevel=2)
    return samples


class _Mix:
    """Mixes channels down to one, and measures whether they cancel each other out."""

    def __init__(self, name: str, channel: int | None):
        self.name, self.channel = name, channel
        # Energy of the channels' mean, and the energy that it would have if they were uncorrelated.
        self.kept = self.uncorrelated = 0.0

    def one_channel(self, block: np.ndarray) -> np.ndarray:
        """(N, channels) -> (N,): one of the channels, or their mean."""
        channels = block.shape[1]
        if self.channel is None:
            if channels > 1:
                # Without each block's offset, because opposite offsets cancel out without a fault.
                with np.errstate(invalid="ignore", over="ignore"):
                    centred = block - block.mean(axis=0)
                    products = centred.T @ centred / channels**2
                self.kept += float(products.sum())
                self.uncorrelated += float(products.trace())
            return block.mean(axis=1)
        if not 1 <= self.channel <= channels:
            have = "1 channel" if channels == 1 else f"{channels} channels"
            raise ValueError(
                f"{self.name} has {have}, and no channel {self.channel}; channels count from 1"
            )
        return block[:, self.channel - 1].copy()  # a view would keep all channels in memory

    def faults(self) -> Iterator[str]:
        """Messages for warnings; ValueError if the channels cancel each other out."""
        if self.kept >= WEAKENED * self.uncorrelated:
            return
        share = f"{100 * self.kept / self.uncorrelated:.2g} %"
        if self.kept < CANCELLED * self.uncorrelated:
            raise ValueError(
                f"{self.name}: its channels cancel each other out: their mean has {share} of the "
                "energy that it would have for uncorrelated channels, so one is probably inverted; "
                "read one of them with --channel 1, or convert the file to one channel"
            )
        yield (
            f"has channels that partly cancel each other out: their mean has {share} of the energy "
            "that it would have for uncorrelated channels; use --channel 1 if you do not want this"
        )


def _faults(source, container, decoder: Decoder, seconds: float) -> Iterator[str]:
    """Messages about sound that is or may be missing, as words after the file's name."""
    if len(container.streams.audio) > 1:
        yield f"has {len(container.streams.audio)} audio streams; only the first one is read"
    if decoder.gaps:
        lost, first = sum(length for _, length in decoder.gaps), decoder.gaps[0][0]
        where = f"at {first:.2f} s"
        if len(decoder.gaps) > 1:
            where = f"in {len(decoder.gaps)} places, the first {where}"
        yield f"lacks {lost:.2f} s of sound {where}; silence replaces them"
    elif decoder.failed and not decoder.cut:
        yield f"has {decoder.failed} broken packets of {decoder.packets}; they are left out"
    if decoder.failed and container.format.name in {*WITHOUT_CLOCK, "amr"}:
        yield "has no time stamps, so times after its damage may be off by some frames"
    for time in decoder.jumps:
        yield f"has time stamps that jump ahead at {time:.2f} s; the sound is joined there"
    with _bytes(source) as file:
        stated = stated_seconds(file, container)
        # Video and pictures may be longer than the sound.
        slack = 0.1 if len(container.streams) == 1 else 1.0
        is_ogg, is_wav = (container.format.name == name for name in ("ogg", "wav"))
        if stated and stated > decoder.end + slack:
            yield f"is truncated: its header states {stated:.2f} s, but {seconds:.2f} s are read"
        elif decoder.stopped:
            yield f"cannot be read beyond {seconds:.2f} s: {_reason(decoder.stopped)}"
        elif (decoder.cut and not is_wav) or (is_ogg and ogg_lacks_end(file)):
            yield f"ends too early and may be truncated; {seconds:.2f} s are read"
        if is_wav and (unread := unread_bytes(file)):
            yield f"has {unread} bytes after the sound that its header states; they are not read"


@contextmanager
def _bytes(source: Path | str | BinaryIO) -> Iterator[BinaryIO]:
    """The bytes of a source, beside FFmpeg; empty for a pipe, which can only be read once."""
    if not isinstance(source, str | Path):
        place = source.tell()
        yield source
        source.seek(place)
    elif os.path.isfile(source):
        with open(source, "rb") as file:
            yield file
    else:
        yield io.BytesIO()


@contextmanager
def _opened(source: Path | str | BinaryIO, name: str, containers: Sequence[str] | None = None):
    """A PyAV container with an audio stream; its errors become ValueErrors with the name."""
    import av

    # FFmpeg would take the part before a colon, as in `12:30.wav`, for a protocol.
    if isinstance(source, str | Path):
        source = os.path.abspath(source)
    else:
        source.seek(0)
    options = {"format_whitelist": ",".join(containers)} if containers else {}
    # Tags may have any encoding; they are not used here. PyAV 19 and later accept all encodings.
    is_strict = int(av.__version__.split(".")[0]) < 19
    tags = {"metadata_errors": "replace"} if is_strict else {}
    try:
        with av.open(source, options=options, **tags) as container:
            if not container.streams.audio:
                raise ValueError(f"{name} holds no sound: it has no audio stream")
            if container.streams.audio[0].codec_context is None:
                raise ValueError(f"{name} cannot be decoded: FFmpeg does not know its codec")
            yield container
    except (OSError, av.FFmpegError) as error:
        raise ValueError(f"{name} cannot be decoded: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _name(source: Path | str | BinaryIO) -> str:
    """The name of a source in messages; ValueError if a path is an address or a command."""
    if not isinstance(source, str | Path):
        return str(getattr(source, "name", "the opened sound file"))
    refuse_all_but_files(source)
    return str(source)


def refuse_all_but_files(path: Path | str) -> None:
    """Raise ValueError, with the way out, for an empty name, an address or a shell command."""
    if not str(path).strip():
        raise ValueError("no sound file is given; write its path after the utterance in wav.scp")
    if "://" in str(path):
        raise ValueError(f"{path} is an address, which is not opened; download the file")
    if str(path).lstrip().startswith("|") or str(path).rstrip().endswith("|"):
        raise shell_command_error(path)


def sample_rate_of(source: Path | str | BinaryIO) -> int:
    """The rate in Hz at which a sound file was sampled; ValueError if it cannot be read."""
    with _opened(source, _name(source)) as container:
        return container.streams.audio[0].rate


def write_wave(path: Path | str, wave: np.ndarray, sample_rate: int) -> None:
    """Write (N,) float samples in [-1, 1] as a WAV of 16 bits, which appears only when complete."""
    import soundfile

    with atomic_bytes(path) as file:
        soundfile.write(file, wave, sample_rate, format="WAV", subtype="PCM_16")
