"""Masks and range checks of padded batches."""

import pytest
import torch

from espnet_entropy.data.batch import check_unit_range, valid_mask


def test_valid_mask():
    mask = valid_mask(torch.tensor([3, 0, 1]), 4)
    assert mask.dtype == torch.bool
    assert mask.int().tolist() == [[1, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize("units", [[], [0], [0, 9, 4]], ids=["empty", "first", "all"])
def test_units_in_range(units):
    check_unit_range(torch.tensor(units, dtype=torch.long), 10)


@pytest.mark.parametrize("units", [[0, 10], [-1, 3]], ids=["high", "negative"])
def test_units_out_of_range(units):
    message = rf"\[{min(units)}, {max(units)}\], but the codebook has 10 units"
    with pytest.raises(ValueError, match=message):
        check_unit_range(torch.tensor(units), 10)
