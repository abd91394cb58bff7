"""The rooms of the package import downwards only, and every room is listed here."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "espnet_entropy"
# From the ground up; rooms of one line do not know each other.
ORDER = (
    ("data",),
    ("units", "lm", "segment"),
    ("aggregate", "bundle"),
    ("espnet",),
    ("vc", "evaluate"),
    ("report", "explore"),
    ("bin",),
)
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def imported_rooms(path: Path) -> set[str]:
    """Rooms that a module imports from, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("espnet_entropy.")}
    return found


def test_the_table_lists_every_room():
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == LEVELS.keys()
    modules = {path.name for path in PACKAGE.glob("*.py")}
    assert modules == {"__init__.py", "__main__.py", "run.py"}


@pytest.mark.parametrize("room", LEVELS)
def test_a_room_imports_lower_rooms_only(room):
    wrong = [
        f"{path.relative_to(PACKAGE)} imports from {other}"
        for path in sorted((PACKAGE / room).glob("*.py"))
        for other in sorted(imported_rooms(path) - {room})
        if other in LEVELS and LEVELS[other] >= LEVELS[room]
    ]
    assert not wrong
