"""Units and entropies that another recipe has dumped of the same recordings."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from espnet_entropy.data.kaldi import read_matrix, read_table
from espnet_entropy.data.provenance import Fingerprint, Provenance, difference, refreshed
from espnet_entropy.data.recordings import Recording
from espnet_entropy.data.shards import shard_paths

# Suffix of the names of sets with copies at other speeds.
PERTURBED = "_sp"


class DumpedBefore:
    """The arrays in a units1 recipe's dump that were made with these settings and recordings.

    A units1 recipe dumps in two steps, each with a record (`data/provenance.py`): recordings to
    `dump/units/SET`, and these units to `dump/raw/SET`. An array is used if both records have the
    settings of this call, the ark of the units is the one that the entropies were made from, and
    the recording is unchanged.

    Args:
        dumpdir: the other recipe's `dump`; nothing is copied if it is None or does not exist.
        output: `dump/raw/SET` of this recipe. The originals of a set `NAME_sp` with other speeds
            are in the other recipe's `NAME`.
        unit_settings: extractor and sha256 of the codebook, as `bundle.identity` gives them.
        settings: these and the sha256 of the unit LM.
        utterances: only these are looked up.

    Attributes:
        copied: number of arrays that were copied.
    """

    def __init__(
        self,
        dumpdir: Path | str | None,
        output: Path | str,
        unit_settings: dict,
        settings: dict,
        utterances: set[str],
    ):
        self.copied = 0
        self._made: dict[str, tuple[Fingerprint, str]] = {}
        name = Path(output).name
        for candidate in (name, name.removesuffix(PERTURBED)) if dumpdir else ():
            units, raw = (Path(dumpdir) / kind / candidate for kind in ("units", "raw"))
            if raw.is_dir():
                made = _complete_shards(units, unit_settings), _complete_shards(raw, settings)
                self._read(*made, utterances)
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

    def or_else(
        self, compute: Callable[[Recording], np.ndarray]
    ) -> Callable[[Recording], np.ndarray]:
        """A function that copies or computes (T, 2) float32 units and entropies of a recording."""

        def array_of(recording: Recording) -> np.ndarray:
            known, place = self._made.get(recording.utterance, (None, ""))
            if known is None or refreshed(recording.origin, known) is None:
                return compute(recording)
            self.copied += 1
            return read_matrix(place)

        return array_of


def _is_unchanged(ark: Path, known: Fingerprint) -> bool:
    """Whether an ark, whatever its path is, is the file with this fingerprint."""
    found = os.stat(ark)
    return known[1:4] == (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _complete_shards(folder: Path, settings: dict) -> list[tuple[Path, Provenance]]:
    """(ark, record) of the complete shards of a dump that were made with these settings."""
    found = []
    for path in (folder / "shards").glob("made_from.*"):
        ark, scp = shard_paths(folder, int(path.suffix[1:]))
        record = Provenance.load(path)
        if record is None or not (ark.exists() and scp.exists()):
            continue
        if difference(record.settings, settings) is None:
            found.append((ark, record))
    return found
