"""Spectrograms to sound: a HiFi-GAN of parallel_wavegan, or Griffin-Lim without one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from espnet_entropy.data.checkpoint import load_state, load_weights_only
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.vc.mel import MelConfig, griffin_lim

# MelConfig's fields under parallel_wavegan's names.
PWG_NAMES = {
    "sample_rate": "sampling_rate",
    "n_fft": "fft_size",
    "hop_size": "hop_size",
    "n_mels": "num_mels",
    "fmin": "fmin",
    "fmax": "fmax",
}


STEPS = re.compile(r"checkpoint-(\d+)steps\.pkl")


@dataclass(frozen=True)
class Vocoder:
    """Makes sound.

    Attributes:
        name: for tables and file names.
        synthesize: (M, n_mels) float32 log10 -> (M * hop_size,) float32 in about [-1, 1].
    """

    name: str
    synthesize: Callable[[np.ndarray], np.ndarray]


def mend_scipy() -> None:
    """parallel_wavegan 0.6.1 imports `scipy.signal.kaiser`, which SciPy 1.13 removed."""
    import scipy.signal

    if not hasattr(scipy.signal, "kaiser"):
        scipy.signal.kaiser = scipy.signal.windows.kaiser


def load_vocoder(path: Path | str | None, config: MelConfig, *, device: str = "cpu") -> Vocoder:
    """A vocoder for spectrograms of these settings.

    Args:
        path: a checkpoint of parallel_wavegan's training with `config.yml` beside it, or its
            folder, whose latest checkpoint is taken; Griffin-Lim if None.
        config: of the spectrograms.
        device: torch device.

    Raises:
        ValueError: no such checkpoint, one that holds more than weights, or one of other settings.
    """
    if path is None:
        return Vocoder("Griffin-Lim", lambda mel: griffin_lim(mel, config))
    checkpoint = find_checkpoint(Path(path))
    settings = read_yaml(checkpoint.with_name("config.yml"))
    _check_settings(settings, config, checkpoint)
    generator = _load_generator(checkpoint, settings).to(device)
    shift, scale = _read_stats(checkpoint.with_name("stats.h5"), config.n_mels)

    @torch.inference_mode()
    def synthesize(mel: np.ndarray) -> np.ndarray:
        frames = torch.from_numpy((mel - shift) / scale).float().to(device)
        return generator.inference(frames).flatten().cpu().numpy()

    return Vocoder("HiFi-GAN", synthesize)


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means; ValueError if there is none."""
    if path.is_dir():
        found = [file for file in path.iterdir() if STEPS.fullmatch(file.name)]
        found.sort(key=lambda file: int(STEPS.fullmatch(file.name)[1]))
        if not found:
            raise ValueError(
                f"{path} holds no checkpoint-*steps.pkl; train a vocoder there (stage 5), name "
                "another one, or leave it out for Griffin-Lim"
            )
        path = found[-1]
    if not path.is_file():
        raise ValueError(f"the vocoder {path} is missing; leave it out for Griffin-Lim")
    return path


def _check_settings(settings: dict, config: MelConfig, checkpoint: Path) -> None:
    expected = {theirs: getattr(config, name) for name, theirs in PWG_NAMES.items()}
    # A window of another length or shape makes other spectrograms too.
    window = {"win_length": config.n_fft, "window": "hann"}
    given = window | {name: value for name, value in settings.items() if value is not None}
    for theirs, wanted in (expected | window).items():
        found = given.get(theirs)
        if found != wanted:
            raise ValueError(
                f"{checkpoint} was trained with {theirs} {found}, but the spectrograms have "
                f"{wanted}; take a vocoder of the same settings, or Griffin-Lim"
            )


def _load_generator(checkpoint: Path, settings: dict) -> torch.nn.Module:
    mend_scipy()
    from parallel_wavegan.models import HiFiGANGenerator

    kind = settings.get("generator_type", "HiFiGANGenerator")
    if kind != "HiFiGANGenerator":
        raise ValueError(f"{checkpoint} is a {kind}; this takes HiFiGANGenerator")
    state = load_weights_only(checkpoint)
    try:
        generator = HiFiGANGenerator(**settings["generator_params"])
        weights = state["model"]["generator"]
    except (KeyError, TypeError, RuntimeError) as error:
        raise ValueError(f"{checkpoint} does not fit its config.yml: {error}") from error
    load_state(generator, weights, checkpoint, "its config.yml")
    generator.remove_weight_norm()
    return generator.eval()


def _read_stats(path: Path, n_mels: int) -> tuple[np.ndarray, np.ndarray]:
    """By which the vocoder's training has normalised its input: (n_mels,) mean and scale."""
    if not path.exists():
        return np.zeros(n_mels, np.float32), np.ones(n_mels, np.float32)
    import h5py

    try:
        with h5py.File(path) as file:
            return file["mean"][()], file["scale"][()]
    except (KeyError, OSError) as error:
        raise ValueError(f"{path} does not hold mean and scale: {error}") from error
