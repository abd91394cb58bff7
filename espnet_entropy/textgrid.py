"""Praat's TextGrid: intervals of a recording in tiers, for looking at them beside the sound."""

from pathlib import Path

from espnet_entropy.data import atomic_text


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
