"""Praat's TextGrid: intervals of a recording in tiers, for looking at them beside the sound."""

import re
from pathlib import Path

from espnet_entropy.data.kaldi import atomic_text

# What stands free in the file: strings, in which a quote is doubled, and words. Of the words only
# numbers and flags are data; names, equals signs and `[1]:` are there for the reader (Praat's
# manual, "TextGrid file formats"), so the long and the short format are read alike.
_TOKEN = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def write_textgrid(
    path: Path | str, tiers: dict[str, list[tuple[float, float, str]]], duration_sec: float
) -> None:
    """Write a TextGrid in Praat's long text format.

    Args:
        path: file to write.
        tiers: name -> (start, end, text) in seconds, in order and without gaps, from 0 to the end.
        duration_sec: of the recording.
    """
    with atomic_text(path) as file:
        file.write('File type = "ooTextFile"\nObject class = "TextGrid"\n\n')
        file.write(f"xmin = 0\nxmax = {duration_sec:.6f}\ntiers? <exists>\nsize = {len(tiers)}\n")
        file.write("item []:\n")
        for number, (name, intervals) in enumerate(tiers.items(), 1):
            file.write(f'    item [{number}]:\n        class = "IntervalTier"\n')
            file.write(f"        name = {_quoted(name)}\n        xmin = 0\n")
            file.write(f"        xmax = {duration_sec:.6f}\n")
            file.write(f"        intervals: size = {len(intervals)}\n")
            for place, (start, end, text) in enumerate(intervals, 1):
                file.write(f"        intervals [{place}]:\n            xmin = {start:.6f}\n")
                file.write(f"            xmax = {end:.6f}\n            text = {_quoted(text)}\n")


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


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
        tokens = _tokens(content.decode(coding))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    if [next(tokens, None), next(tokens, None)] != ["ooTextFile", "TextGrid"]:
        raise ValueError(f"{path} is no TextGrid in a text format; save it as one in Praat")
    try:
        _expect(tokens, float, float)
        has_tiers, count = next(tokens), _expect(tokens, float)[0]
        if has_tiers != "<exists>":
            return {}
        tiers: dict[str, list[tuple[float, float, str]]] = {}
        for _ in range(int(count)):
            kind, name, *_, size = _expect(tokens, str, str, float, float, float)
            shape = (float, float, str) if kind == "IntervalTier" else (float, str)
            items = [tuple(_expect(tokens, *shape)) for _ in range(int(size))]
            if kind != "IntervalTier":
                continue
            if name in tiers:
                raise ValueError(f"two tiers are called {name!r}; rename one")
            tiers[name] = items
    except StopIteration as error:
        raise ValueError(f"{path} is cut off; copy it again") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a whole TextGrid: {error}") from error
    return tiers


def _tokens(text: str):
    """Strings without their quotes, numbers as float, flags such as `<exists>`."""
    for match in _TOKEN.finditer(text):
        if match[1] is not None:
            yield match[1].replace('""', '"')
        elif _NUMBER.fullmatch(match[2]):
            yield float(match[2])
        elif match[2].startswith("<"):
            yield match[2]


def _expect(tokens, *types: type) -> list:
    """The next tokens, of these types."""
    found = []
    for kind in types:
        token = next(tokens)
        if not isinstance(token, kind):
            raise ValueError(f"{token!r} stands where a {kind.__name__} is expected")
        found.append(token)
    return found
