"""The frontend of a trained model, from its config and checkpoint."""

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from espnet_entropy.data.checkpoint import load_state, read_checkpoint
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.data.origin import origin_of_dump
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import Settings, of_config


def read_settings(model_config: Path | str) -> Settings:
    """The settings of a trained model with our frontend.

    Args:
        model_config: `config.yaml` of its training.

    Raises:
        ValueError: the file cannot be read, or the model has another frontend.
    """
    config = read_yaml(model_config)
    if config.get("frontend") != "entropy":
        raise ValueError(
            f"{model_config} has frontend: {config.get('frontend')}, but this needs a model with "
            "frontend: entropy"
        )
    conf = config.get("frontend_conf") or {}
    if not isinstance(conf, dict) or "num_units" not in conf:
        raise ValueError(f"{model_config} has no frontend_conf with num_units")
    return Settings.resolve(of_config(conf))


def load_frontend(
    model_config: Path | str, model_file: Path | str, dumps: Iterable[Path | str]
) -> EntropyFrontend:
    """The frontend of a trained model, in eval mode; the rest of the model is not built.

    Args:
        model_config: `config.yaml` of its training.
        model_file: its checkpoint.
        dumps: folders `dump/raw/SET` of the sets that it will read.

    Raises:
        ValueError: the checkpoint cannot be read safely or belongs to another model, or a dump was
            made with another bundle than the model's.
    """
    # Thresholds and embeddings are in the checkpoint.
    frontend = EntropyFrontend(**read_settings(model_config).conf | dict(bundle=None))
    # Names of a wrapped model contain "frontend." too.
    state = {name: t for name, t in read_checkpoint(model_file).items() if "frontend." in name}
    load_state(nn.ModuleDict({"frontend": frontend}), state, model_file, model_config)
    for dump in dumps:
        frontend.origin.check(dump, origin_of_dump(dump), model=model_file)
    return frontend.eval()
