"""Long audio in pieces that are encoded on their own, so that units can come while it arrives.

The pieces follow from the audio's length alone: offline and streaming cut at the same samples.
"""

import math

from torch import nn

SAMPLE_RATE = 16000


def chunk_samples(
    chunk_sec: float | None, *, hop: int, shortest: int, longest: int | None = None, name: str
) -> int | None:
    """The length of a chunk in samples at 16 kHz.

    Args:
        chunk_sec: seconds; None: audio is not cut.
        hop: samples between frames, of which a chunk is a multiple.
        shortest: samples below which nothing can be encoded alone.
        longest: samples that can be encoded at once; None: any number.
        name: of the extractor, for the message.

    Raises:
        ValueError: chunk_sec is out of range or no multiple of the frame shift.
    """
    if chunk_sec is None:
        return None
    samples = round(chunk_sec * SAMPLE_RATE) if math.isfinite(chunk_sec) else 0
    # Half a chunk must still be long enough: see `pieces_of`.
    least = max(1600, 2 * hop * -(-shortest // hop))
    if samples % hop or samples < least or (longest is not None and samples > longest):
        most = "" if longest is None else f" to {longest / SAMPLE_RATE}"
        raise ValueError(
            f"{name}: chunk_sec {chunk_sec}, but must be a multiple of {hop / SAMPLE_RATE} s, from "
            f"{least / SAMPLE_RATE}{most} s"
        )
    return samples


def pieces_of(extractor: nn.Module, num_samples: int) -> list[int]:
    """Lengths of the pieces in which an extractor encodes audio: whole chunks and a rest.

    A rest under the shortest input cannot be encoded alone, nor be appended where the positions
    end, so the last cut then moves half a chunk back. A chunk is therefore final once that many
    samples after it are there. Cuts lie on multiples of the frame shift, so the frames are those of
    the uncut audio, at the same times.

    Args:
        extractor: with `chunk_samples` (None: audio is one piece), `shortest` and
            `frame_shift_sec`.
        num_samples: of the audio.
    """
    chunk, hop = extractor.chunk_samples, round(extractor.frame_shift_sec * SAMPLE_RATE)
    if chunk is None:
        return [num_samples]
    full, rest = divmod(num_samples, chunk)
    if full and 0 < rest < extractor.shortest:
        moved = chunk // (2 * hop) * hop
        return [chunk] * (full - 1) + [chunk - moved, moved + rest]
    return [chunk] * full + ([rest] if rest else [])
