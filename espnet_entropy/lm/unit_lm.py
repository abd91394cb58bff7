"""A LLaMA-style language model over units: an ESPnet `AbsLM` around Hugging Face's Llama.

Its vocabulary is K + 2: ids 0 .. K-1 are the units themselves, then `<unk>` and `<sos/eos>`.

Context is bounded and part of the model's definition. Window j starts at unit j * context / 2 with
a fresh `<sos/eos>` and holds `context` positions. The first window predicts all of its units, each
later one its second half, so a unit far from the start is predicted from context/2 to context - 1
units before it. Windows are independent of each other: a sequence gives the same predictions
offline, in batches and unit by unit, memory does not grow with it, and no position is larger
than those seen in training.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from espnet2.lm.abs_model import AbsLM
from torch import Tensor

from espnet_entropy.lm.lm_state import WindowState


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
        # ESPnet's loss takes a view of it.
        return self.map_logits(input, lambda logits: logits).contiguous(), None

    def map_logits(self, input: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """A function of the logits at every position, without holding all logits at once.

        Memory is that of `windows_per_batch` windows and of what the function returns.

        Args:
            input: (B, L) int64, as in `forward`.
            function: (W, P, K + 2) logits -> (W, P, ...); each position for itself.

        Returns:
            (B, L, ...).
        """
        batch, length = input.shape
        windows = self._windows(input) if length > self.context else input
        parts = windows.split(self.windows_per_batch)
        mapped = torch.cat([function(self._logits(part)) for part in parts])
        mapped = mapped.unflatten(0, (-1, batch))
        later = mapped[1:, :, self.context // 2 :]
        return torch.cat([mapped[0], *later.unbind(0)], dim=1)[:, :length]

    def advance(
        self, input: Tensor, state: WindowState | None = None
    ) -> tuple[Tensor, WindowState]:
        """Logits of the next inputs of sequences of which the earlier ones are known already.

        However a sequence is cut into calls, the logits are those of `forward` on the whole. An
        input costs one position, and another half where a window begins: its first half is then
        computed anew, from the units alone.

        Args:
            input: (B, n) int64 with n at least 1; `<sos/eos>` first, without a state.
            state: that of the inputs before; None at the beginning.

        Returns:
            (B, n, K + 2) logits, and the state after these inputs.
        """
        logits = []
        while input.shape[1]:
            if state is not None and state.ids.shape[1] == self.context:
                state = self._next_window(state)
            room = self.context - (state.ids.shape[1] if state is not None else 0)
            hidden, state = self._extend(input[:, :room], state)
            logits.append(self.llama.lm_head(hidden))
            input = input[:, room:]
        return torch.cat(logits, dim=1), state

    def _extend(self, ids: Tensor, state: WindowState | None) -> tuple[Tensor, WindowState]:
        """(B, n) more inputs of the same window: hidden states (B, n, D), the new state."""
        from transformers import DynamicCache

        cache = DynamicCache()
        # Updating a cache joins tensors to new ones, so the old state stays as it is.
        for layer, (keys, values) in enumerate(state.keys_values if state is not None else ()):
            cache.update(keys, values, layer)
        hidden = self.llama.model(input_ids=ids, past_key_values=cache, use_cache=True)
        seen = [state.ids, ids] if state is not None else [ids]
        return hidden.last_hidden_state, WindowState(
            torch.cat(seen, dim=1),
            tuple((keys, values) for keys, values, *_ in cache),
            (state.num_inputs if state is not None else 0) + ids.shape[1],
        )

    def _next_window(self, state: WindowState) -> WindowState:
        """After a full window: the next one, of which the first half is known."""
        start = state.ids.new_full((len(state.ids), 1), self.sos)
        known = torch.cat([start, state.ids[:, self.context // 2 + 1 :]], dim=1)
        _, following = self._extend(known, None)
        return replace(following, num_inputs=state.num_inputs)

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

    def score(self, y: Tensor, state: WindowState | None, x: Tensor) -> tuple[Tensor, WindowState]:
        """Log-probabilities (K + 2,) of what follows the prefix y (L,), for ESPnet's search."""
        scores, states = self.batch_score(y.unsqueeze(0), [state], x)
        return scores[0], states[0]

    def batch_score(
        self, ys: Tensor, states: list[WindowState | None], xs: Tensor
    ) -> tuple[Tensor, list[WindowState]]:
        """Log-probabilities (B, K + 2) of what follows the prefixes ys (B, L).

        Args:
            ys: (B, L) int64, `<sos/eos>` first.
            states: B states of shorter prefixes, all of one length, of which only the rest is
                computed; or None, and the prefix is.
            xs: unused; part of ESPnet's interface.

        Returns:
            The scores, and B states of the prefixes.
        """
        state = None if any(s is None for s in states) else WindowState.join(states)
        logits, state = self.advance(ys[:, state.num_inputs if state is not None else 0 :], state)
        return logits[:, -1].log_softmax(-1), state.rows()
