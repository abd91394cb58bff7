"""File formats: Kaldi tables and arks, YAML, JSON, safetensors.

Everything is written under a temporary name and moved into place when whole, so a file that
exists is complete.
"""

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from kaldiio.matio import read_kaldi

if TYPE_CHECKING:
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


def write_tensors(path: Path | str, tensors: "dict[str, Tensor]") -> None:
    """A safetensors file, which appears at `path` only when whole."""

    # Not by its own `save_file`, whose files nobody else may read (mode 0600).
    write_bytes(path, tensor_bytes(tensors))


def tensor_bytes(tensors: "dict[str, Tensor]") -> bytes:
    """The content of a safetensors file; equal tensors give equal bytes."""
    from safetensors.torch import save  # imports torch, for which a command's help need not wait

    return save({name: tensor.cpu().contiguous() for name, tensor in tensors.items()})


def file_hash(path: Path | str) -> str:
    """sha256 of a file, hexadecimal; ValueError if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def split_ark(entry: str) -> tuple[str, int | None]:
    """`wav.ark:12` -> path and offset; a file has no offset, even if its name is like this."""
    found = re.fullmatch(r"(.+):(\d+)", entry)
    if found is None or Path(entry).is_file():
        return entry, None
    return found[1], int(found[2])


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


def read_json(path: Path | str):
    """Content of a JSON file; ValueError names the file if it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def write_json(path: Path | str, content) -> None:
    """Write plain values as JSON; NaN, which JSON does not know, becomes null."""

    def known(value):
        if isinstance(value, dict):
            return {name: known(one) for name, one in value.items()}
        if isinstance(value, list | tuple):
            return [known(one) for one in value]
        return None if isinstance(value, float) and math.isnan(value) else value

    with atomic_text(path) as file:
        file.write(json.dumps(known(content), indent=2, ensure_ascii=False) + "\n")


def read_table(path: Path | str) -> dict[str, str]:
    """A Kaldi table: `key value ...` lines, split at the first spaces or tabs.

    Returns:
        Keys in the file's order; a key without a value has "".

    Raises:
        ValueError: the file is missing, not UTF-8 or begins with a byte order mark, or a key
            occurs twice.
    """
    table = {}
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            raise ValueError(f"{path}, line {number}: empty line; remove it")
        key, value, *_ = *line.split(maxsplit=1), ""
        if key in table:
            raise ValueError(f"{path}, line {number}: {key} occurs a second time; remove one line")
        table[key] = value.strip()
    return table


def read_lines(path: Path | str) -> Iterator[str]:
    """Iterate over the lines of a text file, without their ends (LF or CRLF).

    Args:
        path: the file; `-` is standard input.

    Raises:
        ValueError: the file is missing, not UTF-8, or begins with a byte order mark.
    """
    try:
        with open(0 if path == "-" else path, encoding="utf-8", closefd=path != "-") as file:
            for number, line in enumerate(file, 1):
                if line.startswith("\ufeff"):
                    # Here and in Kaldi's and ESPnet's tools it would be a part of the first key.
                    raise ValueError(
                        f"{path}, line {number}: byte order mark; save the file as UTF-8 without it"
                    )
                yield line.removesuffix("\n")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from error


def write_table(path: Path | str, table: dict[str, str]) -> None:
    """Write a Kaldi table in C-locale order, which ESPnet's readers expect."""
    with atomic_text(path) as file:
        for key in sorted(table):
            file.write(f"{key} {table[key]}\n")


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
        raise shell_command_error(entry)
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


def shell_command_error(entry: Path | str) -> ValueError:
    """The refusal of an entry that Kaldi's tools would execute."""
    return ValueError(
        f"{str(entry)!r} is a shell command; it is not run. Write its output to files and name them"
    )
