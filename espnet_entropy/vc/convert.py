"""One recording's words in the voice of another, with a trained model."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.audio import read_audio, sample_rate_of
from espnet_entropy.data.checkpoint import load_state, read_checkpoint
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.data.origin import check_origin
from espnet_entropy.espnet.settings import of_config
from espnet_entropy.vc import speaker
from espnet_entropy.vc.mel import MelConfig, fit_frames, log_mel
from espnet_entropy.vc.model import Utterance
from espnet_entropy.vc.pitch import track_pitch
from espnet_entropy.vc.task import ConversionTask
from espnet_entropy.vc.vocoder import Vocoder, find_checkpoint, load_vocoder

# Seconds of a prompt: a shorter one says little about a voice, a longer one mostly costs time.
SHORTEST_PROMPT_SEC, LONGEST_PROMPT_SEC = 1.0, 10.0
# A sound whose loudest sample is below this amplitude is taken for silence.
SILENCE = 1e-3
# Seconds of a source that are made at once; longer ones are cut into equal parts.
LONGEST_PART_SEC = 15.0
CHECKPOINTS = ("valid.loss.ave.pth", "valid.loss.best.pth")


@dataclass(frozen=True)
class Converted:
    """What became of a source.

    Attributes:
        wave: (N,) float32 in [-1, 1].
        sample_rate: Hz.
        mel: (M, n_mels) float32, log10.
        rate_hz: segments per second of the source that were reached.
        vocoder: the name of what made the sound.
    """

    wave: np.ndarray
    sample_rate: int
    mel: np.ndarray
    rate_hz: float
    vocoder: str


class VoiceConverter:
    """A trained model with its bundle and a vocoder.

    Args:
        folder: of the training: `config.yaml` and a checkpoint.
        checkpoint: its name in the folder; the averaged or best one if None.
        bundle: folder of the bundle; the one it was trained with if None.
        vocoder: see `load_vocoder`.
        rate_hz: segments per second, of a model of many rates; its own if None.
        device: torch device.
        extractor_path: the extractor's weights, if they are not where the bundle says.

    Raises:
        ValueError: something is missing, holds more than weights, or does not fit the rest.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        checkpoint: str | None = None,
        bundle: Path | str | None = None,
        vocoder: Path | str | None = None,
        rate_hz: float | None = None,
        device: str = "cpu",
        extractor_path: str | None = None,
    ):
        folder = Path(folder)
        config = read_yaml(folder / "config.yaml")
        for name in ("frontend_conf", "mel_conf", "model_conf"):
            if not isinstance(config.get(name), dict):
                raise ValueError(
                    f"{folder}/config.yaml has no mapping {name}: it is not of a voice conversion "
                    "(vc_train)"
                )
        bundle = bundle or config["frontend_conf"].get("bundle")
        if bundle is None or not Path(bundle).is_dir():
            raise ValueError(f"the bundle {bundle} is missing; give its folder with --bundle")
        try:
            self.device, self.mel_config = device, MelConfig(**config["mel_conf"])
            weights = _checkpoint_of(folder, checkpoint)
            model = _load_model(config, weights)
            _check_bundle(model, bundle, config, folder)
        except TypeError as error:
            raise ValueError(f"{folder}/config.yaml: {error}") from error
        self.model = model.to(device).eval()
        if rate_hz is not None:
            self.model.frontend.set_rate(rate_hz)
        # For records: the bundle, and the files that conversions depend on.
        self.bundle, self.files = bundle, {"model": folder / "config.yaml", "checkpoint": weights}
        if vocoder is not None:
            self.files["vocoder"] = find_checkpoint(Path(vocoder))
        self.vocoder: Vocoder = load_vocoder(vocoder, self.mel_config, device=device)
        self.tokenizer = UnitTokenizer.from_bundle(
            bundle, device=device, extractor_path=extractor_path
        )

    def set_rate(self, rate_hz: float) -> None:
        """Choose the segments per second of a model of many rates."""
        self.model.frontend.set_rate(rate_hz)

    def __call__(
        self,
        source: Path | str | np.ndarray,
        target: Path | str | np.ndarray,
        *,
        contrast: float = 0.3,
        **sampling,
    ) -> Converted:
        """Convert one recording.

        Args:
            source: sound file, or (N,) float32 samples at the model's rate: what is said.
            target: the same, of the voice: LONGEST_PROMPT_SEC of it are used.
            contrast: how far the speaker's embedding is moved on from the source's through the
                target's; 0: the target's itself.
            sampling: keyword arguments of `ConversionModel.convert`.

        Raises:
            ValueError: the target is too short, silent, or sampled below the model's rate; the
                source is shorter than a unit or no sound (silence is one); settings out of range.
        """
        prompt_wave = take_prompt(
            self._read(target, "target"), self.mel_config.sample_rate, str_of(target)
        )
        prompt = self._utterance(prompt_wave, f"the target {str_of(target)}")
        source_wave = self._read(source, "source")
        whole = self._utterance(source_wave, f"the source {str_of(source)}")
        voice = self._voice(prompt_wave)
        # Silence has no voice to move away from.
        if contrast and np.any(source_wave):
            voice = contrasted(voice, self._voice(source_wave), contrast)
        voice = torch.from_numpy(voice).to(self.device)
        mels = [
            self.model.convert(part, prompt, voice, **sampling).cpu().numpy()
            for part in self._parts(whole)
        ]
        mel = np.concatenate(mels)
        return Converted(
            np.clip(self.vocoder.synthesize(mel), -1.0, 1.0),
            self.mel_config.sample_rate,
            mel,
            self._rate(whole),
            self.vocoder.name,
        )

    def copy(self, source: Path | str | np.ndarray) -> Converted:
        """Spectrogram and vocoder alone: what they cost without any conversion."""
        mel = log_mel(self._read(source, "source"), self.mel_config)
        wave = np.clip(self.vocoder.synthesize(mel), -1.0, 1.0)
        rate = float(self.tokenizer.frame_rate_hz)
        return Converted(wave, self.mel_config.sample_rate, mel, rate, self.vocoder.name)

    def _read(self, sound: Path | str | np.ndarray, what: str) -> np.ndarray:
        if isinstance(sound, np.ndarray):
            if sound.ndim != 1 or sound.dtype != np.float32 or not np.isfinite(sound).all():
                raise ValueError(
                    f"the {what} is {sound.dtype} {sound.shape}; expected finite float32 samples "
                    f"(N,) at {self.mel_config.sample_rate} Hz"
                )
            return sound
        if what == "target":
            rate = sample_rate_of(sound)
            if rate < self.mel_config.sample_rate:
                raise ValueError(
                    f"the target {sound} is sampled at {rate} Hz, but the model makes "
                    f"{self.mel_config.sample_rate} Hz: the voice would lack everything above "
                    f"{rate // 2} Hz; take a recording of that rate or more"
                )
        return read_audio(sound, self.mel_config.sample_rate)

    def _utterance(self, wave: np.ndarray, name: str) -> Utterance:
        config = self.mel_config
        heard = torch.from_numpy(self._resampled(wave, self.tokenizer.sample_rate))
        try:
            tokens = self.tokenizer(heard.unsqueeze(0), torch.tensor([len(heard)]))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        units = torch.stack([tokens.units[0].float(), tokens.entropies[0]], dim=-1)
        wanted = len(units) * self.model.frames_per_unit
        mel = fit_frames(log_mel(wave, config), wanted)
        pitch = fit_frames(track_pitch(wave, config.sample_rate, config.hop_size), wanted)
        # Copies: what was made in inference mode stays so.
        parts = (units.clone(), torch.from_numpy(mel), torch.from_numpy(pitch))
        return Utterance(*(part.to(self.device) for part in parts))

    def _voice(self, wave: np.ndarray) -> np.ndarray:
        heard = self._resampled(wave, speaker.SAMPLE_RATE)
        return speaker.embed_speaker(heard, device=self.device)

    def _resampled(self, wave: np.ndarray, sample_rate: int) -> np.ndarray:
        """From the spectrogram's rate to another."""
        if sample_rate == self.mel_config.sample_rate:
            return wave
        import librosa

        return librosa.resample(wave, orig_sr=self.mel_config.sample_rate, target_sr=sample_rate)

    def _parts(self, whole: Utterance) -> list[Utterance]:
        """Equal parts of at most LONGEST_PART_SEC."""
        frames, num_units = self.model.frames_per_unit, len(whole.units)
        longest = round(LONGEST_PART_SEC * self.tokenizer.frame_rate_hz)
        count = -(-num_units // longest)
        cuts = [num_units * index // count for index in range(count + 1)]
        return [
            Utterance(
                whole.units[a:b],
                whole.mel[a * frames : b * frames],
                whole.pitch[a * frames : b * frames],
            )
            for a, b in zip(cuts, cuts[1:], strict=False)
        ]

    @torch.no_grad()
    def _rate(self, whole: Utterance) -> float:
        lengths = torch.tensor([len(whole.units)], device=self.device)
        segments = self.model.frontend.encode(whole.units.unsqueeze(0), lengths).num_segments
        return int(segments[0]) * self.tokenizer.frame_rate_hz / len(whole.units)


def contrasted(target: np.ndarray, source: np.ndarray, contrast: float) -> np.ndarray:
    """An embedding of length 1 that lies beyond the target's, seen from the source's.

    Args:
        target, source: (D,) float32 of length 1.
        contrast: share of their difference that is added to the target's.

    Raises:
        ValueError: contrast is negative, not finite or above 10.
    """
    if not 0 <= contrast <= 10:
        raise ValueError(f"contrast {contrast} must lie between 0 and 10")
    moved = target + contrast * (target - source)
    return (moved / np.linalg.norm(moved)).astype(np.float32)


def take_prompt(wave: np.ndarray, sample_rate: int, name: str) -> np.ndarray:
    """At most LONGEST_PROMPT_SEC of a recording, from where it stops being silent.

    Raises:
        ValueError: it cannot show a voice: too short, or silent.
    """
    loud = np.flatnonzero(np.abs(wave) >= SILENCE)
    if len(wave) and not len(loud):
        raise ValueError(
            f"the target {name} is silent: no sample is above {np.abs(wave).max():.1e}; take a "
            "recording in which someone speaks"
        )
    taken = wave[loud[0] if len(loud) else 0 :][: round(LONGEST_PROMPT_SEC * sample_rate)]
    seconds = len(taken) / sample_rate
    if seconds < SHORTEST_PROMPT_SEC:
        raise ValueError(
            f"the target {name} has {seconds:.2f} s of sound; a voice needs "
            f"{SHORTEST_PROMPT_SEC:g} s at least"
        )
    return taken


def str_of(sound: Path | str | np.ndarray) -> str:
    """A name for messages."""
    return "given as samples" if isinstance(sound, np.ndarray) else str(sound)


def _checkpoint_of(folder: Path, name: str | None) -> Path:
    for candidate in [name] if name else CHECKPOINTS:
        if (folder / candidate).is_file():
            return folder / candidate
    wanted = name or " and no ".join(CHECKPOINTS)
    raise ValueError(f"{folder} has no {wanted}; has its training ended?")


def _check_bundle(model: torch.nn.Module, bundle: Path | str, config: dict, folder: Path) -> None:
    """Raise ValueError if the model was trained with another codebook or unit LM."""
    known = model.frontend.origin.known
    if known.codebook is None:
        # Older models have this hash in their config.
        known = known._replace(codebook=config.get("codebook_sha256"))
    check_origin(known, bundle, Bundle.open(bundle).origin, model=folder)


def _load_model(config: dict, checkpoint: Path) -> torch.nn.Module:
    # Thresholds, embeddings and statistics are in the checkpoint.
    args = SimpleNamespace(
        frontend=config["frontend"],
        frontend_conf=of_config(config["frontend_conf"]) | {"bundle": None},
        mel_conf=config["mel_conf"],
        model_conf=config["model_conf"] | {"mel_stats": None},
    )
    model = ConversionTask.build_model(args)
    load_state(model, read_checkpoint(checkpoint), checkpoint, checkpoint.parent / "config.yaml")
    return model
