"""File formats: Kaldi tables and arks, YAML, safetensors, sound.

Everything is written under a temporary name and moved into place when whole, so a file that
exists is complete.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import yaml
from kaldiio.matio import read_kaldi
from safetensors.torch import save
from torch import Tensor

# What a binary entry of ours starts with. kaldiio knows other ones, pickles among them.
ARK_STARTS = (b"\0BFM ", b"\0BDM ", b"\0BFV ", b"\0BDV ", b"\0B\4")


@contextmanager
def atomic_text(path: Path | str) -> Iterator:
    """A text file that appears at `path` only if the block ends without an error."""
    with _atomic(path, "w", encoding="utf-8") as file:
        yield file


@contextmanager
def atomic_bytes(path: Path | str) -> Iterator:
    """The same of a binary file."""
    with _atomic(path, "wb") as file:
        yield file


@contextmanager
def _atomic(path: Path | str, mode: str, **options) -> Iterator:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes) -> None:
    """A binary file, which appears at `path` only when whole."""
    with _atomic(path, "wb") as file:
        file.write(content)


def write_tensors(path: Path | str, tensors: dict[str, Tensor]) -> None:
    """A safetensors file, which appears at `path` only when whole."""
    # Not by its own `save_file`, whose files nobody else may read (mode 0600).
    content = save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})
    write_bytes(path, content)


def read_yaml(path: Path | str) -> dict:
    """A YAML mapping; ValueError names the file if it is missing, broken or none."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a mapping of keys to values")
    return content


def write_yaml(path: Path | str, content: dict) -> None:
    """Write a mapping, keys in their order."""
    with atomic_text(path) as file:
        yaml.safe_dump(content, file, sort_keys=False, allow_unicode=True)


def read_table(path: Path | str) -> dict[str, str]:
    """A Kaldi table: `key value ...` lines.

    Returns:
        Keys in the file's order; a key without a value has "".

    Raises:
        ValueError: the file is missing, not UTF-8 or begins with a byte order mark, or a key
            stands in it twice.
    """
    table = {}
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.startswith("\ufeff"):
                    # It would be a part of the first key, here and in Kaldi's and ESPnet's tools.
                    raise ValueError(
                        f"{path}, line {number}: a byte order mark; save the file as UTF-8 without"
                    )
                if not line.strip():
                    raise ValueError(f"{path}, line {number}: empty line")
                key, value, *_ = *line.split(maxsplit=1), ""
                if key in table:
                    raise ValueError(f"{path}, line {number}: {key} stands there twice")
                table[key] = value.strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from error
    return table


def write_table(path: Path | str, table: dict[str, str]) -> None:
    """Write a Kaldi table in C-locale order, which ESPnet's readers expect."""
    with atomic_text(path) as file:
        for key in sorted(table):
            file.write(f"{key} {table[key]}\n")


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
        raise _shell_command(path)


def sample_rate_of(path: Path | str) -> int:
    """The rate in Hz at which a sound file was sampled; ValueError if it cannot be read."""
    import av

    _refuse_all_but_files(path)
    try:
        with av.open(os.path.abspath(path)) as container:
            return container.streams.audio[0].rate
    except (OSError, IndexError, av.FFmpegError) as error:
        raise ValueError(f"{path} cannot be decoded: {error or 'no audio stream'}") from error


def read_matrix(entry: str) -> np.ndarray:
    """One binary ark entry, `file.ark:offset`.

    Returns:
        float32 or float64 (T, D) or (T,), or int32 (T,).

    Raises:
        ValueError: the ark is missing, cut off or broken, or no binary matrix or vector starts
            there; or the entry is a shell command, which Kaldi's tools would run and we do not.
    """
    # kaldiio's own parser of entries is not used: it runs the command in `command |[0:3]` too.
    if "|" in entry:
        raise _shell_command(entry)
    path, _, offset = entry.rpartition(":")
    try:
        with open(path, "rb") as file:
            file.seek(int(offset))
            start = file.read(5)
            if not start.startswith(ARK_STARTS):
                raise ValueError(f"no binary matrix or vector starts there, but {start!r}")
            file.seek(int(offset))
            return read_kaldi(file)
    except Exception as error:  # kaldiio's readers raise all kinds on broken bytes
        raise ValueError(
            f"{entry} cannot be read: {error}; paths are relative to the "
            "recipe's folder: run from there, or make this dump again"
        ) from error


def _shell_command(entry: Path | str) -> ValueError:
    return ValueError(
        f"{str(entry)!r} is a shell command; it is not run. Write its output to files and name them"
    )
