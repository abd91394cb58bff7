"""Trained models on disk: their configs, and checkpoints, of which nothing is executed."""

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from espnet_entropy.data import read_yaml
from espnet_entropy.frontend import EntropyFrontend
from espnet_entropy.origin import origin_of_dump


def load_weights_only(path: Path | str) -> object:
    """What torch.load gives, without executing anything in the file.

    Raises:
        ValueError: it cannot be read so.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise all kinds on files that are none of theirs
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path} is no checkpoint of weights alone, and anything else in it could be code "
            f"that loading executes: {reason}"
        ) from error


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The state of a model, without executing anything in its file.

    Args:
        path: an epoch's or an averaged model of an ESPnet training.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        ValueError: it cannot be read, or holds anything else than tensors.
    """
    state = load_weights_only(path)
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ValueError(
            f"{path} is not the state of one model; take an epoch's or an averaged model, not "
            "checkpoint.pth"
        )
    return state


def read_frontend_conf(model_config: Path | str) -> dict:
    """`frontend_conf` of a model with our frontend.

    Args:
        model_config: `config.yaml` of its training.

    Raises:
        ValueError: it cannot be read, or the model has another frontend.
    """
    config = read_yaml(model_config)
    if config.get("frontend") != "entropy":
        raise ValueError(
            f"{model_config} has frontend: {config.get('frontend')}, but this is for models with "
            "frontend: entropy"
        )
    conf = config.get("frontend_conf") or {}
    if not isinstance(conf, dict) or "num_units" not in conf:
        raise ValueError(f"{model_config} has no frontend_conf with num_units")
    return conf


def load_frontend(
    model_config: Path | str, model_file: Path | str, dumps: Iterable[Path | str]
) -> EntropyFrontend:
    """The frontend of a trained model, in eval mode; the rest of the model is not built.

    Args:
        model_config: `config.yaml` of its training.
        model_file: its checkpoint.
        dumps: `dump/raw/SET` of the sets that it is to read.

    Raises:
        ValueError: a checkpoint that cannot be read safely, one of another model, or a dump that
            was made with another bundle than the model's.
    """
    # Thresholds and embeddings are in the checkpoint.
    frontend = EntropyFrontend(**read_frontend_conf(model_config) | dict(bundle=None))
    prefix = "frontend."
    state = {
        name.removeprefix(prefix): tensor
        for name, tensor in read_checkpoint(model_file).items()
        if name.startswith(prefix)
    }
    try:
        frontend.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{model_file} is not of {model_config}: {error}") from error
    for dump in dumps:
        frontend.origin.check(dump, origin_of_dump(dump), model=model_file)
    return frontend.eval()
