"""Trained models on disk: their configs, and checkpoints, of which nothing is executed."""

import copy
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from espnet_entropy.data import read_yaml
from espnet_entropy.espnet_checkpoints import RefusedInput
from espnet_entropy.frontend import EntropyFrontend
from espnet_entropy.origin import origin_of_dump

# Names that may be missing or left over: constants that some versions of transformers save, and
# the pretrained models in ESPnet's frontends, whose names have changed and whose weights come from
# files of their own.
NOT_COMPARED = r"(.*\.)?(position_ids|inv_freq)|frontend\.upstream\..*"
# What wrappers of a model put before all names.
WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}


def load_weights_only(path: Path | str, way_out: str = "") -> object:
    """What torch.load gives, without executing anything in the file.

    Args:
        path: the file.
        way_out: what to add to the refusal of a file that holds more than weights.

    Raises:
        RefusedInput: it is missing, or cannot be read so.
    """
    if not Path(path).is_file():
        raise RefusedInput(f"there is no file {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise all kinds on files that are none of theirs
        if Path(path).name == "checkpoint.pth":
            raise _training_state_error(path) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RefusedInput(
            f"{path} is no checkpoint of weights alone, and anything else in it could be code "
            f"that loading executes: {reason}{way_out}"
        ) from error


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The state of a model, without executing anything in its file.

    Args:
        path: an epoch's or an averaged model of an ESPnet training.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        RefusedInput: it is missing, cannot be read, or holds anything else than tensors.
    """
    state = load_weights_only(path)
    _check_state(state, path)
    return state


def _check_state(state: object, path: Path | str) -> None:
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _training_state_error(path)


def _training_state_error(path: Path | str) -> RefusedInput:
    return RefusedInput(
        f"{path} is not the state of one model; take an epoch's or an averaged model, not "
        "checkpoint.pth, from which only its own training goes on"
    )


def load_state(
    model: nn.Module,
    state: dict[str, Tensor],
    file: Path | str,
    config: Path | str,
    may_lack: str = "",
) -> None:
    """Load the state of a model that was built from a config, if the two fit.

    Args:
        model: to fill.
        state: tensors by name.
        file, config: where they come from, for messages.
        may_lack: regular expression of names that may be missing in the state.

    Raises:
        RefusedInput: names are missing or left over, or shapes differ. The model may hold some
            of the tensors by then.
    """
    _check_state(state, file)
    own = model.state_dict()
    shapes = {
        name: f"{name} {list(tensor.shape)} in place of {list(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and tensor.shape != own[name].shape
    }
    # With names that differ in shape, torch would end before it has compared the others. A copy
    # keeps the versions of modules, which torch saves beside the names.
    fitting = copy.copy(state)
    for name in shapes:
        del fitting[name]
    missing, left_over = type(model).load_state_dict(model, fitting, strict=False)
    may_lack = f"{NOT_COMPARED}|{may_lack}"
    missing = [n for n in missing if n not in shapes and not re.fullmatch(may_lack, n)]
    left_over = [n for n in left_over if not re.fullmatch(NOT_COMPARED, n)]
    for wrapper, origin in WRAPPERS.items():
        if {wrapper + name for name in missing} & set(left_over):
            raise RefusedInput(
                f"the names in {file} begin with {wrapper!r}, as {origin} saves them; save it "
                f"without: state = torch.load({str(file)!r}); torch.save({{name.removeprefix("
                f"{wrapper!r}): tensor for name, tensor in state.items()}}, 'NEW.pth')"
            )
    kinds = {"missing": missing, "left over": left_over, "other shapes": [*shapes.values()]}
    found = [f"{kind}: {_first(names)}" for kind, names in kinds.items() if names]
    if found:
        raise RefusedInput(
            f"{file} does not fit {config}; {'; '.join(found)}; give a checkpoint and the "
            "config.yaml of the same training"
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")


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
    # Where all names begin with a wrapper's, these do too.
    state = {name: t for name, t in read_checkpoint(model_file).items() if "frontend." in name}
    load_state(nn.ModuleDict({"frontend": frontend}), state, model_file, model_config)
    for dump in dumps:
        frontend.origin.check(dump, origin_of_dump(dump), model=model_file)
    return frontend.eval()
