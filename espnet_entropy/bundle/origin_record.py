"""The hashes of codebook and unit LM in the state of a model; see `data/origin.py`."""

import re

import torch
from torch import Tensor, nn

from espnet_entropy.data.float_bytes import from_floats, to_floats
from espnet_entropy.data.origin import Origin, check_origin
from espnet_entropy.data.refused import RefusedInput

# Stands for the bytes of an unknown hash in a model's record. NaN would make equal models differ.
UNKNOWN = -1.0


class OriginRecord(nn.Module):
    """The hashes of a model's codebook and unit LM, as a part of the model's state.

    The hashes are stored as `data/float_bytes.py` describes. In models that are older than these
    records, each byte is UNKNOWN.

    Args:
        needs_unit_lm: whether the model depends on the unit LM; otherwise its hash is not stored.
    """

    def __init__(self, needs_unit_lm: bool):
        super().__init__()
        self.needs_unit_lm = needs_unit_lm
        # Name and hashes of the bundle that loaded states are compared with.
        self.bundle: tuple[str, Origin] | None = None
        self.register_buffer("sha256", torch.full((2, 32), UNKNOWN))
        self.register_load_state_dict_pre_hook(_allow_older_state)
        self.register_load_state_dict_post_hook(_check_loaded)

    @property
    def known(self) -> Origin:
        """The hashes in the record."""
        return _decoded(self.sha256)

    @torch.no_grad()
    def take(self, name: object, origin: Origin) -> None:
        """Store the hashes of the bundle that the model is built with."""
        if not self.needs_unit_lm:
            origin = origin._replace(unit_lm=None)
        self.bundle = str(name), origin
        for row, sha256 in zip(self.sha256, origin, strict=True):
            if sha256 is not None:
                row.copy_(to_floats(bytes.fromhex(sha256), len(row)))

    def check(self, name: object, origin: Origin, *, model: object = "the model") -> None:
        """Compare with a bundle or a dump; a model without hashes only gives a warning.

        Args:
            name: folder of the bundle or dump.
            origin: its hashes.
            model: name of the model in messages.

        Raises:
            ValueError: the codebook differs, or the unit LM of a model that depends on it.
        """
        check_origin(self.known, name, origin, model=model)


def origins_in(state: dict[str, Tensor]) -> list[Origin]:
    """The hashes of each model with `frontend: entropy` in a checkpoint's state."""
    # In earlier versions the name had no suffix, and some of them had no `origin.sha256`.
    names = r"(.*)encoder\.threshold_record(\.text_and_thresholds)?"
    found = [match for name in state if (match := re.fullmatch(names, name))]
    records = [state.get(f"{match[1]}origin.sha256") for match in found]
    return [Origin() if record is None else _decoded(record) for record in records]


def _decoded(record: Tensor) -> Origin:
    rows = record.float().cpu().round()
    return Origin(*(None if UNKNOWN in row else from_floats(row).hex() for row in rows))


def _allow_older_state(record: OriginRecord, state: dict, prefix: str, *_) -> None:
    """Add an unknown record to a state without one, whatever the model's bundle is."""
    state.setdefault(f"{prefix}sha256", torch.full_like(record.sha256, UNKNOWN))


def _check_loaded(record: OriginRecord, incompatible_keys) -> None:
    """Compare the loaded record with the bundle that the model was built with."""
    if not record.needs_unit_lm:
        record.sha256[1] = UNKNOWN
    if record.bundle is None:
        return
    try:
        record.check(*record.bundle)
    except ValueError as error:
        raise RefusedInput(
            f"{error}; to start a new model from the other parts of this one, leave the frontend "
            "out: --init_param MODEL.pth:::frontend"
        ) from error
