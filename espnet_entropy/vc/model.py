"""The ESPnet model of voice conversion: units, mel frames and speaker in, a loss out."""

import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor, nn
from torch.nn.functional import pad

from espnet_entropy.batch import valid_mask
from espnet_entropy.vc.content import expand, positions
from espnet_entropy.vc.dit import DiT
from espnet_entropy.vc.flow import flow_loss, guided, on_path, sample, velocity_on_path


class ConversionModel(AbsESPnetModel):
    """Flow matching on mel frames, given segments, a speaker and a prompt.

    Args:
        frontend: has `encode(input, lengths) -> Encoded` and `output_size()`, as EntropyFrontend.
        n_mels: F, bands.
        speaker_dim: of the speaker embeddings.
        frames_per_unit: R, mel frames in the time of a unit.
        mel_mean, mel_scale: log mels are shifted and divided by these, to be like the noise.
        use_positions: tell each frame where in its segment it is, and that segment's length.
        drop_condition: share of the training utterances that learn without content, speaker and
            prompt, for guidance.
        max_prompt: the prompt's largest share of an utterance in training.
        dit_conf: further arguments of DiT.

    Raises:
        ValueError: settings out of range.
    """

    def __init__(
        self,
        frontend: nn.Module,
        n_mels: int = 80,
        speaker_dim: int = 256,
        *,
        frames_per_unit: int = 2,
        mel_mean: float = -2.0,
        mel_scale: float = 1.0,
        use_positions: bool = True,
        drop_condition: float = 0.1,
        max_prompt: float = 0.5,
        dit_conf: dict | None = None,
    ):
        super().__init__()
        if not (0 <= drop_condition < 1 and 0 <= max_prompt < 1):
            raise ValueError(
                f"drop_condition {drop_condition} and max_prompt {max_prompt} must be in [0, 1)"
            )
        if frames_per_unit < 1 or not mel_scale > 0:
            raise ValueError(
                f"frames_per_unit {frames_per_unit} must be >= 1 and mel_scale {mel_scale} > 0"
            )
        self.frontend = frontend
        self.frames_per_unit, self.use_positions = frames_per_unit, use_positions
        self.mel_mean, self.mel_scale, self.n_mels = mel_mean, mel_scale, n_mels
        self.drop_condition, self.max_prompt = drop_condition, max_prompt
        content_dim = frontend.output_size() + (2 if use_positions else 0)
        self.dit = DiT(n_mels, content_dim, speaker_dim, **(dit_conf or {}))

    def forward(
        self,
        units: Tensor,
        units_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        speaker: Tensor,
        **kwargs,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The loss of a padded batch.

        Args:
            units: (B, T, 2) float32, unit id and entropy in nats.
            units_lengths: (B,) int64.
            mel: (B, M, F) float32, log10, R frames a unit.
            mel_lengths: (B,) int64.
            speaker: (B, speaker_dim) float32.
            kwargs: what ESPnet passes besides, such as names.

        Returns:
            () loss, what ESPnet logs, and (1,) weight.

        Raises:
            ValueError: an utterance whose frames are not R times its units.
        """
        self._check_lengths(units_lengths, mel_lengths)
        content = self._content(units, units_lengths)
        target = (mel - self.mel_mean) / self.mel_scale
        valid = valid_mask(mel_lengths, mel.shape[1])
        in_prompt, kept = self._draw_conditions(mel_lengths, mel.shape[1])
        noise, time = torch.randn_like(target), torch.rand(len(mel), device=mel.device)
        predicted = self.dit(
            on_path(noise, target, time),
            time,
            content=content * kept.view(-1, 1, 1),
            speaker=speaker * kept.view(-1, 1),
            prompt=target,
            in_prompt=in_prompt & kept.view(-1, 1),
            valid=valid,
        )
        loss = flow_loss(predicted, velocity_on_path(noise, target), valid & ~in_prompt)
        return loss, {"loss": loss.detach()}, loss.new_tensor([float(len(mel))])

    def collect_feats(self, mel: Tensor, mel_lengths: Tensor, **kwargs) -> dict[str, Tensor]:
        """What ESPnet takes statistics of."""
        return {"mel": mel, "mel_lengths": mel_lengths}

    @torch.no_grad()
    def convert(
        self,
        units: Tensor,
        prompt_units: Tensor,
        prompt_mel: Tensor,
        speaker: Tensor,
        *,
        num_steps: int = 10,
        guidance: float = 0.7,
        solver: str = "euler",
    ) -> Tensor:
        """Say the units of one utterance in the voice of a prompt.

        Args:
            units: (T, 2) float32, of the source.
            prompt_units: (P, 2) float32, P at least 1.
            prompt_mel: (P * R, F) float32, log10.
            speaker: (speaker_dim,) float32, of the prompt.
            num_steps, solver: see `flow.sample`.
            guidance: see `flow.guided`.

        Returns:
            (T * R, F) float32, log10. Random: the noise is torch's.

        Raises:
            ValueError: the prompt's frames are not R times its units.
        """
        shift = len(prompt_mel)
        count = torch.tensor([len(prompt_units)], device=units.device)
        self._check_lengths(count, torch.tensor([shift], device=units.device))
        # Segmented apart, so that the source's segments do not depend on the prompt.
        parts = (prompt_units.unsqueeze(0), units.unsqueeze(0))
        lengths = [torch.tensor([part.shape[1]], device=units.device) for part in parts]
        content = torch.cat([self._content(*pair) for pair in zip(parts, lengths, strict=True)], 1)
        total = content.shape[1]
        given = (prompt_mel - self.mel_mean) / self.mel_scale
        prompt = pad(given, (0, 0, 0, total - shift)).unsqueeze(0)
        in_prompt = torch.arange(total, device=units.device).unsqueeze(0) < shift
        valid = torch.ones_like(in_prompt)
        # With and without the conditions, in one batch.
        kept = torch.tensor([1.0, 0.0], device=units.device).view(2, 1, 1)
        conditions = {
            "content": content * kept,
            "speaker": speaker.unsqueeze(0) * kept[:, 0],
            "prompt": prompt.expand(2, -1, -1),
            "in_prompt": in_prompt & kept[:, 0].bool(),
            "valid": valid.expand(2, -1),
        }

        def field(x: Tensor, time: Tensor) -> Tensor:
            velocities = self.dit(x.expand(2, -1, -1), time.expand(2), **conditions)
            return guided(velocities[:1], velocities[1:], guidance)

        noise = torch.randn(1, total, self.n_mels, device=units.device)
        frames = sample(field, noise, num_steps, solver=solver)[0, shift:]
        return frames * self.mel_scale + self.mel_mean

    def _content(self, units: Tensor, lengths: Tensor) -> Tensor:
        """(B, T * R, D): vectors of mel frames."""
        encoded = self.frontend.encode(units, lengths)
        content = expand(encoded, self.frames_per_unit)
        if not self.use_positions:
            return content
        return torch.cat([content, positions(encoded, self.frames_per_unit)], dim=-1)

    def _draw_conditions(self, lengths: Tensor, num_frames: int) -> tuple[Tensor, Tensor]:
        """(B, M) bool, the prompts, at the start; and (B,) bool, which utterances are told all."""
        shares = self.max_prompt * torch.rand(len(lengths), device=lengths.device)
        ends = (shares * lengths).long().unsqueeze(1)
        in_prompt = torch.arange(num_frames, device=lengths.device) < ends
        kept = torch.rand(len(lengths), device=lengths.device) >= self.drop_condition
        return in_prompt, kept

    def _check_lengths(self, units_lengths: Tensor, mel_lengths: Tensor) -> None:
        wrong = units_lengths * self.frames_per_unit != mel_lengths
        if wrong.any():
            index = int(wrong.nonzero()[0])
            raise ValueError(
                f"utterance {index} of the batch has {int(units_lengths[index])} units but "
                f"{int(mel_lengths[index])} mel frames, not {self.frames_per_unit} a unit; "
                "fit them with mel.fit_frames"
            )
