"""Training the paper's unit LM in bf16 beside the chip's measured matrix rate."""

import copy
import statistics

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.entropy_pass import NUM_UNITS, unit_lm
from benchmarks.speed.measure import Row, largest_difference, not_run, seconds, time_of
from espnet_entropy.lm.unit_lm import LlamaLM

WINDOWS, CONTEXT, MATRIX = 32, 1024, 8192
WHAT, PEER = "unit LM training, paper's shape, bf16", "the chip's measured matrix rate"
LIMIT = dict(limit=0.45, at_least=True)


def loss_of(lm: LlamaLM, ids: torch.Tensor) -> torch.Tensor:
    """Of full windows (B, L + 1): no padding."""
    logits, _ = lm(ids[:, :-1])
    return F.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def step(lm: LlamaLM, ids: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One training step under autocast."""
    with torch.autocast(ids.device.type, dtype=torch.bfloat16):
        loss = loss_of(lm, ids)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def check(lm: LlamaLM, ids: torch.Tensor) -> str:
    """The bf16 loss beside float64's.

    Raises:
        ValueError: they differ by more than 2 %.
    """
    with torch.no_grad():
        exact = copy.deepcopy(lm).double()(ids[:, :-1])[0]
        expected = F.cross_entropy(exact.flatten(0, 1), ids[:, 1:].flatten())
        with torch.autocast(ids.device.type, dtype=torch.bfloat16):
            found = loss_of(lm, ids)
    worst = largest_difference(found, expected, at_most=0.02)
    return f"loss in float64, {found:.4f}: {worst:.1g}"


def quick(device: str) -> list[str]:
    """Correctness at a small size, and that a step learns."""
    lm = unit_lm(device, hidden_size=32, num_layers=2, num_heads=2, context=64).train()
    ids = torch.randint(NUM_UNITS, (4, 65), device=device)
    checked = check(lm, ids)
    before, optimizer = loss_of(lm, ids).item(), torch.optim.AdamW(lm.parameters(), 1e-2)
    step(lm, ids, optimizer)
    if not loss_of(lm, ids).item() < before:
        raise ValueError("a training step does not lower the loss")
    return [checked]


def rows(device: str) -> list[Row]:
    """Share of the measured bf16 rate; operations as PyTorch counts them."""
    if device == "cpu":
        reason = "a target for a GPU; a CPU has no bf16 rate to compare with"
        return [not_run(WHAT, PEER, reason, **LIMIT)]
    lm = unit_lm(device).train()
    ids = torch.randint(NUM_UNITS, (WINDOWS, CONTEXT + 1), device=device)
    checked = check(lm, ids[:2])
    optimizer = torch.optim.AdamW(lm.parameters(), fused=True)
    with FlopCounterMode(display=False) as counter:
        step(lm, ids, optimizer)
    a, b = (torch.randn(MATRIX, MATRIX, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        step(lm, ids, optimizer), a @ b
    pairs = []
    for _ in range(10):
        trained = counter.get_total_flops() / time_of(lambda: step(lm, ids, optimizer), device)
        product = 20 * 2 * MATRIX**3 / time_of(lambda: [a @ b for _ in range(20)], device)
        pairs.append((trained, product))
    ratio = statistics.median(trained / product for trained, product in pairs)
    sec = counter.get_total_flops() / statistics.median(trained for trained, _ in pairs)
    rate = statistics.median(product for _, product in pairs) / 1e12
    note = (
        f"{WINDOWS} full windows of {CONTEXT}: {seconds(sec)} a step; matrices {rate:.0f} TFLOP/s"
    )
    return [Row(WHAT, PEER, ratio, note=note, checked=checked, **LIMIT)]
