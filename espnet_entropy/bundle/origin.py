"""The hashes of codebook and unit LM by which bundles, dumps and models are compared.

Two codebooks of one size give unit ids that look alike and mean different sounds, and two unit LMs
give entropies that look alike. A bundle holds the hashes of both in its `config.yaml`, a dump in
two files beside its tables, and a model in the state of its frontend, so that checkpoints carry
them.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from espnet_entropy.data.shards import read_codebook_hash, read_unit_lm_hash
from espnet_entropy.espnet.checkpoints import RefusedInput
from espnet_entropy.segment.segmenters import SEGMENTERS

# Stands for the bytes of an unknown hash in a model's record. NaN would make equal models differ.
UNKNOWN = -1.0


class Origin(NamedTuple):
    """sha256 (hex) of two files of a bundle; None if a hash is unknown or does not matter."""

    codebook: str | None = None
    unit_lm: str | None = None

    def difference(self, other: "Origin", name: object) -> str | None:
        """The first known hash that differs, as `the codebook 01..ab, but NAME has ba..10`.

        Returns:
            None if no known hash differs.
        """
        for part, one, two in zip(("codebook", "unit LM"), self, other, strict=True):
            if None not in (one, two) and one != two:
                return f"the {part} {one[:12]}, but {name} has {two[:12]}"
        return None


def origin_of_dump(folder: Path | str) -> Origin:
    """The hashes in `dump/units/SET` or `dump/raw/SET`; older dumps lack some or all.

    Raises:
        RefusedInput: the arks belong to another dump, whose hashes have changed since.
    """
    origin = Origin(read_codebook_hash(folder), read_unit_lm_hash(folder))
    source = _dump_of_arks(folder)
    linked = Origin(read_codebook_hash(source), read_unit_lm_hash(source))
    difference = origin.difference(linked, source)
    if difference:
        raise RefusedInput(
            f"{folder} says that its arks were made with {difference} now; that dump was made "
            f"again, so remove {folder}, and link or select it again"
        )
    return origin


def _dump_of_arks(folder: Path | str) -> Path:
    """The folder whose `shards` hold the ark of the first entry of a dump's table."""
    for table in (Path(folder) / "wav.scp", Path(folder) / "units.scp"):
        if table.is_file():
            with open(table, encoding="utf-8", errors="replace") as file:
                entry = file.readline().partition(" ")[2].strip()
            return Path(entry).parent.parent
    return Path(folder)


def needs_unit_lm(segmenter: str = "global", min_rate: float | None = None, **_) -> bool:
    """Whether the segments of a model with this `frontend_conf` depend on the unit LM."""
    return bool(SEGMENTERS[segmenter].thresholds) or min_rate is not None


class OriginRecord(nn.Module):
    """The hashes of a model's codebook and unit LM, as a part of the model's state.

    The bytes of the hashes are stored as float32, because ESPnet averages the float tensors of
    checkpoints (which is exact here) but sums integer tensors. A model from before these records
    has UNKNOWN in place of each byte.

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
                row.copy_(torch.tensor(list(bytes.fromhex(sha256))))

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


def check_origin(known: Origin, name: object, origin: Origin, *, model: object) -> None:
    """`OriginRecord.check` for hashes that were read from a checkpoint."""
    if known.codebook is None and origin.codebook is not None:
        logging.getLogger(__name__).warning(
            f"{model} does not say which codebook it was trained with, so it is not compared with "
            f"{name}"
        )
    difference = known.difference(origin, name)
    if difference:
        raise RefusedInput(
            f"{model} was trained with {difference}; give the bundle that the model was trained "
            "with, and dumps that were made with this bundle"
        )


def origins_in(state: dict[str, Tensor]) -> list[Origin]:
    """The hashes of each model with `frontend: entropy` in a checkpoint's state."""
    suffix = "encoder.threshold_record"
    prefixes = [name.removesuffix(suffix) for name in state if name.endswith(suffix)]
    records = [state.get(f"{prefix}origin.sha256") for prefix in prefixes]
    return [Origin() if record is None else _decoded(record) for record in records]


def _decoded(record: Tensor) -> Origin:
    rows = record.float().cpu().round()
    return Origin(*(None if UNKNOWN in r else bytes(r.byte().tolist()).hex() for r in rows))


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
