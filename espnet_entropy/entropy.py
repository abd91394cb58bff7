"""How surprising each unit is going to be: the entropy of the unit LM's prediction."""

import torch
from torch import Tensor

from espnet_entropy.batch import check_unit_range, valid_mask
from espnet_entropy.unit_lm import LlamaLM


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
    if lm.training:
        raise ValueError("the unit LM is in training mode; call .eval() first")
    if units.numel() == 0:
        raise ValueError(f"units are {tuple(units.shape)}: there is nothing to predict")
    valid = valid_mask(lengths, units.shape[1])
    units = units.masked_fill(~valid, 0)
    check_unit_range(units, lm.num_units)
    start = units.new_full((units.shape[0], 1), lm.sos)
    logits, _ = lm(torch.cat([start, units[:, :-1]], dim=1))
    # float32 whatever the LM's dtype: bf16 flips threshold decisions
    log_probs = logits[..., : lm.num_units].float().log_softmax(-1)
    entropies = -(log_probs.exp() * log_probs).sum(-1)
    entropies = entropies.clamp(min=0.0).masked_fill(~valid, 0.0)
    if not entropies.isfinite().all():
        row, frame = (~entropies.isfinite()).nonzero()[0].tolist()
        raise ValueError(
            f"the entropy of batch row {row}, frame {frame} is {entropies[row, frame]}: the unit "
            "LM's training diverged; train it again with a lower learning rate"
        )
    return entropies
