"""Bytes in a float32 tensor, as a part of a model's state.

ESPnet averages the float tensors of checkpoints, which keeps equal bytes, but adds up integers.
bfloat16 and float16 hold every byte exactly.
"""

import torch
from torch import Tensor


def to_floats(content: bytes, size: int) -> Tensor:
    """(size,) float32: one number for each byte, followed by zeros.

    Raises:
        ValueError: there are more than `size` bytes.
    """
    if len(content) > size:
        raise ValueError(f"{len(content)} bytes do not fit into {size}")
    return torch.tensor(list(content.ljust(size, b"\0")), dtype=torch.float32)


def from_floats(floats: Tensor) -> bytes:
    """The bytes in a tensor of any float type, with the zeros that follow them."""
    return bytes(floats.float().cpu().round().byte().tolist())
