"""The table of bad and odd input: (name, what is called, what must happen).

A case is a function of a folder and of the tiny parts, which writes its input and makes the call.
What must happen is either a pattern of the error's message, which names file or utterance and the
way out, or None: the input is handled.
"""

from collections.abc import Callable
from typing import NamedTuple


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
