"""Facts in the headers of sound files that FFmpeg does not report, or misreads.

FFmpeg computes the length of a truncated WAV file from the file's size. For Ogg, WMA and joined MP3
files it reads the end of the file, or estimates the length.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

# Formats whose length FFmpeg reads from a header.
STATED = {"aiff", "ape", "au", "flac", "flv", "matroska,webm", "tta", "wv"}
# Encoders that write to a pipe state sizes of about 2**31 or more, some a little less than 2**31.
LARGEST_SIZE = 0x7F000000
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def misread(file: BinaryIO, container) -> str | None:
    """Why FFmpeg would decode an opened file wrongly, as words after the file's name, or None."""
    if container.format.long_name.startswith("PCM "):
        return "has no header, so its sample rate is unknown; convert it to WAV with its true rate"
    file.seek(0)
    if container.format.name == "wav" and file.read(4) == b"RIFX":
        return "is a big-endian WAV file (RIFX), which FFmpeg misreads; convert it to WAV"
    if container.format.name == "wav" and [name for name, _ in _chunks(file)].count(b"data") > 1:
        return (
            "has more than one data chunk, and FFmpeg reads only the last one; convert it to a "
            "WAV file with one"
        )
    codec = container.streams.audio[0].codec_context.name
    if container.format.name == "ogg" and codec == "vorbis" and _differing_vorbis(file):
        return (
            "consists of Ogg Vorbis recordings with different settings, joined end to end; FFmpeg "
            "only decodes the first of them correctly, so split the file"
        )
    return None


def stated_seconds(file: BinaryIO, container) -> float | None:
    """Length in s that the header of an opened file states; None if it states none."""
    stream, name = container.streams.audio[0], container.format.name
    if name == "wav":
        size, rate = _wav_data(file) or (0, 0)
        return size / rate if rate and _is_known(size) else None
    if name == "asf":
        return _asf_seconds(file)
    if name == "mp3":
        return _mp3_samples(file, stream.codec_context.frame_size) / stream.rate or None
    if name == "nistsphere":
        return _nist_seconds(file)
    if name == "avi":
        return float(stream.frames * stream.time_base)
    if name in STATED or name.startswith("mov,"):
        if stream.duration:
            return float(stream.duration * stream.time_base)
        return container.duration / 1e6 if container.duration else None
    return None


def unread_bytes(file: BinaryIO) -> int:
    """Number of bytes after the samples of a WAV file that are not chunks, as of a second file."""
    size, _ = _wav_data(file) or (0, 0)
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start + size + size % 2)
    name = file.read(4)
    is_chunk = name != b"RIFF" and all(32 <= byte < 127 for byte in name)
    # The samples of a header that states too few may look like a name.
    is_chunk = is_chunk and _size_of(file) <= end - file.tell()
    return 0 if is_chunk or not any(name) or not _is_known(size) else end - start - size


def ogg_lacks_end(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file is incomplete, or not marked as the last one."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 2 * 65307))  # the largest size of a page, twice
    content = file.read()
    page = content[max(0, content.rfind(b"OggS")) :]
    if len(page) < 27 or len(page) < 27 + page[26]:
        return bool(content)
    whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return not (whole and page[5] & 4)


def _wav_data(file: BinaryIO) -> tuple[int, int] | None:
    """(bytes of samples, bytes per second) in the header; moves the file to the samples."""
    rate = large = 0
    for name, size in _chunks(file):
        if name == b"data":
            return (large or size), rate
        content = file.read(size)
        if name == b"ds64":
            large = int.from_bytes(content[8:16], "little")
        if name == b"fmt ":
            rate = int.from_bytes(content[8:12], "little")
    return None


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """(name, size in bytes) of each chunk of a WAV file, which is then at the chunk's content."""
    at = 12
    file.seek(at)
    while len(name := file.read(4)) == 4:
        size = _size_of(file)
        at += 8 + size + size % 2
        yield name, size
        file.seek(at)


def _size_of(file: BinaryIO) -> int:
    """The size of a chunk, which follows its name."""
    return int.from_bytes(file.read(4), "little")


def _is_known(size: int) -> bool:
    """Whether a WAV file's size is true; encoders that write to a pipe state 0 or a maximum."""
    return 0 < size < LARGEST_SIZE or size >= 2**32


def _nist_seconds(file: BinaryIO) -> float | None:
    """Length in s of a SPHERE file, whose header consists of lines `name -i value`."""
    file.seek(0)
    head = file.read(1024)
    samples, rate = (
        re.search(rb"^%b -i (\d+)" % name, head, re.M) for name in (b"sample_count", b"sample_rate")
    )
    return int(samples[1]) / int(rate[1]) if samples and rate and int(rate[1]) else None


def _asf_seconds(file: BinaryIO) -> float | None:
    file.seek(0)
    head = file.read(65536)
    start = head.find(ASF_PROPERTIES)
    if start < 0:
        return None
    played, preroll = (
        int.from_bytes(head[start + at : start + at + 8], "little") for at in (64, 80)
    )
    return played / 1e7 - preroll / 1e3 if played else None


def _mp3_samples(file: BinaryIO, frame_size: int) -> int:
    """Number of samples that an MP3 file's first frame states; 0 if it states none."""
    file.seek(0)
    head = file.read(10)
    # The size of the tag before the sound has seven bits per byte.
    tag = sum((byte & 127) << 7 * (3 - at) for at, byte in enumerate(head[6:]))
    file.seek(10 + tag if head.startswith(b"ID3") else 0)
    first = file.read(256)
    start = max(first.find(b"Xing"), first.find(b"Info"))
    flags = first[start + 7] if start >= 0 and len(first) >= start + 12 else 0
    if not flags & 1:
        return 0
    frames = int.from_bytes(first[start + 8 : start + 12], "big")
    # Behind the optional fields, the encoder's tag says how many samples decoders leave out at
    # either end, with 12 bits each.
    at = start + 8 + sum(size for bit, size in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
    ends = int.from_bytes(first[at + 21 : at + 24], "big")
    return frames * frame_size - (ends >> 12) - (ends & 4095)


def _differing_vorbis(file: BinaryIO) -> bool:
    file.seek(0)
    content = file.read()
    setups, at = set(), -1
    while (at := content.find(b"\x05vorbis", at + 1)) >= 0:
        setups.add(content[at : at + 200])
    return len(setups) > 1
