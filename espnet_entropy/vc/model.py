"""The ESPnet model of voice conversion: units, spectrogram and speaker in, a loss out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor, nn

from espnet_entropy.data.batch import valid_mask
from espnet_entropy.vc import prosody as prosody_values
from espnet_entropy.vc.content import ContentDecoder, expand, positions, segment_means
from espnet_entropy.vc.dit import DiT
from espnet_entropy.vc.flow import flow_loss, guided, on_path, sample, velocity_on_path

PROSODY = ("none", "segment", "unit")
# Standard deviations of the normalised spectrogram that the regression leaves to the flow, about.
RESIDUAL_SCALE = 0.5
# Above, guidance and temperature make nothing but noise.
LARGEST_SETTING = 100


@dataclass(frozen=True)
class Utterance:
    """What the model is told of one utterance.

    Attributes:
        units: (T, 2) float32, unit id and entropy in nats.
        mel: (T * R, F) float32, log10.
        pitch: (T * R,) float32, natural logarithm of Hz, 0 where unvoiced.
    """

    units: Tensor
    mel: Tensor
    pitch: Tensor


class ConversionModel(AbsESPnetModel):
    """Flow matching on spectrograms, given segments, a speaker and a prompt.

    A step of the transformer is a unit's time, so R mel frames at once.

    Args:
        frontend: has `encode(input, lengths) -> Encoded` and `output_size()`, as EntropyFrontend.
        n_mels: F, bands.
        frames_per_unit: R, mel frames in the time of a unit.
        speaker_dim: of the speaker embeddings.
        mel_stats: `mel_stats.npz` of ESPnet's statistics, by which bands are normalised. Needed to
            train; a checkpoint brings them along.
        regression: the flow describes what a regression of the spectrogram leaves; without, all of
            it, as in Seed-VC.
        prosody: relative pitch, voicing and loudness of the source as a further input: `none`, or
            means over a `segment`, or of each `unit`.
        use_positions: tell each unit where in its segment it is, and that segment's length.
        use_units: let the embedding of each unit past the segments, which undoes the compression;
            for comparison.
        drop_condition: share of the training utterances that learn without content, speaker and
            prompt, for guidance.
        max_prompt: the prompt's largest share of an utterance in training.
        content_conf: further arguments of ContentDecoder.
        dit_conf: further arguments of DiT.

    Raises:
        ValueError: settings out of range.
    """

    def __init__(
        self,
        frontend: nn.Module,
        *,
        n_mels: int = 80,
        frames_per_unit: int = 2,
        speaker_dim: int = 256,
        mel_stats: str | None = None,
        regression: bool = True,
        prosody: str = "segment",
        use_positions: bool = True,
        use_units: bool = False,
        drop_condition: float = 0.1,
        max_prompt: float = 0.5,
        content_conf: dict | None = None,
        dit_conf: dict | None = None,
    ):
        super().__init__()
        if prosody not in PROSODY:
            raise ValueError(f"prosody {prosody!r} is none of {', '.join(PROSODY)}")
        if not (0 <= drop_condition < 1 and 0 <= max_prompt < 1):
            raise ValueError(
                f"drop_condition {drop_condition} and max_prompt {max_prompt} must be in [0, 1)"
            )
        if frames_per_unit < 1:
            raise ValueError(f"frames_per_unit {frames_per_unit} must be at least 1")
        self.frontend = frontend
        self.n_mels, self.frames_per_unit = n_mels, frames_per_unit
        self.regression, self.prosody = regression, prosody
        self.use_positions, self.use_units = use_positions, use_units
        self.drop_condition, self.max_prompt = drop_condition, max_prompt
        step_dim = n_mels * frames_per_unit
        content_dim = frontend.output_size() * (1 + use_units) + 2 * use_positions
        content_dim += prosody_values.DIM * (prosody != "none")
        self.content = ContentDecoder(content_dim, speaker_dim, step_dim, **(content_conf or {}))
        if not regression:
            # Training on several processes (DDP) refuses parameters that take no part in the loss.
            self.content.to_mel.requires_grad_(False)
        known_dim = self.content.dim + step_dim * regression
        self.dit = DiT(step_dim, known_dim, speaker_dim, **(dit_conf or {}))
        # NaN until statistics or a checkpoint gives them, so that neither is forgotten.
        self.register_buffer("mel_mean", torch.full((n_mels,), float("nan")))
        self.register_buffer("mel_scale", torch.full((n_mels,), float("nan")))
        if mel_stats is not None and Path(mel_stats).exists():
            self._read_stats(mel_stats)

    def _read_stats(self, path: str) -> None:
        with np.load(path, allow_pickle=False) as stats:
            mean = stats["sum"] / stats["count"]
            variance = stats["sum_square"] / stats["count"] - mean**2
        if mean.shape != (self.n_mels,):
            raise ValueError(f"{path} has {mean.shape} means, but the spectrogram {self.n_mels}")
        self.mel_mean.copy_(torch.from_numpy(mean))
        self.mel_scale.copy_(torch.from_numpy(variance).clamp(min=1e-6).sqrt())

    def forward(
        self,
        units: Tensor,
        units_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        speaker: Tensor,
        pitch: Tensor | None = None,
        **kwargs,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """The loss of a padded batch.

        Args:
            units: (B, T, 2) float32, unit id and entropy in nats.
            units_lengths: (B,) int64.
            mel: (B, T * R, F) float32, log10.
            mel_lengths: (B,) int64.
            speaker: (B, speaker_dim) float32.
            pitch: (B, T * R) float32, for models with prosody.
            kwargs: what ESPnet passes besides, such as other lengths.

        Returns:
            () loss, what ESPnet logs, and (1,) the batch's weight, B.

        Raises:
            ValueError: an utterance whose frames are not R times its units; no pitch where it is
                needed; no statistics.

        In evaluation the same is drawn for every batch, so that epochs can be compared.
        """
        self._check_lengths(units_lengths, mel_lengths)
        generator = None
        if not self.training:
            generator = torch.Generator(units.device).manual_seed(0)
        valid = valid_mask(units_lengths, units.shape[1])
        given = self._known(units, units_lengths, mel, mel_lengths, pitch)
        hidden, blurred = self.content(given, speaker, valid)
        target = self._steps(mel)
        steps = target
        if self.regression:
            target = (target - blurred.detach()) / RESIDUAL_SCALE
            hidden = torch.cat([hidden, blurred], dim=-1)
        in_prompt, kept = self._draw_conditions(units_lengths, units.shape[1], generator)
        noise = torch.randn(target.shape, device=mel.device, generator=generator)
        time = torch.rand(len(mel), device=mel.device, generator=generator)
        predicted = self.dit(
            on_path(noise, target, time),
            time,
            content=hidden * kept.view(-1, 1, 1),
            speaker=speaker * kept.view(-1, 1),
            prompt=steps,
            in_prompt=in_prompt & kept.view(-1, 1),
            valid=valid,
        )
        flow = flow_loss(predicted, velocity_on_path(noise, target), valid & ~in_prompt)
        loss, logged = flow, {"flow": flow.detach()}
        if self.regression:
            error = flow_loss(blurred, steps, valid)
            loss = loss + error
            logged["regression"] = error.detach()
        logged["loss"] = loss.detach()
        return loss, logged, loss.new_tensor([float(len(mel))])

    def collect_feats(self, mel: Tensor, mel_lengths: Tensor, **kwargs) -> dict[str, Tensor]:
        """What ESPnet takes statistics of."""
        return {"mel": mel, "mel_lengths": mel_lengths}

    @torch.no_grad()
    def convert(
        self,
        source: Utterance,
        prompt: Utterance,
        speaker: Tensor,
        *,
        num_steps: int = 10,
        guidance: float = 0.5,
        temperature: float = 0.0,
        solver: str = "euler",
        seed: int = 0,
    ) -> Tensor:
        """Say what was said in one utterance in the voice of another.

        Args:
            source: of T units.
            prompt: of P units, at least 1.
            speaker: (speaker_dim,) float32, of the prompt.
            num_steps, solver: see `flow.sample`.
            guidance: see `flow.guided`.
            temperature: factor of the noise that the flow begins with; less is smoother.
            seed: of that noise.

        Returns:
            (T * R, F) float32, log10.

        Raises:
            ValueError: frames that are not R times the units; settings out of range.
        """
        for name, value in (("guidance", guidance), ("temperature", temperature)):
            if not 0 <= value <= LARGEST_SETTING:
                raise ValueError(f"{name} {value} must lie between 0 and {LARGEST_SETTING}")
        if not 0 <= seed < 2**63:
            raise ValueError(f"seed {seed} must lie between 0 and 2^63")
        device, speakers = source.units.device, speaker.unsqueeze(0)
        hiddens, blurs = [], []
        # Each for itself, so that the source's segments do not depend on the prompt.
        for part in (prompt, source):
            lengths = (torch.tensor([len(x)], device=device) for x in (part.units, part.mel))
            units_lengths, mel_lengths = lengths
            self._check_lengths(units_lengths, mel_lengths)
            given = self._known(
                part.units.unsqueeze(0),
                units_lengths,
                part.mel.unsqueeze(0),
                mel_lengths,
                part.pitch.unsqueeze(0),
            )
            valid = torch.ones(given.shape[:2], dtype=torch.bool, device=device)
            hidden, blurred = self.content(given, speakers, valid)
            hiddens.append(torch.cat([hidden, blurred], -1) if self.regression else hidden)
            blurs.append(blurred)
        hidden = torch.cat(hiddens, dim=1)
        total, shift = hidden.shape[1], len(prompt.units)
        prompt_steps = self._steps(prompt.mel.unsqueeze(0))
        steps = hidden.new_zeros(1, total, prompt_steps.shape[-1])
        steps[:, :shift] = prompt_steps
        if self.regression:
            prompt_steps = (prompt_steps - blurs[0]) / RESIDUAL_SCALE
        in_prompt = torch.arange(total, device=device).unsqueeze(0) < shift
        # With and without the conditions, in one batch.
        kept = torch.tensor([1.0, 0.0], device=device).view(2, 1, 1)
        conditions = {
            "content": hidden * kept,
            "speaker": speakers * kept[:, 0],
            "prompt": steps.expand(2, -1, -1),
            "in_prompt": in_prompt & kept[:, 0].bool(),
            "valid": torch.ones(2, total, dtype=torch.bool, device=device),
        }
        generator = torch.Generator(device).manual_seed(seed)
        noise = torch.randn(steps.shape, device=device, generator=generator)

        def field(x: Tensor, time: Tensor) -> Tensor:
            # The prompt stays on its path, as in training, where nothing was learned of it.
            x = torch.cat([on_path(noise[:, :shift], prompt_steps, time), x], dim=1)
            velocities = self.dit(x.expand(2, -1, -1), time.expand(2), **conditions)[:, shift:]
            return guided(velocities[:1], velocities[1:], guidance)

        made = sample(field, temperature * noise[:, shift:], num_steps, solver=solver)
        if self.regression:
            made = blurs[1] + RESIDUAL_SCALE * made
        frames = made.unflatten(-1, (self.frames_per_unit, self.n_mels)).flatten(1, 2)[0]
        return frames * self.mel_scale + self.mel_mean

    def _known(
        self,
        units: Tensor,
        units_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        pitch: Tensor | None,
    ) -> Tensor:
        """(B, T, C): all that is told of what is said."""
        encoded = self.frontend.encode(units, units_lengths)
        parts = [expand(encoded)]
        if self.use_positions:
            parts.append(positions(encoded))
        if self.use_units:
            parts.append(self.frontend.encoder.embedding(units[..., 0].round().long()))
        if self.prosody != "none":
            if pitch is None:
                raise ValueError(f"prosody: {self.prosody} needs the pitch; dump it (stage 2)")
            values = prosody_values.prosody(pitch, mel, mel_lengths, self.frames_per_unit)
            parts.append(segment_means(values, encoded) if self.prosody == "segment" else values)
        return torch.cat(parts, dim=-1)

    def _steps(self, mel: Tensor) -> Tensor:
        """(B, T * R, F) log10 -> (B, T, R * F), normalised."""
        if self.mel_mean.isnan().any():
            raise ValueError(
                "no statistics of the spectrogram and no checkpoint loaded; give "
                "model_conf.mel_stats (stage 6)"
            )
        normed = (mel - self.mel_mean) / self.mel_scale
        return normed.unflatten(1, (-1, self.frames_per_unit)).flatten(2)

    def _draw_conditions(
        self, lengths: Tensor, num_units: int, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """(B, T) bool, the prompts, at the start; and (B,) bool, which utterances are told all."""
        drawn = {"device": lengths.device, "generator": generator}
        shares = self.max_prompt * torch.rand(len(lengths), **drawn)
        ends = (shares * lengths).long().unsqueeze(1)
        in_prompt = torch.arange(num_units, device=lengths.device) < ends
        if not self.training:
            return in_prompt, torch.ones_like(lengths, dtype=torch.bool)
        return in_prompt, torch.rand(len(lengths), **drawn) >= self.drop_condition

    def _check_lengths(self, units_lengths: Tensor, mel_lengths: Tensor) -> None:
        wrong = units_lengths * self.frames_per_unit != mel_lengths
        if wrong.any():
            index = int(wrong.nonzero()[0])
            raise ValueError(
                f"utterance {index} of the batch has {int(units_lengths[index])} units but "
                f"{int(mel_lengths[index])} mel frames, not {self.frames_per_unit} a unit; "
                "fit them with mel.fit_frames"
            )
