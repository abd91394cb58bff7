"""The table of bad and odd input: (name, what is called, what must happen).

A case is a function of a folder and of the tiny parts, which writes its input and makes the call.
What must happen is either a pattern of the error's message, which names file or utterance and the
way out, or None: the input is handled.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tiny


class Case(NamedTuple):
    """One row."""

    name: str
    call: Callable
    message: str | None


CASES: list[Case] = []


def case(name: str, message: str | None):
    """Add a function (folder, parts) as a row."""

    def add(call):
        CASES.append(Case(name, call, message))
        return call

    return add


def cases(prefix: str, *rows: tuple, **same: str | None):
    """Add a function (folder, parts, *arguments) with each row (name, *arguments, message).

    Rows end with their arguments where all have the `message` that is given.
    """

    def add(call):
        for name, *given in rows:
            message = same["message"] if same else given.pop()
            case(prefix + name, message)(lambda *where, given=given: call(*where, *given))
        return call

    return add


def ends_with(module, *words, **options) -> None:
    """Run a command; its one line of error becomes a ValueError, as the table expects it."""
    try:
        tiny.command(module, *map(str, words), **options)
    except SystemExit as end:
        message = str(end.code)
        assert message.startswith("error: ") and "\n" not in message, message
        raise ValueError(message) from end


def written(path: Path, content: bytes | str) -> Path:
    """A file of this content."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
