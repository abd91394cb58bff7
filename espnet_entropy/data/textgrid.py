"""Praat's TextGrid: intervals of a recording in tiers, for looking at them beside the sound."""

import re
from pathlib import Path

from praatio.utilities.errors import PraatioException
from praatio.utilities.textgrid_io import getTextgridAsStr, parseTextgridStr

from espnet_entropy.data.kaldi import atomic_text

# praatio ends a tier where its intervals end, even if the file announces more of them. The
# announced numbers of tiers, and of each tier's intervals or points, are therefore read here.
_TIERS = re.compile(r"<exists>\s*(?:size\s*=\s*)?(\d+)")
_ITEMS = re.compile(
    r'"(?:Interval|Text)Tier"\s+(?:name\s*=\s*)?"(?:[^"]|"")*"\s+(?:xmin\s*=\s*)?[-+.\d]\S*\s+'
    r"(?:xmax\s*=\s*)?[-+.\d]\S*\s+(?:(?:intervals|points)\s*:\s*size\s*=\s*)?(\d+)\s"
)
# Times of the long format in which praatio does not see the sign or the exponent.
_ODD_TIMES = re.compile(r"^(\s*(?:xmin|xmax|number) ?= ?)(-\S+|\S+e[-+]?\d+)\s*$", re.MULTILINE)


def write_textgrid(
    path: Path | str, tiers: dict[str, list[tuple[float, float, str]]], duration_sec: float
) -> None:
    """Write `textgrid_text` to a file."""
    with atomic_text(path) as file:
        file.write(textgrid_text(tiers, duration_sec))


def textgrid_text(tiers: dict[str, list[tuple[float, float, str]]], duration_sec: float) -> str:
    """The content of a TextGrid in Praat's long text format.

    Args:
        tiers: name -> (start, end, text) in seconds, in order. Gaps become empty intervals.
        duration_sec: duration of the recording in seconds.
    """
    ends = dict(xmin=0, xmax=round(duration_sec, 6))
    content = ends | dict(
        tiers=[
            ends
            | {"class": "IntervalTier", "name": name}
            | dict(entries=[(round(a, 6), round(b, 6), text) for a, b, text in intervals])
            for name, intervals in tiers.items()
        ]
    )
    return getTextgridAsStr(content, "long_textgrid", includeBlankSpaces=True)


def read_textgrid(path: Path | str) -> dict[str, list[tuple[float, float, str]]]:
    """Read the interval tiers of a TextGrid in Praat's long or short text format.

    Args:
        path: UTF-8, or UTF-16 with a byte order mark, as Praat writes it.

    Returns:
        name -> (start, end, text) in seconds, in the file's order. Tiers of points are left out.

    Raises:
        ValueError: the file cannot be read, is no TextGrid, is cut off, or has two interval tiers
            of one name.
    """
    try:
        content = Path(path).read_bytes()
        coding = "utf-16" if content[:2] in (b"\xfe\xff", b"\xff\xfe") else "utf-8-sig"
        text = content.decode(coding)
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if re.findall(r'"(.*)"', "\n".join(text.splitlines()[:2])) != ["ooTextFile", "TextGrid"]:
        raise ValueError(f"{path} is no TextGrid in a text format; save it as one in Praat")
    try:
        plain = _ODD_TIMES.sub(_in_plain_digits, text)
        found = parseTextgridStr(plain, includeEmptyIntervals=True)["tiers"]
    except (PraatioException, ValueError, IndexError) as error:
        raise ValueError(f"{path} is not a whole TextGrid: {error}") from error
    announced = [int(count) for count in _ITEMS.findall(text)]
    if _TIERS.findall(text)[:1] != [str(len(found))] or announced != [
        len(tier["entries"]) for tier in found
    ]:
        raise ValueError(f"{path} has fewer or more intervals than it says; copy it again")
    tiers: dict[str, list[tuple[float, float, str]]] = {}
    for tier in found:
        if tier["class"] != "IntervalTier":
            continue
        if tier["name"] in tiers:
            raise ValueError(f"{path}: two tiers are called {tier['name']!r}; rename one")
        tiers[tier["name"]] = [(float(a), float(b), label) for a, b, label in tier["entries"]]
    return tiers


def _in_plain_digits(line: re.Match) -> str:
    if float(line[2]) < 0:
        raise ValueError(f"the time {line[2]} s is before the start of a recording")
    return f"{line[1]}{float(line[2]):.15f}"
