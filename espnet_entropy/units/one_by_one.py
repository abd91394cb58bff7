"""What the extractors share: each encodes a batch one utterance at a time, in full float32."""

import contextlib
import hashlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from espnet_entropy.data.audio import MAX_PEAK
from espnet_entropy.units.chunks import SAMPLE_RATE, pieces_of


def chunked(chunk_sec: float | None) -> dict[str, float]:
    """A conf's entry; none without chunks, so that the hash of such a conf says nothing of them."""
    return {} if chunk_sec is None else {"chunk_sec": chunk_sec}


def one_by_one(extractor, encode, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Check a batch, encode its utterances' pieces separately (N,) -> (T, D), pad with zeros."""
    _check_batch(waveforms, lengths)
    features = []
    with _full_float32(waveforms.device):
        for i, length in enumerate(lengths.tolist()):
            # For a batch of one, the caller knows the name of the utterance.
            which = f"utterance {i} of the batch: " if len(lengths) > 1 else ""
            if extractor.num_frames(length) < 1:
                raise ValueError(
                    f"{which}{length} samples ({length / SAMPLE_RATE:.4f} s) are too short for one "
                    f"frame of {extractor.name}; leave it out"
                )
            waveform = waveforms[i, :length]
            peak = waveform.abs().amax().item()
            if not peak <= MAX_PEAK:  # also true for NaN
                raise ValueError(
                    f"{which}the largest sample of {length} is {peak}; "
                    "expected finite floats in [-1, 1] (divide 16-bit integers by 32768)"
                )
            pieces = waveform.split(pieces_of(extractor, length))
            # Copies of their own: kernels may add in another order at another memory alignment.
            features.append(torch.cat([encode(piece.clone()) for piece in pieces]))
        feature_lengths = torch.tensor([len(feature) for feature in features])
        return nn.utils.rnn.pad_sequence(features, True), feature_lengths.to(lengths.device)


def _check_batch(waveforms: Tensor, lengths: Tensor) -> None:
    if waveforms.dim() != 2 or waveforms.dtype != torch.float32:
        raise ValueError(
            f"waveforms must be (B, N) float32, not {tuple(waveforms.shape)} {waveforms.dtype}"
        )
    batch, num_samples = waveforms.shape
    if batch == 0 or lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(
            f"{batch} waveforms, but lengths {tuple(lengths.shape)} {lengths.dtype}; "
            "expected (B,) int64 with B > 0"
        )
    longest = int(lengths.max())
    if longest > num_samples:
        raise ValueError(f"a length of {longest} samples, but waveforms hold {num_samples}")


@contextlib.contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, and on CUDA neither TF32 nor kernels chosen by timing."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        if device.type != "cuda":
            yield
            return
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(precision)


def hash_tensors(tensors: dict[str, Tensor]) -> str:
    """SHA-256 (hex) of names, shapes, dtypes and values."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def ceil_div(a: int, b: int) -> int:
    """a / b, rounded up."""
    return -(-a // b)
