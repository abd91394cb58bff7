"""The hashes of codebook and unit LM by which bundles, dumps and models are compared.

Two codebooks of one size give unit ids that look alike and mean different sounds, and two unit LMs
give entropies that look alike. A bundle holds the hashes of both in its `config.yaml`, a dump in
two files beside its tables, and a model in the state of its frontend, so that checkpoints carry
them.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from espnet_entropy.data.refused import RefusedInput
from espnet_entropy.data.shards import read_codebook_hash, read_unit_lm_hash


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
