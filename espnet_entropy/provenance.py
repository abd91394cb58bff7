"""What a result was made from, so that it is never taken for the result of anything else.

A record holds settings (hashes of model files, options) and a fingerprint of each input file. A
fingerprint is compared by path, size and times of change, which costs no reading. Where these
differ although the size is the same (a folder was moved, copied or touched), the content decides.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from espnet_entropy.data import atomic_text

FORMAT = 1


class Source(NamedTuple):
    """Where an input is.

    Attributes:
        path: a file.
        part: what of it is used, such as a channel or an offset; "" is all of it.
        is_ark: whether the file holds many inputs; its content is then not read for a fingerprint.
    """

    path: str
    part: str = ""
    is_ark: bool = False

    @classmethod
    def of(cls, entry: str) -> "Source":
        """That of a table's entry: a path, or `file.ark:offset`."""
        path, _, offset = entry.rpartition(":")
        if path and offset.isdigit() and not os.path.exists(entry):
            return cls(path, offset, True)
        return cls(entry)


class Fingerprint(NamedTuple):
    """An input as it was when it was read.

    Attributes:
        source: where it was.
        size: of the file in bytes; -1 where there is none.
        mtime_ns, ctime_ns: when its content and its inode changed last. A file that is replaced by
            one of the same size and mtime (archives set it) still has another ctime.
        sha256: of its content; "" for an ark, and for what is no regular file.
    """

    source: Source
    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str


def fingerprint(source: Source) -> Fingerprint:
    """Read a file's size, times and content; a missing file has a fingerprint too."""
    try:
        found = os.stat(source.path)
        times = (found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        # Reading a pipe would empty it.
        hashed = stat.S_ISREG(found.st_mode) and not source.is_ark
        return Fingerprint(source, *times, _content(source.path, *times) if hashed else "")
    except OSError:
        return Fingerprint(source, -1, 0, 0, "")


def refreshed(source: Source, known: Fingerprint) -> Fingerprint | None:
    """The fingerprint of a source whose content is the known one; None where it is another.

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
    """sha256 of a file in the state that size and times name.

    A file that many inputs share, such as the voice of many conversions, is read once.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(former: dict, settings: dict) -> str | None:
    """How the first setting differs, as in `made with rate 10.0, not 15.0`; None if none does."""
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
    """Settings, and the fingerprints of inputs by name, of one result.

    Attributes:
        settings: JSON values by name.
        sources: fingerprints by name.
    """

    def __init__(self, settings: dict, sources: dict[str, Fingerprint] | None = None):
        self.settings = settings
        self.sources = {} if sources is None else sources

    def note(self, name: str, source: Source) -> None:
        """Take the fingerprint of an input; call this before the input is read."""
        self.sources[name] = fingerprint(source)

    def save(self, path: Path | str) -> None:
        """Write a record, which appears when whole."""
        with atomic_text(path) as file:
            file.write(_header(self.settings))
            for name, source in self.sources.items():
                file.write(_line(name, source))

    @classmethod
    def load(cls, path: Path | str) -> "Provenance | None":
        """What `save` wrote; None where there is no record, or none that can be read."""
        try:
            with open(path, encoding="utf-8") as file:
                settings = _read_header(file.readline())
                rows = [json.loads(line) for line in file]
                return cls(settings, {name: _known(source) for name, source, _ in rows})
        except (OSError, ValueError, TypeError, KeyError):
            return None


def read_settings(path: Path | str) -> dict | None:
    """The settings of a record, without reading the rest; None where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return _read_header(file.readline())
    except (OSError, ValueError, KeyError):
        return None


def stale(path: Path | str, settings: dict, sources: dict[str, Source]) -> str | None:
    """Why a result is not what these settings and inputs would give; None if it is.

    Args:
        path: of the result's record, which is written again where files have moved.
        settings: what is asked for now.
        sources: all inputs that are asked for now, by name.
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
    """A record that grows by a line for each input, so that an interrupted command continues.

    Args:
        path: the record; it is not written before the first line.
        settings: what all of it is made with.

    Raises:
        ValueError: what is there was made with other settings.
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
            # A killed command may have left a part of a line.
            file.truncate(whole)

    def _check(self, header: bytes) -> None:
        try:
            changed = difference(_read_header(header), self.settings)
        except (json.JSONDecodeError, KeyError) as error:
            raise ValueError(
                f"{self.path} is no record of this command: {error}; move it away, or choose "
                "another --output"
            ) from error
        if changed:
            raise ValueError(
                f"{self.path} records what was {changed}; choose another --output, or remove what "
                "is there"
            )

    def has(self, name: str, source: Source) -> bool:
        """Whether this input, with this content, has its line."""
        return name in self._known and refreshed(source, self._known[name][0]) is not None

    def add(self, name: str, known: Fingerprint, made: str = "") -> None:
        """Append a line: an input, and what was made of it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab") as file:
            if file.tell() == 0:
                file.write(_header(self.settings).encode())
            self._known[name] = (known, file.tell())
            file.write(_line(name, known, made).encode())

    def made(self, names: list[str]) -> Iterator[tuple[str, str]]:
        """(name, what was made of it), in the order of `names`."""
        with open(self.path, "rb") as file:
            for name in names:
                file.seek(self._known[name][1])
                yield name, json.loads(file.readline())[2]


def _header(settings: dict) -> str:
    return json.dumps(dict(format=FORMAT, settings=settings)) + "\n"


def _read_header(line: str | bytes) -> dict:
    header = json.loads(line)
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise json.JSONDecodeError("no record of this version", str(line), 0)
    return header["settings"]


def _line(name: str, known: Fingerprint, made: str = "") -> str:
    return json.dumps([name, known, made]) + "\n"


def _known(values: list) -> Fingerprint:
    """A fingerprint that was written as JSON."""
    source, *rest = values
    return Fingerprint(Source(*source), *rest)
