"""From segments back to time: what is known of each unit's time once units were merged."""

import torch
from torch import Tensor, nn

from espnet_entropy.aggregate.encoder import Encoded


def _of_segments(values: Tensor, encoded: Encoded) -> Tensor:
    """(B, S, D) or (B, S) -> the same over T units, zeros on the padding."""
    ids = encoded.segment_ids
    index = ids.clamp(min=0)
    if values.dim() == 3:
        index = index.unsqueeze(-1).expand(-1, -1, values.shape[-1])
        ids = ids.unsqueeze(-1)
    return values.gather(1, index).masked_fill(ids < 0, 0)


def expand(encoded: Encoded) -> Tensor:
    """Repeat each segment's vector over its units.

    Args:
        encoded: segments of T units.

    Returns:
        (B, T, D) float32, zeros on the padding.
    """
    return _of_segments(encoded.vectors, encoded)


def positions(encoded: Encoded) -> Tensor:
    """Where in its segment each unit is, and how long that segment is.

    Args:
        encoded: segments of T units.

    Returns:
        (B, T, 2) float32: the unit's middle as a share of the segment, in (0, 1), and the natural
        logarithm of the segment's length in units; zeros on the padding.
    """
    lengths = encoded.segment_lengths
    length = _of_segments(lengths, encoded).clamp(min=1)
    start = _of_segments(lengths.cumsum(1) - lengths, encoded)
    middle = torch.arange(length.shape[1], device=length.device) + 0.5
    values = torch.stack([(middle - start) / length, length.float().log()], dim=-1)
    return values.masked_fill((encoded.segment_ids < 0).unsqueeze(-1), 0.0)


def segment_means(values: Tensor, encoded: Encoded) -> Tensor:
    """Give each unit the mean over its segment.

    Args:
        values: (B, T, C) float32.
        encoded: segments of the same T units.

    Returns:
        (B, T, C) float32, zeros on the padding.
    """
    ids, lengths = encoded.segment_ids, encoded.segment_lengths
    valid = (ids >= 0).unsqueeze(-1)
    index = ids.clamp(min=0).unsqueeze(-1).expand_as(values)
    sums = values.new_zeros(*lengths.shape, values.shape[-1])
    sums = sums.scatter_add(1, index, values.masked_fill(~valid, 0.0))
    return _of_segments(sums / lengths.clamp(min=1).unsqueeze(-1), encoded)


class _Convolution(nn.Module):
    """Depthwise convolution and feed-forward along time, pre-norm, with a residual."""

    def __init__(self, dim: int, kernel: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.depthwise = nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, 2 * dim), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * dim, dim)
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        # The padding is what the convolution adds at the ends itself.
        normed = self.norm(x).masked_fill(~valid.unsqueeze(-1), 0.0)
        return x + self.feed_forward(self.depthwise(normed.transpose(1, 2)).transpose(1, 2))


class ContentDecoder(nn.Module):
    """What is said and by whom, to a vector a unit and a first, blurred spectrogram.

    Args:
        content_dim: C, of the input.
        speaker_dim: of the speaker embeddings.
        mel_dim: values of the spectrogram in the time of a unit.
        dim: D, width.
        num_layers: convolutions.
        kernel: their odd width in units.
        dropout: inside them.

    Raises:
        ValueError: an even kernel.
    """

    def __init__(
        self,
        content_dim: int,
        speaker_dim: int,
        mel_dim: int,
        *,
        dim: int = 256,
        num_layers: int = 3,
        kernel: int = 7,
        dropout: float = 0.0,
    ):
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"kernel {kernel} must be odd")
        self.dim = dim
        self.from_content = nn.Linear(content_dim, dim)
        self.from_speaker = nn.Linear(speaker_dim, dim)
        self.layers = nn.ModuleList(_Convolution(dim, kernel, dropout) for _ in range(num_layers))
        self.norm = nn.LayerNorm(dim)
        self.to_mel = nn.Linear(dim, mel_dim)

    def forward(self, content: Tensor, speaker: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """One pass.

        Args:
            content: (B, T, C) float32.
            speaker: (B, speaker_dim) float32.
            valid: (B, T) bool, False on the padding.

        Returns:
            (B, T, D) float32 vectors and (B, T, mel_dim) float32 spectrogram.
        """
        hidden = self.from_content(content) + self.from_speaker(speaker).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden, valid)
        hidden = self.norm(hidden)
        return hidden, self.to_mel(hidden)
