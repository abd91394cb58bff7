"""Records of what results were made from, so that a result of other inputs is never used.

A record holds settings (hashes of model files, options) and a fingerprint of each input file.
Fingerprints are compared by path, size and times, which does not read the files. If path or times
differ and the size does not (a folder was moved, copied or touched), the contents are compared.
"""

import json
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from espnet_entropy.data.kaldi import atomic_text, file_hash, split_ark

FORMAT = 1


class Source(NamedTuple):
    """The place of an input.

    Attributes:
        path: a file.
        part: the part of it that is used, such as a channel or an offset; "" is the whole file.
        is_ark: whether the file holds many inputs; a fingerprint then has no hash of its content.
    """

    path: str
    part: str = ""
    is_ark: bool = False

    @classmethod
    def of(cls, entry: str) -> "Source":
        """The source of a table's entry: a path, or `file.ark:offset`."""
        path, offset = split_ark(entry)
        return cls(path) if offset is None else cls(path, str(offset), True)


class Fingerprint(NamedTuple):
    """The state of an input when it was read.

    Attributes:
        source: its place.
        size: size of the file in bytes; -1 if it does not exist.
        mtime_ns, ctime_ns: times of the last change of its content and of its inode. If another
            file of the same size and mtime replaces it (archives set mtime), ctime still differs.
        sha256: hash of its content; "" for arks, and for files that are not regular files.
    """

    source: Source
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


def fingerprint(source: Source) -> Fingerprint:
    """Read size, times and content of a file; a missing file has a fingerprint too."""
    try:
        found = os.stat(source.path)
        times = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        # Reading a pipe would empty it.
        hashed = stat.S_ISREG(found.st_mode) and not source.is_ark
        return Fingerprint(source, *times, _content(source.path, *times) if hashed else "")
    except (OSError, ValueError):  # `file_hash` raises the latter
        return Fingerprint(source, -1, 0, 0, "")


def refreshed(source: Source, known: Fingerprint) -> Fingerprint | None:
    """The current fingerprint of a source if its content is still the known one, else None.

    The content is read only if path or times differ and the size does not.
    """
    try:
        found = os.stat(source.path)
        times = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    except OSError:
        times = (-1, 0, 0)
    now = Fingerprint(source, *times, known.sha256)
    if now == known:
        return now
    same = now.size == known.size and source.part == known.source.part and known.sha256
    return now if same and fingerprint(source).sha256 == known.sha256 else None


@lru_cache(maxsize=1024)
def _content(path: str, size: int, mtime_ns: int, ctime_ns: int) -> str:
    """sha256 of a file; size and times are only keys of the cache.

    The cache saves reading a file again that many inputs share, such as the target voice of many
    conversions.
    """
    return file_hash(path)


def difference(former: dict, settings: dict) -> str | None:
    """The first setting that differs, as `made with rate 10.0, not 15.0`; None if all are equal."""
    for name in sorted(former.keys() | settings.keys()):
        old, new = former.get(name), settings.get(name)
        if json.dumps(old) == json.dumps(new):
            continue
        if _is_hash(old) or _is_hash(new) or isinstance(new, dict):
            return f"made with another {name}"
        return f"made with {name} {old}, not {new}"
    return None


def _is_hash(value) -> bool:
    return isinstance(value, str) and len(value) == 64


class Provenance:
    """The record of one result: settings, and fingerprints of its inputs.

    Attributes:
        settings: JSON values by name.
        sources: fingerprints by name.
    """

    def __init__(self, settings: dict, sources: dict[str, Fingerprint] | None = None):
        self.settings = settings
        self.sources = {} if sources is None else sources

    def note(self, name: str, source: Source) -> None:
        """Store the fingerprint of an input; call this before reading the input."""
        self.sources[name] = fingerprint(source)

    def save(self, path: Path | str) -> None:
        """Write the record, atomically."""
        with atomic_text(path) as file:
            file.write(_header(self.settings))
            for name, source in self.sources.items():
                file.write(_line(name, source))

    @classmethod
    def load(cls, path: Path | str) -> "Provenance | None":
        """Read what `save` wrote; None if no readable record exists."""
        try:
            with open(path, encoding="utf-8") as file:
                settings = _read_header(file.readline())
                rows = [json.loads(line) for line in file]
                return cls(settings, {name: _known(source) for name, source, _ in rows})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def read_settings(path: Path | str) -> dict | None:
    """The settings of a record, without its fingerprints; None if no readable record exists."""
    try:
        with open(path, encoding="utf-8") as file:
            return _read_header(file.readline())
    except (OSError, ValueError, KeyError):
        return None


def stale(path: Path | str, settings: dict, sources: dict[str, Source]) -> str | None:
    """Why an existing result cannot be used for these settings and inputs; None if it can.

    Args:
        path: the result's record; it is written again if inputs have moved.
        settings: the settings of this call.
        sources: all inputs of this call, by name.
    """
    former = Provenance.load(path)
    if former is None:
        return "no record says what it was made from"
    changed = difference(former.settings, settings)
    if changed:
        return f"it was {changed}"
    if sources.keys() != former.sources.keys():
        return f"it was made from other inputs ({min(sources.keys() ^ former.sources.keys())}, ...)"
    found = {name: refreshed(source, former.sources[name]) for name, source in sources.items()}
    for name, known in found.items():
        if known is None:
            return f"{name} has changed since: {sources[name].path}"
    if found != former.sources:
        Provenance(former.settings, found).save(path)
    return None


class Journal:
    """A record that gets a line for each input, so that an interrupted command can continue.

    Args:
        path: the record; `add` creates it.
        settings: the settings of all results in it.

    Raises:
        ValueError: the file is no such record, or has other settings.
    """

    def __init__(self, path: Path | str, settings: dict):
        self.path, self.settings = Path(path), settings
        self._known: dict[str, tuple[Fingerprint, int]] = {}
        if self.path.exists():
            self._read()

    def _read(self) -> None:
        with open(self.path, "r+b") as file:
            whole = 0
            for line in iter(file.readline, b""):
                try:
                    if not line.endswith(b"\n"):
                        break
                    if whole == 0:
                        self._check(line)
                    else:
                        name, source, _ = json.loads(line)
                        self._known[name] = (_known(source), whole)
                except (json.JSONDecodeError, TypeError):
                    break
                whole += len(line)
            # A killed command may have written only a part of the last line.
            file.truncate(whole)

    def _check(self, header: bytes) -> None:
        try:
            changed = difference(_read_header(header), self.settings)
        except (json.JSONDecodeError, KeyError) as error:
            raise ValueError(
                f"{self.path} is not a record of this command: {error}; move it away, or choose "
                "another --output"
            ) from error
        if changed:
            raise ValueError(
                f"{self.path} belongs to results that were {changed}; choose another --output, or "
                "remove the old results"
            )

    def has(self, name: str, source: Source) -> bool:
        """Whether the record has a line for this input with its current content."""
        return name in self._known and refreshed(source, self._known[name][0]) is not None

    def add(self, name: str, known: Fingerprint, made: str = "") -> None:
        """Append a line for an input, with a text `made` from it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            if file.tell() == 0:
                file.write(_header(self.settings).encode())
            self._known[name] = (known, file.tell())
            file.write(_line(name, known, made).encode())

    def made(self, names: list[str]) -> Iterator[tuple[str, str]]:
        """(name, text that was made from it), in the order of `names`."""
        with open(self.path, "rb") as file:
            for name in names:
                file.seek(self._known[name][1])
                yield name, json.loads(file.readline())[2]


def _header(settings: dict) -> str:
    return json.dumps(dict(format=FORMAT, settings=settings)) + "\n"


def _read_header(line: str | bytes) -> dict:
    header = json.loads(line)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise json.JSONDecodeError("not a record of this version", str(line), 0)
    return header["settings"]


def _line(name: str, known: Fingerprint, made: str = "") -> str:
    return json.dumps([name, known, made]) + "\n"


def _known(values: list) -> Fingerprint:
    """A fingerprint from its JSON form."""
    source, *rest = values
    return Fingerprint(Source(*source), *rest)
