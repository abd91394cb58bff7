"""Read checkpoints without executing anything in them, and load them only if they fit."""

import copy
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from espnet_entropy.data.refused import RefusedInput

# Names that may be missing or unexpected: constants that only some versions of transformers save,
# and pretrained models in ESPnet's frontends, whose names have changed and whose weights come from
# files of their own.
NOT_COMPARED = r"(.*\.)?(position_ids|inv_freq)|frontend\.upstream\..*"
# Prefixes that wrappers of a model add to all names.
WRAPPERS = {"module.": "DataParallel", "_orig_mod.": "torch.compile"}


def load_weights_only(path: Path | str, way_out: str = "") -> object:
    """`torch.load` on the CPU, without executing anything in the file.

    Args:
        path: the file.
        way_out: text that is added to the error for a file that holds more than weights.

    Raises:
        RefusedInput: the file is missing, or holds more than weights.
    """
    if not Path(path).is_file():
        raise RefusedInput(f"there is no file {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's readers raise many kinds of errors for other files
        if Path(path).name == "checkpoint.pth":
            raise _training_state_error(path) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RefusedInput(
            f"{path} cannot be read as weights alone, and anything else in it could be code that "
            f"loading executes: {reason}{way_out}"
        ) from error


def read_checkpoint(path: Path | str) -> dict[str, Tensor]:
    """The state of a model, without executing anything in its file.

    Args:
        path: an epoch's or an averaged model of an ESPnet training.

    Returns:
        Tensors by name, on the CPU.

    Raises:
        RefusedInput: the file is missing, cannot be read, or holds more than tensors.
    """
    state = load_weights_only(path)
    _check_state(state, path)
    return state


def _check_state(state: object, path: Path | str) -> None:
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _training_state_error(path)


def _training_state_error(path: Path | str) -> RefusedInput:
    return RefusedInput(
        f"{path} is not the state of a model; use the model of an epoch or an averaged model, not "
        "checkpoint.pth, which only continues its own training"
    )


def load_state(
    model: nn.Module,
    state: dict[str, Tensor],
    file: Path | str,
    config: Path | str,
    may_lack: str = "",
) -> None:
    """Load a state into a model that was built from a config, if they fit.

    Args:
        model: the model, which is changed.
        state: tensors by name.
        file, config: files of the state and of the config, for messages.
        may_lack: regular expression of names that may be missing in the state.

    Raises:
        RefusedInput: names are missing or unexpected, or shapes differ. Some tensors may have been
            loaded then.
    """
    _check_state(state, file)
    own = model.state_dict()
    shapes = {
        name: f"{name} {list(tensor.shape)} instead of {list(own[name].shape)}"
        for name, tensor in state.items()
        if name in own and tensor.shape != own[name].shape
    }
    # torch raises an error at shapes that differ before it compares all names. The copy keeps the
    # versions of modules, which torch saves as an attribute of the state.
    fitting = copy.copy(state)
    for name in shapes:
        del fitting[name]
    missing, unexpected = type(model).load_state_dict(model, fitting, strict=False)
    may_lack = f"{NOT_COMPARED}|{may_lack}"
    missing = [n for n in missing if n not in shapes and not re.fullmatch(may_lack, n)]
    unexpected = [n for n in unexpected if not re.fullmatch(NOT_COMPARED, n)]
    for wrapper, origin in WRAPPERS.items():
        if {wrapper + name for name in missing} & set(unexpected):
            raise RefusedInput(
                f"the names in {file} begin with {wrapper!r}, as {origin} saves them; save it "
                f"without: state = torch.load({str(file)!r}); torch.save({{name.removeprefix("
                f"{wrapper!r}): tensor for name, tensor in state.items()}}, 'NEW.pth')"
            )
    kinds = {"missing": missing, "unexpected": unexpected, "other shapes": [*shapes.values()]}
    found = [f"{kind}: {_first(names)}" for kind, names in kinds.items() if names]
    if found:
        raise RefusedInput(
            f"{file} does not fit {config}; {'; '.join(found)}; give a checkpoint and the "
            "config.yaml of the same training"
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f", ... ({len(names)} in all)" if len(names) > 3 else "")
