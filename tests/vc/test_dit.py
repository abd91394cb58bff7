"""The diffusion transformer: shapes, and that neither batch nor padding matters."""

import pytest
import torch

from espnet_entropy.vc.dit import DiT, rotate


def tiny() -> DiT:
    torch.manual_seed(0)
    model = DiT(5, 6, 4, dim=16, num_blocks=2, num_heads=2).eval()
    for block in model.blocks:  # they start as the identity, which would test nothing
        torch.nn.init.normal_(block.modulation.weight, std=0.2)
    return model


def inputs(frames: int) -> dict:
    return {
        "x": torch.randn(1, frames, 5),
        "time": torch.rand(1),
        "content": torch.randn(1, frames, 6),
        "speaker": torch.randn(1, 4),
        "prompt": torch.randn(1, frames, 5),
        "in_prompt": torch.arange(frames).unsqueeze(0) < 3,
        "valid": torch.ones(1, frames, dtype=torch.bool),
    }


def padded(value: torch.Tensor, frames: int) -> torch.Tensor:
    """Padding that would show: NaN, and True in `in_prompt`."""
    out = torch.full((1, frames, *value.shape[2:]), float("nan")).to(value.dtype)
    out[:, : value.shape[1]] = value
    return out


def test_neither_batch_nor_padding_matters():
    model, long, short = tiny(), inputs(9), inputs(6)
    batch = {}
    for name, value in short.items():
        rest = value if name in ("time", "speaker") else padded(value, 9)
        if name == "valid":
            rest[:, 6:] = False
        batch[name] = torch.cat([long[name], rest])
    together = model(**batch)
    torch.testing.assert_close(together[:1], model(**long))
    torch.testing.assert_close(together[1:, :6], model(**short))
    assert together[1, 6:].eq(0).all()


@pytest.mark.parametrize("name", ["x", "time", "content", "speaker", "prompt"])
def test_every_input_matters(name):
    model, given = tiny(), inputs(6)
    changed = given | {name: given[name] + 0.5}
    assert (model(**given) - model(**changed)).abs().max() > 1e-4


def test_prompt_is_read_inside_the_prompt_only():
    model, given = tiny(), inputs(6)
    prompt = given["prompt"].clone()
    prompt[:, 3:] = float("nan")
    torch.testing.assert_close(model(**given), model(**given | {"prompt": prompt}))


def test_rotary_products_depend_on_distance_only():
    query, key = (rotate(torch.randn(8).expand(1, 1, 7, 8)) for _ in range(2))
    products = (query @ key.transpose(-1, -2))[0, 0]
    torch.testing.assert_close(products[1:, 1:], products[:-1, :-1])


def test_heads_must_fit():
    with pytest.raises(ValueError, match="twice the 3 heads"):
        DiT(5, 6, 4, dim=16, num_heads=3)
