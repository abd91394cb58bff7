"""Units and entropies that another recipe has dumped of the same recordings."""

import os
from pathlib import Path

import numpy as np

from espnet_entropy.data.kaldi import read_matrix, read_table
from espnet_entropy.data.provenance import Fingerprint, Provenance, Source, difference, refreshed
from espnet_entropy.data.shards import shard_paths

# How sets with copies at other speeds end.
PERTURBED = "_sp"


class DumpedBefore:
    """The arrays in a units1 recipe's dump that have these settings and recordings.

    A units1 recipe dumps in two steps, each with a record (`data/provenance.py`): recordings to
    `dump/units/SET`, and these units to `dump/raw/SET`. An array is used if both records have the
    settings of this call, the ark of the units is the one that the entropies were made from, and
    the recording is unchanged.

    Args:
        dumpdir: the other recipe's `dump`; one that does not exist holds nothing.
        name: the set. The originals of a set `NAME_sp` of speed perturbation are those of `NAME`.
        unit_settings: extractor and sha256 of the codebook, as `bundle.identity` gives them.
        settings: these and the sha256 of the unit LM.
        utterances: only these are looked up.
    """

    def __init__(
        self,
        dumpdir: Path | str,
        name: str,
        unit_settings: dict,
        settings: dict,
        utterances: set[str],
    ):
        self._made: dict[str, tuple[Fingerprint, str]] = {}
        for candidate in (name, name.removesuffix(PERTURBED)):
            units, raw = (Path(dumpdir) / kind / candidate for kind in ("units", "raw"))
            if raw.is_dir():
                self._read(
                    _complete_shards(units, unit_settings),
                    _complete_shards(raw, settings),
                    utterances,
                )
                return

    def _read(self, units: list, raw: list, utterances: set[str]) -> None:
        recordings: dict[str, tuple[Fingerprint, Path]] = {}
        for ark, record in units:
            recordings |= {
                utt: (known, ark) for utt, known in record.sources.items() if utt in utterances
            }
        for ark, record in raw:
            places = read_table(ark.with_suffix(".scp"))
            for utt in places.keys() & record.sources.keys() & recordings.keys():
                recording, ark_of_units = recordings[utt]
                if _is_unchanged(ark_of_units, record.sources[utt]):
                    offset = places[utt].rpartition(":")[2]
                    self._made[utt] = (recording, f"{ark}:{offset}")

    def array(self, utterance: str, source: Source) -> np.ndarray | None:
        """(T, 2) float32 units and entropies of an utterance; None if they have to be computed.

        Args:
            utterance: its name.
            source: its recording now.
        """
        if utterance not in self._made:
            return None
        known, place = self._made[utterance]
        return None if refreshed(source, known) is None else read_matrix(place)


def _is_unchanged(ark: Path, known: Fingerprint) -> bool:
    """Whether an ark, wherever it is seen from, is the file with this fingerprint."""
    found = os.stat(ark)
    return known[1:4] == (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _complete_shards(folder: Path, settings: dict) -> list[tuple[Path, Provenance]]:
    """(ark, record) of the complete shards of a dump that were made with these settings."""
    found = []
    for path in (folder / "shards").glob("made_from.*"):
        ark, scp = shard_paths(folder, int(path.suffix[1:]))
        record = Provenance.load(path)
        if record is not None and scp.exists() and difference(record.settings, settings) is None:
            found.append((ark, record))
    return found
