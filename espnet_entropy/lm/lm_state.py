"""What the unit LM remembers between two calls: keys and values of its current window."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowState:
    """The window of B sequences that are equally far; never changed, each call gives a new one.

    Memory is bounded by the window: P is at most the LM's context.

    Attributes:
        ids: (B, P) int64, the inputs of the current window, `<sos/eos>` first.
        keys_values: for each layer keys and values, (B, H, P, D / H) each.
        num_inputs: inputs since the beginning of the sequences, all windows together.
    """

    ids: Tensor
    keys_values: tuple[tuple[Tensor, Tensor], ...]
    num_inputs: int

    def rows(self) -> list[WindowState]:
        """The B sequences on their own, as states of B = 1."""
        return [
            WindowState(
                self.ids[row : row + 1],
                tuple((k[row : row + 1], v[row : row + 1]) for k, v in self.keys_values),
                self.num_inputs,
            )
            for row in range(len(self.ids))
        ]

    @classmethod
    def join(cls, states: list[WindowState]) -> WindowState:
        """One state of several sequences.

        Raises:
            ValueError: the sequences differ in length.
        """
        lengths = {state.num_inputs for state in states}
        if len(lengths) != 1:
            raise ValueError(
                f"sequences of {min(lengths)} to {max(lengths)} inputs cannot share a state; "
                "group them by length"
            )
        layers = zip(*(state.keys_values for state in states), strict=True)
        return cls(
            torch.cat([state.ids for state in states]),
            tuple(
                (torch.cat([k for k, _ in layer]), torch.cat([v for _, v in layer]))
                for layer in layers
            ),
            lengths.pop(),
        )
