"""Segmented recordings as files: lines of text or JSON, TextGrids, Kaldi arks."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from espnet_entropy.bundle.formats import json_line, text_line, tiers_of
from espnet_entropy.bundle.segmented import Segmentation, Segmented
from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.kept_lines import kept_lines, write_lines
from espnet_entropy.data.provenance import Journal, fingerprint
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.running import Failures, progress
from espnet_entropy.data.shards import write_shard
from espnet_entropy.data.textgrid import write_textgrid


class Counted:
    """A segmentation that counts its results for a summary.

    Attributes:
        segmentation: the segmentation that is called.
        recordings, frames, segments: counts of the results.
        seconds: their durations in seconds.
    """

    def __init__(self, segmentation: Segmentation):
        self.segmentation = segmentation
        self.recordings = self.frames = self.segments = 0
        self.seconds = 0.0

    def __call__(self, recording: Recording) -> Segmented:
        """Segment a recording; ValueError if it cannot be read."""
        done = self.segmentation(recording)
        self.recordings += 1
        self.frames += len(done.units)
        self.segments += len(done.segments)
        self.seconds += done.duration_sec
        return done


Writer = Callable[
    [str | None, dict[str, Recording], dict, Callable[[Recording], Segmented], Failures], None
]


def _lines(line_of: Callable[[str, Segmented], str]) -> Writer:
    """A writer of one line per recording."""

    def write(output, recordings, settings, segmentation, failures):
        def make(name: str, recording: Recording) -> str:
            return line_of(name, segmentation(recording))

        write_lines(output, recordings, settings, make, failures)

    return write


def write_textgrids(
    output: str,
    recordings: dict[str, Recording],
    settings: dict,
    segmentation: Callable[[Recording], Segmented],
    failures: Failures,
) -> None:
    """Write a TextGrid per recording, named after it; existing ones of the same input are kept.

    Args:
        output: folder.
        recordings: recordings by name.
        settings: settings and models that the results depend on.
        segmentation: segments a recording.
        failures: gets the recordings that are left out, which are listed in `failed_utts`.

    Raises:
        ValueError: there are too many failures, two recordings have one file name, or the folder
            has TextGrids of other settings or recordings.
    """
    folder = Path(output)
    targets = {name: folder / f"{Path(name).name}.TextGrid" for name in recordings}
    if len(set(targets.values())) < len(targets):
        raise ValueError("two recordings have one file name; give --wav_scp with names of your own")
    path = folder / "made_from.jsonl"
    if not any(folder.glob("*.TextGrid")):
        path.unlink(missing_ok=True)
    journal = Journal(path, settings)
    sources = {name: recording.origin for name, recording in recordings.items()}
    there = {name for name, target in targets.items() if target.exists()}
    for name in sorted(there):
        if not journal.has(name, sources[name]):
            raise ValueError(
                f"{targets[name]} exists, but {path} does not say that it was made from the "
                f"present {recordings[name].source}; remove it, or choose another --output"
            )
    if there:
        print(f"{len(there)} TextGrids exist already", file=sys.stderr)
    for name in progress([name for name in targets if name not in there], "recordings"):
        known = fingerprint(sources[name])
        try:
            done = segmentation(recordings[name])
        except ValueError as error:
            failures.leave_out(name, error)
            continue
        # Before the TextGrid, so that one of a killed command has its record.
        journal.add(name, known)
        write_textgrid(targets[name], tiers_of(done), done.duration_sec)
    failures.write(folder / "failed_utts")


def write_arks(
    output: str,
    recordings: dict[str, Recording],
    settings: dict,
    segmentation: Callable[[Recording], Segmented],
    failures: Failures,
) -> None:
    """Write `units.scp`, (T, 2) float32 units and entropies, and `segment_lengths.scp`, (S,) int32.

    Args and errors are those of `write_textgrids`; names with blanks are refused.
    """
    spaced = [name for name in recordings if len(name.split()) != 1]
    if spaced:
        raise ValueError(f"{spaced[0]!r} has blanks, which names in arks cannot; give --wav_scp")
    folder, lengths = Path(output), {}

    def arrays(lines):
        for name, line in lines:
            columns = json.loads(line)
            lengths[name] = np.array(columns.pop("lengths"), np.int32)
            yield name, np.stack((columns["units"], columns["entropies"]), axis=1, dtype=np.float32)

    def make(_: str, recording: Recording) -> str:
        return _exact_line(segmentation(recording))

    with kept_lines(output, recordings, settings, make, failures) as lines:
        units = write_shard(folder, 1, arrays(lines))
        parts = write_shard(folder / "segment_lengths", 1, lengths.items())
        for name, table in (("segment_lengths.scp", parts), ("units.scp", units)):
            write_table(folder / name, {key: entry.where for key, entry in table.items()})
        failures.write(folder / "failed_utts")


def _exact_line(done: Segmented) -> str:
    """JSON with all digits of the entropies, from which arks are made."""
    lengths = [len(segment.units) for segment in done.segments]
    return json.dumps(
        dict(units=done.units.tolist(), entropies=done.entropies.tolist(), lengths=lengths)
    )


# Format -> function that writes it. Lines go to standard output if there is no `output`.
WRITERS: dict[str, Writer] = {
    "text": _lines(text_line),
    "json": _lines(json_line),
    "textgrid": write_textgrids,
    "ark": write_arks,
}
