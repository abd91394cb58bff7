"""The diffusion transformer that predicts velocities of mel frames (Peebles and Xie, 2023)."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


def sinusoids(values: Tensor, dim: int) -> Tensor:
    """Sines and cosines of values in [0, 1], such as times.

    Args:
        values: (B,) float32.
        dim: even.

    Returns:
        (B, dim) float32.
    """
    half = dim // 2
    rates = torch.exp(-math.log(10000.0) * torch.arange(half, device=values.device) / half)
    angles = 1000.0 * values.unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def rotate(x: Tensor) -> Tensor:
    """Rotary positions (Su et al., 2021): turn pairs of dimensions by an angle that grows.

    Args:
        x: (B, H, M, E) float32, E even.

    Returns:
        (B, H, M, E) float32; products of two depend on the distance of their frames only.
    """
    num_frames, half = x.shape[-2], x.shape[-1] // 2
    rates = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angles = torch.arange(num_frames, device=x.device).unsqueeze(-1) * rates
    sin, cos = angles.sin().to(x.dtype), angles.cos().to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos], dim=-1)


class DiTBlock(nn.Module):
    """Attention and feed-forward, both normalised, scaled and gated by the condition.

    Args:
        dim: width.
        num_heads: they divide the width into even parts.
        ff_factor: width of the feed-forward part over `dim`.
        dropout: of both parts' outputs.
    """

    def __init__(self, dim: int, num_heads: int, ff_factor: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.norm_attention = nn.LayerNorm(dim, elementwise_affine=False)
        self.norm_feed_forward = nn.LayerNorm(dim, elementwise_affine=False)
        self.to_qkv = nn.Linear(dim, 3 * dim)
        self.to_out = nn.Linear(dim, dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, ff_factor * dim), nn.GELU(), nn.Linear(ff_factor * dim, dim)
        )
        self.dropout = nn.Dropout(dropout)
        self.modulation = nn.Linear(dim, 6 * dim)
        # Gates start at zero, so that every block starts as the identity.
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor, valid: Tensor) -> Tensor:
        """One block.

        Args:
            x: (B, M, dim) float32.
            condition: (B, dim) float32.
            valid: (B, M) bool, False on the padding.

        Returns:
            (B, M, dim) float32.
        """
        parts = self.modulation(condition).unsqueeze(1).chunk(6, dim=-1)
        shift, scale, gate, ff_shift, ff_scale, ff_gate = parts
        attended = self._attend(self.norm_attention(x) * (1 + scale) + shift, valid)
        x = x + gate * self.dropout(attended)
        inner = self.norm_feed_forward(x) * (1 + ff_scale) + ff_shift
        return x + ff_gate * self.dropout(self.feed_forward(inner))

    def _attend(self, x: Tensor, valid: Tensor) -> Tensor:
        batch, frames, dim = x.shape
        heads = self.to_qkv(x).view(batch, frames, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        mask = valid[:, None, None, :]
        out = scaled_dot_product_attention(rotate(heads[0]), rotate(heads[1]), heads[2], mask)
        return self.to_out(out.transpose(1, 2).reshape(batch, frames, dim))


class DiT(nn.Module):
    """Velocities of mel frames from noisy ones, what is said, who speaks and a prompt.

    Args:
        n_mels: F, bands.
        content_dim: D, of the content vectors.
        speaker_dim: of the speaker embeddings.
        dim: width.
        num_blocks: depth.
        num_heads: they must divide `dim` into even parts.
        ff_factor: see DiTBlock.
        dropout: see DiTBlock.

    Raises:
        ValueError: the heads do not divide the width into even parts.
    """

    def __init__(
        self,
        n_mels: int,
        content_dim: int,
        speaker_dim: int,
        *,
        dim: int = 256,
        num_blocks: int = 6,
        num_heads: int = 4,
        ff_factor: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__()
        if dim % (2 * num_heads):
            raise ValueError(f"dim {dim} must be a multiple of twice the {num_heads} heads")
        self.dim = dim
        # Noisy frame, prompt frame, and whether there is a prompt here.
        self.from_mel = nn.Linear(2 * n_mels + 1, dim)
        self.from_content = nn.Linear(content_dim, dim)
        self.from_speaker = nn.Linear(speaker_dim, dim)
        self.from_time = nn.Sequential(nn.Linear(dim, dim), nn.SiLU(), nn.Linear(dim, dim))
        self.blocks = nn.ModuleList(
            DiTBlock(dim, num_heads, ff_factor, dropout) for _ in range(num_blocks)
        )
        self.norm = nn.LayerNorm(dim)
        self.to_velocity = nn.Linear(dim, n_mels)

    def forward(
        self,
        x: Tensor,
        time: Tensor,
        *,
        content: Tensor,
        speaker: Tensor,
        prompt: Tensor,
        in_prompt: Tensor,
        valid: Tensor,
    ) -> Tensor:
        """Predict velocities.

        Args:
            x: (B, M, F) float32, frames somewhere on the path.
            time: (B,) float32 in [0, 1], where on it.
            content: (B, M, D) float32, zeros for none.
            speaker: (B, speaker_dim) float32, zeros for none.
            prompt: (B, M, F) float32 frames of the voice; read where `in_prompt` only.
            in_prompt: (B, M) bool.
            valid: (B, M) bool, False on the padding. Each row has a frame that is True.

        Returns:
            (B, M, F) float32, zeros on the padding. What stands on the padding never matters.
        """
        given = in_prompt.unsqueeze(-1)
        frames = torch.cat([x, prompt.masked_fill(~given, 0.0), given.to(x.dtype)], dim=-1)
        padding = ~valid.unsqueeze(-1)
        # Filled before the layers: attention multiplies masked values by zero, and NaN stays NaN.
        hidden = self.from_mel(frames.masked_fill(padding, 0.0))
        hidden = hidden + self.from_content(content.masked_fill(padding, 0.0))
        condition = self.from_time(sinusoids(time, self.dim)) + self.from_speaker(speaker)
        condition = nn.functional.silu(condition)
        for block in self.blocks:
            hidden = block(hidden, condition, valid)
        return self.to_velocity(self.norm(hidden)).masked_fill(padding, 0.0)
