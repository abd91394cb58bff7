"""Conditional flow matching on straight paths, and its sampler (Lipman et al., 2023)."""

from collections.abc import Callable

import torch
from torch import Tensor

SOLVERS = ("euler", "midpoint")


def on_path(noise: Tensor, target: Tensor, time: Tensor, sigma_min: float = 0.0) -> Tensor:
    """Where the optimal-transport path from noise (time 0) to target (time 1) is at a time.

    Args:
        noise, target: (B, M, F) float32.
        time: (B,) float32 in [0, 1].
        sigma_min: share of the noise that is left at time 1.

    Returns:
        (B, M, F) float32.
    """
    time = time.view(-1, 1, 1)
    return (1 - (1 - sigma_min) * time) * noise + time * target


def velocity_on_path(noise: Tensor, target: Tensor, sigma_min: float = 0.0) -> Tensor:
    """The derivative of `on_path` by time, which is constant; (B, M, F) float32."""
    return target - (1 - sigma_min) * noise


def flow_loss(predicted: Tensor, velocity: Tensor, counted: Tensor) -> Tensor:
    """Mean squared error of velocities over the frames that count.

    Args:
        predicted, velocity: (B, M, F) float32.
        counted: (B, M) bool, False on padding and on the prompt.

    Returns:
        () float32.

    Raises:
        ValueError: no frame counts.
    """
    if not counted.any():
        raise ValueError("no frame is left to learn from: every frame is prompt or padding")
    # Chosen, not multiplied by the mask: what stands on the padding must not matter, NaN included.
    return (predicted[counted] - velocity[counted]).square().mean()


def guided(conditional: Tensor, unconditional: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance (Ho and Salimans, 2022): 0 is the conditional velocity itself."""
    return conditional + guidance * (conditional - unconditional)


@torch.no_grad()
def sample(
    field: Callable[[Tensor, Tensor], Tensor],
    noise: Tensor,
    num_steps: int,
    *,
    solver: str = "euler",
) -> Tensor:
    """Follow a velocity field from time 0 to 1 in equal steps.

    Args:
        field: of x (B, M, F) and time (B,), the velocity (B, M, F).
        noise: (B, M, F) float32, where to start.
        num_steps: at least 1.
        solver: one of SOLVERS; `midpoint` asks the field twice a step.

    Returns:
        (B, M, F) float32.

    Raises:
        ValueError: an unknown solver or no step.
    """
    if solver not in SOLVERS:
        raise ValueError(f"solver {solver!r} is none of {', '.join(SOLVERS)}")
    if num_steps < 1:
        raise ValueError(f"{num_steps} steps; at least 1 is needed")
    x, step = noise, 1 / num_steps
    for index in range(num_steps):
        time = noise.new_full((len(noise),), index * step)
        velocity = field(x, time)
        if solver == "midpoint":
            velocity = field(x + step / 2 * velocity, time + step / 2)
        x = x + step * velocity
    return x
