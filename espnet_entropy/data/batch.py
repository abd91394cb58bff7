"""Masks and checks of padded batches, shared by every step."""

import torch
from torch import Tensor


def check_unit_range(units: Tensor, num_units: int) -> None:
    """Raise ValueError unless all ids of a non-empty tensor lie in [0, num_units)."""
    if units.numel() == 0:
        return
    low, high = units.aminmax()
    if low < 0 or high >= num_units:
        raise ValueError(
            f"unit ids lie in [{int(low)}, {int(high)}], but the codebook has {num_units} units; "
            "was this dump made with another bundle?"
        )


def valid_mask(lengths: Tensor, max_length: int) -> Tensor:
    """(B,) lengths -> (B, max_length) bool, True where valid."""
    return torch.arange(max_length, device=lengths.device) < lengths.unsqueeze(1)
