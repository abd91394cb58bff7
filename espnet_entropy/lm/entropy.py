"""Predictive entropy: the uncertainty of the unit LM about the next unit."""

import torch
from torch import Tensor

from espnet_entropy.data.batch import check_unit_range, valid_mask
from espnet_entropy.lm.lm_state import WindowState
from espnet_entropy.lm.unit_lm import LlamaLM


@torch.inference_mode()
def predictive_entropies(lm: LlamaLM, units: Tensor, lengths: Tensor) -> Tensor:
    """Entropies of the distributions that predict each unit from the units before it.

    Source: arXiv 2509.00503, H_t. Here it runs over the K units, renormalised without `<unk>` and
    `<sos/eos>`, which never occur inside an utterance.

    Args:
        lm: unit LM, in eval mode.
        units: (B, T) int64 unit ids in [0, K); anything on the padding.
        lengths: (B,) int64 frames.

    Returns:
        (B, T) float32, nats, between 0 and ln K; 0 on the padding.

    Raises:
        ValueError: the model is in training mode or predicts NaN, there are no units, or a unit
            id is out of range.
    """
    _check_eval(lm)
    if units.numel() == 0:
        raise ValueError(f"units are {tuple(units.shape)}: there is nothing to predict")
    valid = valid_mask(lengths, units.shape[1])
    units = units.masked_fill(~valid, 0)
    check_unit_range(units, lm.num_units)
    start = units.new_full((units.shape[0], 1), lm.sos)
    input = torch.cat([start, units[:, :-1]], dim=1)
    with _own_precision(units):
        entropies = lm.map_logits(input, lambda logits: _entropies(logits, lm.num_units))
    entropies = entropies.masked_fill(~valid, 0.0)
    _check_finite(entropies, first_frame=0)
    return entropies


class EntropyStream:
    """Entropies of units that come one by one, or in blocks: those of `predictive_entropies`.

    Memory is that of one window of the LM, however long the stream.

    Args:
        lm: unit LM, in eval mode.

    Raises:
        ValueError: the model is in training mode.
    """

    def __init__(self, lm: LlamaLM):
        _check_eval(lm)
        self.lm = lm
        self._state: WindowState | None = None
        self._last: Tensor | None = None  # (B, 1), the unit that no prediction has seen yet

    @torch.inference_mode()
    def __call__(self, units: Tensor) -> Tensor:
        """Entropies of the distributions that predict the next units of B streams.

        Args:
            units: (B, n) int64 unit ids in [0, K), n at least 1; B is that of the first call.

        Returns:
            (B, n) float32, nats.

        Raises:
            ValueError: another B, no units, a unit id out of range, or the model predicts NaN.
        """
        if units.dim() != 2 or units.numel() == 0:
            raise ValueError(f"units are {tuple(units.shape)}, expected (B, n), n at least 1")
        check_unit_range(units, self.lm.num_units)
        if self._last is None:
            self._last = units.new_full((len(units), 1), self.lm.sos)
        if len(units) != len(self._last):
            raise ValueError(f"units of {len(units)} streams, but {len(self._last)} were begun")
        done = self._state.num_inputs if self._state is not None else 0
        input = torch.cat([self._last, units[:, :-1]], dim=1)
        with _own_precision(units):
            logits, self._state = self.lm.advance(input, self._state)
        self._last = units[:, -1:].clone()
        entropies = _entropies(logits, self.lm.num_units)
        _check_finite(entropies, first_frame=done)
        return entropies


def _own_precision(tensor: Tensor) -> torch.autocast:
    """That of the LM's weights, even within a training in bf16, which would flip boundaries."""
    return torch.autocast(tensor.device.type, enabled=False)


def _check_eval(lm: LlamaLM) -> None:
    if lm.training:
        raise ValueError("the unit LM is in training mode; call .eval() first")


def _entropies(logits: Tensor, num_units: int) -> Tensor:
    """(..., K + 2) logits -> (...) nats."""
    # float32 whatever the LM's dtype: bf16 flips threshold decisions
    log_probs = logits[..., :num_units].float().log_softmax(-1)
    return (-(log_probs.exp() * log_probs).sum(-1)).clamp(min=0.0)


def _check_finite(entropies: Tensor, *, first_frame: int) -> None:
    if entropies.isfinite().all():
        return
    row, frame = (~entropies.isfinite()).nonzero()[0].tolist()
    raise ValueError(
        f"the entropy of batch row {row}, frame {first_frame + frame} is {entropies[row, frame]}: "
        "the unit LM's training diverged; train it again with a lower learning rate"
    )
