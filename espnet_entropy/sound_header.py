"""How long a sound file says that it is, where FFmpeg says how long it seems to be.

FFmpeg takes the length of a WAV file that is cut off from its size, and those of Ogg, WMA and MP3
without a table from what it finds at the end or estimates.
"""

from typing import BinaryIO

# FFmpeg reads the length of these from a header.
STATED = {"aiff", "ape", "au", "flac", "flv", "matroska,webm", "tta", "wv"}
# Encoders that write to a pipe leave the largest size they can write, or one close to it.
UNKNOWN_SIZE = 0x7F000000
ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


def stated_seconds(file: BinaryIO, container) -> float | None:
    """Length in s that the header of an opened file states; None where it states none."""
    stream, name = container.streams.audio[0], container.format.name
    if name == "wav":
        return _wav_seconds(file)
    if name == "asf":
        return _asf_seconds(file)
    if name == "avi":
        return float(stream.frames * stream.time_base)
    if name in STATED or name.startswith("mov,") or (name == "mp3" and _has_mp3_table(file)):
        if stream.duration:
            return float(stream.duration * stream.time_base)
        return container.duration / 1e6 if container.duration else None
    return None


def unread_bytes(file: BinaryIO) -> int:
    """Bytes behind the samples of a WAV file that are no chunks, such as a second WAV file."""
    data = _wav_data(file)
    if data is None:
        return 0
    size, _ = data
    start = file.tell()
    end = file.seek(0, 2)
    file.seek(start + size + size % 2)
    name = file.read(4)
    odd = name == b"RIFF" or not all(32 <= byte < 127 for byte in name)
    return end - start - size if size < UNKNOWN_SIZE and odd and any(name) else 0


def ogg_lacks_end(file: BinaryIO) -> bool:
    """Whether the last page of an Ogg file is not marked as the last one, or not whole."""
    end = file.seek(0, 2)
    file.seek(max(0, end - 2 * 65307))  # the largest size of a page, twice
    content = file.read()
    start = content.rfind(b"OggS")
    page = content[start:]
    if start < 0 or len(page) < 27 or len(page) < 27 + page[26]:
        return True
    whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return not (whole and page[5] & 4)


def _wav_data(file: BinaryIO) -> tuple[int, int] | None:
    """(bytes of samples, bytes per second) as the header states; the file is at the samples."""
    file.seek(12)
    rate = large = 0
    while len(head := file.read(8)) == 8:
        name, size = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data":
            return (large or size), rate
        content = file.read(size + size % 2)
        if name == b"ds64":
            large = int.from_bytes(content[8:16], "little")
        if name == b"fmt ":
            rate = int.from_bytes(content[8:12], "little")
    return None


def _wav_seconds(file: BinaryIO) -> float | None:
    size, rate = _wav_data(file) or (0, 0)
    known = rate and 0 < size and not UNKNOWN_SIZE <= size < 2**32
    return size / rate if known else None


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


def _has_mp3_table(file: BinaryIO) -> bool:
    """Whether an MP3 file states its number of frames; FFmpeg estimates it otherwise."""
    file.seek(0)
    head = file.read(10)
    skip = 0
    if head[:3] == b"ID3":
        # Seven bits a byte.
        skip = 10 + sum((byte & 127) << 7 * (3 - at) for at, byte in enumerate(head[6:]))
    file.seek(skip)
    first = file.read(2048)
    return any(name in first for name in (b"Xing", b"Info", b"VBRI"))
