"""Segmenters that count frames. They know where they are in a stream by the frames' numbers.

Each rule has one signature: units (B, n) int64, frame numbers (n,) int64, a state (B, 1) int64 that
is zero at first, and the configuration. It returns boundaries (B, n) bool and the state for the
frames that follow.
"""

import torch
from torch import Tensor


def every_nth(units: Tensor, frames: Tensor, state: Tensor, config) -> tuple[Tensor, Tensor]:
    """fixed: every n-th frame, where n is the whole number nearest to frame rate / rate."""
    period = max(1, round(config.frame_rate_hz / config.rate_hz))
    return (frames % period == 0).expand_as(units), state


def evenly(units: Tensor, frames: Tensor, state: Tensor, config) -> tuple[Tensor, Tensor]:
    """uniform: the frames at which floor(frame * rate / frame rate) grows."""
    now, before = (
        torch.floor(f.double() * config.rate_hz / config.frame_rate_hz)
        for f in (frames, frames - 1)
    )
    return (now > before).expand_as(units), state


def drawn(units: Tensor, frames: Tensor, state: Tensor, config) -> tuple[Tensor, Tensor]:
    """random: independent draws by a hash of the frame's number and the units up to it."""
    sums = state + _hash(units * 1_000_003 + frames).cumsum(1)
    uniform = (_hash(sums + frames) & ((1 << 53) - 1)).double() / (1 << 53)
    # t = 0 is a boundary anyway; with one in 50 taken off, short utterances would come out low
    return uniform < config.rate_hz / config.frame_rate_hz, sums[:, -1:]


def _hash(x: Tensor) -> Tensor:
    """SplitMix64's mixing of int64 values, in wrapping arithmetic (constants as signed int64)."""
    x = x - 0x61C8864680B583EB
    x = (x ^ ((x >> 30) & 0x3FFFFFFFF)) * -0x40A7B892E31B1A47
    x = (x ^ ((x >> 27) & 0x1FFFFFFFFF)) * -0x6B2FB644ECCEEE15
    return x ^ ((x >> 31) & 0x1FFFFFFFF)
