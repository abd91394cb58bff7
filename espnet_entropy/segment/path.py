"""Dynamic programming over frames: the best boundaries of an utterance as a whole."""

import numpy as np
import torch
from torch import Tensor

NEVER = float("-inf")


def best_path(
    scores: Tensor,
    lengths: Tensor,
    price_nats: float,
    *,
    mean_gap: float,
    gap_cost: float,
) -> Tensor:
    """Boundaries that maximise sum (score_t - price) - gap_cost * (gap - mean gap)^2.

    Dynamic programming over the frames, batch and gaps at once; source: this project. A path ends
    at the utterance's end, which closes the last gap and earns nothing. No gap is longer than four
    mean gaps, unless nothing may fire there.

    Args:
        scores: (B, T) float32, nats, -inf where no boundary may be.
        lengths: (B,) int64 frames.
        price_nats: of a boundary.
        mean_gap: frames between boundaries that cost nothing.
        gap_cost: nats per squared frame of deviation from it.

    Returns:
        (B, T) bool; what it says about t = 0 and the padding has no meaning.
    """
    # NumPy, because a step is too small for anything but the cost of its calls; and float64: a
    # path over a long run of frames that never fire pays 1e4 for each, beside which float32
    # forgets the nats.
    gains = (scores.double() - price_nats).cpu().numpy()
    batch, length = gains.shape
    ends = lengths.cpu().numpy()
    rows = np.arange(batch)
    max_gap = min(length, max(2, int(4 * mean_gap)))
    costs = gap_cost * (np.arange(1, max_gap + 1) - mean_gap) ** 2

    # best[:, max_gap + t]: value of the best path with a boundary at t; the left rim is unreachable
    best = np.full((batch, max_gap + length + 1), NEVER)
    best[:, max_gap] = 0.0
    back = np.ones((batch, length + 1), dtype=np.int64)
    # Frames that never fire still pass paths on, at a price, or a long run of them would cut off
    # the rest of the utterance.
    gains = np.pad(gains.clip(min=-1e4), ((0, 0), (0, 1)))
    gains[rows, ends] = 0.0
    for t in range(1, length + 1):
        values = best[:, t : max_gap + t][:, ::-1] - costs
        gap = values.argmax(1)
        best[:, max_gap + t] = values[rows, gap] + gains[:, t]
        back[:, t] = gap + 1

    boundaries = np.zeros((batch, length + 1), dtype=bool)
    at = ends
    while (at > 0).any():
        at = (at - back[rows, at]).clip(min=0)
        boundaries[rows, at] = True
    kept = boundaries[:, :length] & (gains[:, :length] > -1e4)
    return torch.from_numpy(kept).to(scores.device)
