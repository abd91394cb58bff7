"""Every row of the table happens as it says, and leaves no trace of a command in it."""

import file_cases  # noqa: F401  (these three fill the table)
import model_cases  # noqa: F401
import pytest
import sound_cases  # noqa: F401
from table import CASES


def test_the_table_is_long_and_its_names_are_unique():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case, parts, tmp_path):
    if case.message is None:
        case.call(tmp_path, parts)
    else:
        # A setting that does not exist is Python's own TypeError, which names it.
        with pytest.raises((ValueError, TypeError), match=case.message):
            case.call(tmp_path, parts)
    assert not list(tmp_path.rglob("witness"))
    assert not list(tmp_path.rglob("*.tmp"))
