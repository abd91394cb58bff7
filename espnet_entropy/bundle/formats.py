"""Units and segments of a recording as text, JSON and TextGrid tiers."""

import json

from espnet_entropy.bundle.segmented import Segmented
from espnet_entropy.segment.timing import runs_of


def text_line(name: str, done: Segmented) -> str:
    """`name 12:3 7:1 | 88:2`."""
    segments = (
        " ".join(f"{unit}:{frames}" for unit, frames in runs_of(segment.units))
        for segment in done.segments
    )
    return f"{name} {' | '.join(segments)}"


def json_line(name: str, done: Segmented) -> str:
    """One JSON object."""
    return json.dumps(
        dict(
            name=name,
            duration_sec=round(done.duration_sec, 4),
            frame_rate_hz=done.frame_rate_hz,
            rate_hz=round(done.rate_hz, 3),
            units=done.units.tolist(),
            entropies=[round(value, 4) for value in done.entropies.tolist()],
            segments=[
                dict(
                    start_sec=round(segment.start_sec, 4),
                    end_sec=round(segment.end_sec, 4),
                    units=segment.units,
                )
                for segment in done.segments
            ],
        ),
        ensure_ascii=False,
    )


def tiers_of(done: Segmented) -> dict[str, list[tuple[float, float, str]]]:
    """`segments` and `units`, the latter without repetitions."""
    units, start = [], 0
    for unit, frames in runs_of(done.units.tolist()):
        end = start + frames
        units.append((start / done.frame_rate_hz, end / done.frame_rate_hz, str(unit)))
        start = end
    segments = [(s.start_sec, s.end_sec, " ".join(map(str, s.units))) for s in done.segments]
    return {"segments": segments, "units": units}
