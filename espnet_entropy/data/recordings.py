"""Recordings of a Kaldi data folder, cut into utterances by `segments` if that file exists.

A source is a sound file, or a sound in an ark (`wav.ark:12`, as Kaldi and ESPnet write them).
"""

import math
import os
import re
from collections import Counter
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from espnet_entropy.data.audio import read_audio, refuse_all_but_files
from espnet_entropy.data.kaldi import read_lines, read_table, split_ark
from espnet_entropy.data.provenance import Source
from espnet_entropy.data.running import named_error

# A segment may end this much after its recording, as in Kaldi.
MAX_OVERSHOOT_SEC = 0.5
# Files beside a table of recordings.
SEGMENTS, CHANNELS = "segments", "reco2file_and_channel"


@dataclass(frozen=True)
class Recording:
    """A recording, or the part of one that is an utterance.

    Attributes:
        utterance: name of the utterance.
        source: a sound file, or a sound in an ark.
        channel: number of the channel, from 1; None is the mean of all channels.
        start_sec: start of the utterance in the source.
        end_sec: end of the utterance; None is the end of the source.
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
        """The file that holds the recording, and its part of that file, for records."""
        path, offset = split_ark(self.source)
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
            ValueError: the source is not a sound, does not have the channel, or ends before the
                segment; or the utterance is too long.
        """
        if not self.is_cut:
            return read_source(self.source, sample_rate, channel=self.channel, max_sec=max_sec)
        check_source(self.source)
        changed = os.stat(split_ark(self.source)[0]).st_mtime_ns
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
    """The whole source, cached for its next segment; `changed` is the mtime of its file."""
    return read_source(source, sample_rate, channel=channel)


def read_recordings(
    wav_scp: Path | str, *, rows: dict[str, str] | None = None, channel: int | None = None
) -> dict[str, Recording]:
    """The utterances of a Kaldi data folder.

    Two optional files beside the table are used if they exist: `segments` (lines `utterance
    recording start end` in seconds; an end of -1 is the end of the recording) and
    `reco2file_and_channel` (lines `recording file channel`; A is 1, B is 2).

    Args:
        wav_scp: table of recordings and their sources.
        rows: rows of `shard_rows.read_rows`, to get only these utterances; None gives all.
        channel: channel of all recordings; `reco2file_and_channel` is then not used.

    Returns:
        Recordings by utterance, in the order of the rows. The sounds have not been opened.

    Raises:
        ValueError: a file cannot be read, or one of its lines has another form.
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
                f"{Path(wav_scp).with_name(CHANNELS)} has no line for {name} of {wav_scp}; add "
                "one, or remove the file to use the mean of all channels"
            )
        made[utt] = Recording(utt, sources[name], channels.get(name, channel), start_sec, end_sec)
    return made


def named_recordings(
    files: list[str],
    wav_scp: str | None,
    list_file: str | None,
    *,
    channel: int | None = None,
    check: bool = True,
) -> dict[str, Recording]:
    """Recordings that a user names in one of three ways.

    Args:
        files: sound files.
        wav_scp: a table of recordings.
        list_file: a file with one path per line; `-` is standard input.
        channel: channel of all recordings.
        check: whether every source must exist.

    Returns:
        Recordings by path, those of a table by utterance.

    Raises:
        ValueError: none or several of the three are given, there are no recordings, a file is
            named twice, or a source does not exist.
    """
    if sum((bool(files), wav_scp is not None, list_file is not None)) != 1:
        raise ValueError("give one of these: sound files, --wav_scp, or --list")
    if wav_scp is not None:
        recordings = read_recordings(wav_scp, channel=channel)
    else:
        paths = files or [line.strip() for line in read_lines(list_file) if line.strip()]
        twice = [path for path, count in Counter(paths).items() if count > 1]
        if twice:
            raise ValueError(f"{twice[0]} is given twice; give each recording once")
        recordings = {path: Recording(path, path, channel) for path in paths}
    if not recordings:
        raise ValueError(f"{wav_scp or list_file} has no recordings")
    for name, recording in recordings.items() if check else ():
        try:
            check_source(recording.source)
        except ValueError as error:
            raise named_error(name, error) from error
    return recordings


def segments_of(wav_scp: Path | str) -> Path | None:
    """The file that cuts the recordings of a table into utterances; None if there is none."""
    path = Path(wav_scp).with_name(SEGMENTS)
    return path if path.is_file() else None


def read_utterances(table: Path | str) -> dict[str, str]:
    """The rows of a table by utterance.

    Args:
        table: `wav.scp` or `units.scp`. If `segments` is beside it, the rows of that file are
            returned.

    Raises:
        ValueError: the table cannot be read, or a line of `segments` is not `utterance recording
            start end` with a recording of the table; the message gives the line's number.
    """
    known, segments = read_table(table), segments_of(table)
    if segments is None:
        return known
    rows = read_table(segments)
    if not rows:
        raise ValueError(f"{segments} is empty; remove it to use whole recordings as utterances")
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
            f"{where}: {start} to {end} s is not a part of a recording; the start must be at least "
            "0 and less than the end; an end of -1 is the end of the recording"
        )
    return name, start_sec, None if is_open else end_sec


def _read_channels(wav_scp: Path | str) -> dict[str, int]:
    """Channels by recording; empty if there is no `reco2file_and_channel`."""
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
    """`read_audio` of a sound file or of a sound in an ark."""
    check_source(source)
    path, offset = split_ark(source)
    opened = path if offset is None else _open_entry(path, offset)
    return read_audio(opened, sample_rate, channel=channel, max_sec=max_sec)


def check_source(source: str) -> None:
    """Raise ValueError if a source is neither an existing file nor in an existing ark."""
    refuse_all_but_files(source)
    path = Path(split_ark(source)[0])
    if path.is_file():
        return
    if path.is_dir():
        raise ValueError(f"{source} is a folder; give a sound file")
    if re.fullmatch(r".+:\d+\[.*\]", source):
        raise ValueError(f"{source} is a range of an entry, which is not read; use a segments file")
    columns = source.split()
    if len(columns) > 1 and Path(split_ark(columns[0])[0]).is_file():
        raise ValueError(
            f"{source!r} has {len(columns)} columns, but a recording is one sound file; join files "
            "that have one channel each, and remove other columns"
        )
    here = "" if path.is_absolute() else f" in {Path.cwd()}, where this command runs"
    raise ValueError(f"there is no file {path}{here}")


def _open_entry(path: str, offset: int) -> BinaryIO:
    """Open a sound file within an ark; entries of other kinds, such as pickles, are refused."""
    name = f"{path}:{offset}"
    with open(path, "rb") as file:
        file.seek(offset)
        start = file.read(8)
        if start.startswith(b"AUDIO"):
            # As kaldiio writes it: one byte states the number of bytes of the size.
            file.seek(offset + 6)
            size = int.from_bytes(file.read(start[5] if len(start) > 5 else 0), "little")
        elif start.startswith(b"RIFF"):
            file.seek(offset)
            size = 8 + int.from_bytes(start[4:], "little")
        else:
            raise ValueError(
                f"{name} holds no sound: it begins with {start!r} instead of RIFF or AUDIO; give a "
                "table of sounds"
            )
        left = os.fstat(file.fileno()).st_size - file.tell()
        if size > left:
            raise ValueError(f"{name} is truncated: it has {left} of {size} bytes; write it again")
        entry = BytesIO(file.read(size))
    entry.name = name
    return entry
