"""A LLaMA-style language model over units: an ESPnet `AbsLM` around Hugging Face's Llama.

Its vocabulary is K + 2: ids 0 .. K-1 are the units themselves, then `<unk>` and `<sos/eos>`.

Context is bounded and part of the model's definition. Window j starts at unit j * context / 2 with
a fresh `<sos/eos>` and holds `context` positions. The first window predicts all of its units, each
later one its second half, so a unit far from the start is predicted from context/2 to context - 1
units before it. Windows are independent of each other: a sequence gives the same predictions
offline, in batches and unit by unit, memory does not grow with it, and no position is larger
than those seen in training.
"""

import torch
from espnet2.lm.abs_model import AbsLM
from torch import Tensor


class LlamaLM(AbsLM):
    """Decoder-only Transformer with rotary positions over units (`lm: llama`).

    Args:
        vocab_size: K + 2.
        hidden_size: model dimension; a multiple of num_heads.
        num_layers, num_heads: depth and attention heads.
        intermediate_size: width of the gated feed-forward; 8/3 of hidden_size if None.
        context: window in positions (1,024 at 50 Hz are about 20 s); even.
        dropout: of the attention weights, in training; above 0 PyTorch's CPU attention takes its
            slow path.
        windows_per_batch: how many windows of long sequences are computed at once.
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int = 256,
        num_layers: int = 4,
        num_heads: int = 4,
        intermediate_size: int | None = None,
        context: int = 1024,
        dropout: float = 0.0,
        windows_per_batch: int = 16,
    ):
        super().__init__()
        # Seconds, which commands that only name this class need not wait for.
        from transformers import LlamaConfig, LlamaForCausalLM

        if context < 2 or context % 2:
            raise ValueError(f"context must be an even number of units, but is {context}")
        if intermediate_size is None:
            intermediate_size = -(-hidden_size * 8 // 3 // 32) * 32
        self.vocab_size = vocab_size
        self.num_units = vocab_size - 2
        self.context = context
        self.windows_per_batch = windows_per_batch
        self.conf = dict(
            vocab_size=vocab_size,
            hidden_size=hidden_size,
            num_layers=num_layers,
            num_heads=num_heads,
            intermediate_size=intermediate_size,
            context=context,
        )
        self.llama = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=vocab_size,
                hidden_size=hidden_size,
                num_hidden_layers=num_layers,
                num_attention_heads=num_heads,
                intermediate_size=intermediate_size,
                max_position_embeddings=context,
                attention_dropout=dropout,
                tie_word_embeddings=False,
                bos_token_id=vocab_size - 1,
                eos_token_id=vocab_size - 1,
                use_cache=False,
            )
        )

    @property
    def sos(self) -> int:
        """Id of `<sos/eos>`."""
        return self.vocab_size - 1

    def forward(self, input: Tensor, hidden: None = None) -> tuple[Tensor, None]:
        """Logits of the next unit at every position.

        Args:
            input: (B, L) int64, `<sos/eos>` first, then units; padding on the right is harmless,
                since attention is causal.
            hidden: unused; part of ESPnet's interface.

        Returns:
            (B, L, K + 2) logits, where position t predicts unit t; and None.
        """
        if input.shape[1] <= self.context:
            return self._logits(input), None
        windows = self._windows(input)
        logits = torch.cat([self._logits(w) for w in windows.split(self.windows_per_batch)])
        logits = logits.view(-1, input.shape[0], self.context, self.vocab_size)
        half = self.context // 2
        parts = [logits[0], *logits[1:, :, half:].unbind(0)]
        # ESPnet's loss takes a view of it.
        return torch.cat(parts, dim=1)[:, : input.shape[1]].contiguous(), None

    def _logits(self, input: Tensor) -> Tensor:
        return self.llama(input_ids=input, use_cache=False).logits

    def _windows(self, input: Tensor) -> Tensor:
        """(B, L) -> (J * B, context), window-major, each starting with `<sos/eos>`."""
        batch, length = input.shape
        half = self.context // 2
        num_windows = 1 + -(-(length - self.context) // half)
        padded = torch.nn.functional.pad(input, (0, self.context + num_windows * half - length))
        windows = torch.stack(
            [padded[:, j * half : j * half + self.context] for j in range(num_windows)]
        )
        # Position 0 of the input is <sos/eos>, so window j's units start at position j * half + 1.
        windows[:, :, 0] = self.sos
        return windows.reshape(num_windows * batch, self.context)

    def score(self, y: Tensor, state: None, x: Tensor) -> tuple[Tensor, None]:
        """Log-probabilities (K + 2,) of what follows the prefix y (L,), for ESPnet's search."""
        scores, _ = self.batch_score(y.unsqueeze(0), [state], x)
        return scores[0], None

    def batch_score(self, ys: Tensor, states: list, xs: Tensor) -> tuple[Tensor, list]:
        """Log-probabilities (B, K + 2) of what follows the prefixes ys (B, L).

        The prefix is computed anew at each call: searching over units is not what this model is
        for, and a cache would have to follow the hypotheses.
        """
        logits, _ = self(ys)
        return logits[:, -1].log_softmax(-1), [None] * len(ys)
