"""Whisper's encoder, without the padding to 30 seconds that other implementations insist on."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WhisperEncoder(nn.Module):
    """Whisper's encoder up to the layers in ``tensors``: log-mel (M, F) -> (ceil(F / 2), D)."""

    def __init__(self, tensors: dict[str, Tensor], num_heads: int):
        super().__init__()
        dim, num_mel, _ = tensors["conv1.weight"].shape
        if dim % num_heads:
            raise ValueError(f"Whisper weights: {dim} dimensions, but {num_heads} heads")
        num_blocks = len({name.split(".")[1] for name in tensors if name.startswith("blocks.")})
        ffn_dim = tensors["blocks.0.fc1.weight"].shape[0] if num_blocks else 0
        # On "meta" nothing is allocated or drawn: loading must not move the global random state.
        with torch.device("meta"):
            self.conv1 = nn.Conv1d(num_mel, dim, 3, padding=1)
            self.conv2 = nn.Conv1d(dim, dim, 3, stride=2, padding=1)
            self.blocks = nn.ModuleList(
                _WhisperBlock(dim, ffn_dim, num_heads) for _ in range(num_blocks)
            )
            has_norm = "final_norm.weight" in tensors
            self.final_norm = nn.LayerNorm(dim) if has_norm else nn.Identity()
            self.register_buffer("positions", torch.empty(tensors["positions"].shape))
        try:
            self.load_state_dict(tensors, assign=True)
        except RuntimeError as error:
            raise ValueError(f"Whisper weights do not fit together: {error}") from error

    def forward(self, log_mel: Tensor) -> Tensor:
        """Log-mel spectrogram (mels, frames) -> hidden states (T, D) of the last layer kept."""
        x = F.gelu(self.conv1(log_mel[None]))
        x = F.gelu(self.conv2(x)).transpose(1, 2)  # (1, T, D)
        x = x + self.positions[: x.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.final_norm(x)[0]


class _WhisperBlock(nn.Module):
    """Pre-norm transformer layer, (1, T, D) -> (1, T, D)."""

    def __init__(self, dim: int, ffn_dim: int, num_heads: int):
        super().__init__()
        self.num_heads = num_heads
        self.attn_norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.ffn_norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, ffn_dim)
        self.fc2 = nn.Linear(ffn_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.attn_norm(x)).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each (1, H, T, D / H)
        attended = F.scaled_dot_product_attention(query, key, value)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.ffn_norm(x))))
