"""Named recordings: a Kaldi table of them, cut by the file `segments` beside it, or sound files.

A source is a sound file or a sound in an ark (`wav.ark:12`, as Kaldi and ESPnet write them).
"""

import math
import os
import re
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from espnet_entropy.audio import read_audio, refuse_all_but_files
from espnet_entropy.data import read_table
from espnet_entropy.provenance import Source

# Kaldi's limit: a segment that ends later than this after its recording is a mistake.
MAX_OVERSHOOT_SEC = 0.5
# Beside a table of recordings.
SEGMENTS, CHANNELS = "segments", "reco2file_and_channel"


@dataclass(frozen=True)
class Recording:
    """A recording, or the part of one that is an utterance.

    Attributes:
        utterance: its name.
        source: a sound file, or a sound in an ark.
        channel: counted from 1; None is the mean of all channels.
        start_sec: where the utterance starts in the source.
        end_sec: where it ends; None is the end of the source.
    """

    utterance: str
    source: str
    channel: int | None = None
    start_sec: float = 0.0
    end_sec: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether the utterance is a part of the source."""
        return self.start_sec > 0 or self.end_sec is not None

    @property
    def origin(self) -> Source:
        """The file that it is in, and what of the file it is, by which changes are noticed."""
        path, offset = _split_ark(self.source)
        parts = {"at": offset, "channel": self.channel}
        if self.is_cut:
            parts |= {"from": self.start_sec, "to": self.end_sec}
        part = " ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
        return Source(path, part, is_ark=offset is not None)

    def samples(self, sample_rate: int, *, max_sec: float | None = None) -> np.ndarray:
        """The sound of the utterance.

        Args:
            sample_rate: Hz.
            max_sec: longer utterances are refused.

        Returns:
            (N,) float32 in [-1, 1].

        Raises:
            ValueError: the source is no sound, lacks the channel, or is shorter than the segment
                says; or the utterance is too long.
        """
        if not self.is_cut:
            return read_source(self.source, sample_rate, channel=self.channel, max_sec=max_sec)
        check_source(self.source)
        changed = os.stat(_split_ark(self.source)[0]).st_mtime_ns
        whole = _held(self.source, sample_rate, self.channel, changed)
        length_sec = len(whole) / sample_rate
        end_sec = length_sec if self.end_sec is None else self.end_sec
        if self.start_sec >= length_sec or end_sec > length_sec + MAX_OVERSHOOT_SEC:
            raise ValueError(
                f"the segment from {self.start_sec:g} to {end_sec:g} s does not lie within "
                f"{self.source}, which is {length_sec:.2f} s long; correct the file segments"
            )
        if max_sec is not None and end_sec - self.start_sec > max_sec:
            raise ValueError(f"the segment is longer than {max_sec:g} s; cut it, or allow more")
        return whole[round(self.start_sec * sample_rate) : round(end_sec * sample_rate)].copy()


@lru_cache(maxsize=1)
def _held(source: str, sample_rate: int, channel: int | None, changed: int) -> np.ndarray:
    """All of a source, kept for the next segment of it; `changed` is when its file was written."""
    return read_source(source, sample_rate, channel=channel)


def read_recordings(
    wav_scp: Path | str, *, rows: dict[str, str] | None = None, channel: int | None = None
) -> dict[str, Recording]:
    """The utterances of a Kaldi data folder.

    The files `segments` (lines `utterance recording start end` in seconds; an end of -1 is that of
    the recording) and `reco2file_and_channel` (lines `recording file channel`; A is 1, B is 2)
    beside the table are followed where they exist.

    Args:
        wav_scp: table of recordings and their sources.
        rows: only these, of `shard_rows.read_rows`; None: all.
        channel: of all recordings, in place of what `reco2file_and_channel` says.

    Returns:
        Recordings by utterance, in the order of the rows. Their sounds have not been looked at.

    Raises:
        ValueError: a file cannot be read, or a line of it is none of these.
    """
    rows = read_utterances(wav_scp) if rows is None else rows
    segments = segments_of(wav_scp)
    if segments is None:
        cuts = {utt: (utt, 0.0, None) for utt in rows}
        sources = rows
    else:
        sources = read_table(wav_scp)
        cuts = {u: _parse_cut(row, sources, f"{segments}, utt {u}") for u, row in rows.items()}
    channels = {} if channel is not None else _read_channels(wav_scp)
    made = {}
    for utt, (name, start_sec, end_sec) in cuts.items():
        if channels and name not in channels:
            raise ValueError(
                f"{Path(wav_scp).with_name(CHANNELS)} has no line for {name}, which {wav_scp} "
                "has; add one, or remove the file to take the mean of all channels"
            )
        made[utt] = Recording(utt, sources[name], channels.get(name, channel), start_sec, end_sec)
    return made


def segments_of(wav_scp: Path | str) -> Path | None:
    """The file that cuts the recordings of a table into utterances; None if there is none."""
    path = Path(wav_scp).with_name(SEGMENTS)
    return path if path.is_file() else None


def read_utterances(table: Path | str) -> dict[str, str]:
    """The rows of a table by utterance.

    Args:
        table: `wav.scp`, in place of which `segments` beside it is read; or `units.scp`.

    Raises:
        ValueError: the table cannot be read; or a line of `segments` is not `utterance recording
            start end` with a recording of the table, by its number.
    """
    known, segments = read_table(table), segments_of(table)
    if segments is None:
        return known
    rows = read_table(segments)
    if not rows:
        raise ValueError(f"{segments} is empty; remove it to take whole recordings as utterances")
    for number, row in enumerate(rows.values(), 1):
        _parse_cut(row, known, f"{segments}, line {number}")
    return rows


def _parse_cut(row: str, known: Container[str], where: str) -> tuple[str, float, float | None]:
    """`recording start end` -> name, start and end in seconds, None for the recording's end."""
    try:
        name, start, end = row.split()
        start_sec, end_sec = float(start), float(end)
    except ValueError:
        raise ValueError(
            f"{where}: {row!r} is not `recording start end` with times in seconds"
        ) from None
    if name not in known:
        raise ValueError(f"{where}: wav.scp has no recording {name}; add it, or remove this line")
    is_open = end_sec == -1
    if not (0 <= start_sec < math.inf and (is_open or start_sec < end_sec < math.inf)):
        raise ValueError(
            f"{where}: {start} to {end} s is no stretch of a recording; the start must be at least "
            "0 and less than the end, and an end of -1 is that of the recording"
        )
    return name, start_sec, None if is_open else end_sec


def _read_channels(wav_scp: Path | str) -> dict[str, int]:
    """Channel by recording; empty where no file says."""
    path = Path(wav_scp).with_name(CHANNELS)
    if not path.is_file():
        return {}
    channels = {}
    for number, (name, row) in enumerate(read_table(path).items(), 1):
        word = row.split()[-1] if len(row.split()) == 2 else row
        if not re.fullmatch("[AB]|[1-9][0-9]*", word):
            raise ValueError(
                f"{path}, line {number}: {row!r} is not `file channel` with A, B or a number from 1"
            )
        channels[name] = {"A": 1, "B": 2}.get(word) or int(word)
    return channels


def read_source(
    source: str, sample_rate: int, *, channel: int | None = None, max_sec: float | None = None
) -> np.ndarray:
    """What `read_audio` gives, also of a sound in an ark."""
    check_source(source)
    path, offset = _split_ark(source)
    opened = path if offset is None else _open_entry(path, offset)
    return read_audio(opened, sample_rate, channel=channel, max_sec=max_sec)


def check_source(source: str) -> None:
    """Raise ValueError, with the way out, where neither a file nor an ark is at a source."""
    refuse_all_but_files(source)
    path = Path(_split_ark(source)[0])
    if path.is_file():
        return
    if path.is_dir():
        raise ValueError(f"{source} is a folder; name a sound file")
    if re.fullmatch(r".+:\d+\[.*\]", source):
        raise ValueError(f"{source} is a range of an entry, which is not read; cut it by segments")
    columns = source.split()
    if len(columns) > 1 and Path(_split_ark(columns[0])[0]).is_file():
        raise ValueError(
            f"{source!r} has {len(columns)} columns; a recording is one sound file: join files of "
            "one channel each, and remove other columns"
        )
    here = "" if path.is_absolute() else f" in {Path.cwd()}, where this command runs"
    raise ValueError(f"there is no file {path}{here}")


def _split_ark(source: str) -> tuple[str, int | None]:
    """`wav.ark:12` -> path and offset; the offset of a file is None, also if it is so called."""
    found = re.fullmatch(r"(.+):(\d+)", source)
    if found is None or Path(source).is_file():
        return source, None
    return found[1], int(found[2])


def _open_entry(path: str, offset: int) -> BinaryIO:
    """The sound file within an ark. Entries of other kinds (pickles among them) are refused."""
    name = f"{path}:{offset}"
    with open(path, "rb") as file:
        file.seek(offset)
        start = file.read(8)
        if start.startswith(b"AUDIO"):
            # As kaldiio writes them: one byte says how many bytes the size takes.
            file.seek(offset + 6)
            size = int.from_bytes(file.read(start[5] if len(start) > 5 else 0), "little")
        elif start.startswith(b"RIFF"):
            file.seek(offset)
            size = 8 + int.from_bytes(start[4:], "little")
        else:
            raise ValueError(
                f"{name} holds no sound, which begins with RIFF or AUDIO, but {start!r}; is this a "
                "table of sounds?"
            )
        left = os.fstat(file.fileno()).st_size - file.tell()
        if size > left:
            raise ValueError(f"{name} is cut off: {left} of {size} bytes are there; write it again")
        entry = BytesIO(file.read(size))
    entry.name = name
    return entry
