"""The bundle: all that turns speech into units, entropies and segments, in one folder.

    config.yaml             extractor, layer, sample rate, frame shift, K, LM shape, content hashes
    codebook.safetensors    (K, D) centroids
    unit_lm.safetensors     the unit LM's weights
    calibration.yaml        thresholds against rates, per method

Nothing in it is a pickle. The extractor's weights stay where they are: `config.yaml` holds their
path, relative to the bundle, and their hash.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from espnet_entropy.data.kaldi import file_hash, read_yaml
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.features import build_extractor

FORMAT = 1
# What learn_codebook writes into config.yaml, and a bundle keeps.
DESCRIBED = ("extractor", "sample_rate", "frame_shift_sec", "dim", "num_units")
FILES = ("codebook.safetensors", "unit_lm.safetensors", "calibration.yaml")


def describe_extractor(extractor: nn.Module, folder: Path | str) -> dict:
    """What `config.yaml` keeps of an extractor; its path becomes relative to `folder`."""
    conf = dict(extractor.conf)
    if conf.get("path"):
        conf["path"] = relative_path(conf["path"], folder)
    return dict(
        extractor=dict(name=extractor.name, conf=conf, sha256=extractor.content_hash()),
        sample_rate=extractor.sample_rate,
        frame_shift_sec=extractor.frame_shift_sec,
        dim=extractor.dim,
        batch_invariant=extractor.batch_invariant,
    )


def relative_path(path: Path | str, folder: Path | str) -> str:
    """The path of an extractor's weights relative to a folder, with links in both resolved.

    A link to the weights themselves is kept, because its target may have another suffix.
    """
    path = Path(path)
    return os.path.relpath(path.parent.resolve() / path.name, Path(folder).resolve())


def located_path(folder: Path | str, path: str) -> str:
    """The file or folder of an extractor's weights whose path is in a folder's `config.yaml`.

    Args:
        folder: may be a link, be below one, or hold a link to its `config.yaml`.
        path: the path in `config.yaml`, relative to the folder or absolute.
    """
    folder = Path(folder)
    places = [
        folder.resolve() / path,
        (folder / "config.yaml").resolve().parent / path,
        # Older versions did not resolve links, so these paths start at the unresolved folder.
        os.path.normpath(folder / path),
    ]
    return os.path.normpath(next((place for place in places if os.path.exists(place)), places[0]))


def read_description(folder: Path | str) -> dict:
    """`config.yaml` of a codebook's folder or of a bundle.

    Raises:
        ValueError: it is missing, or describes neither.
    """
    path = Path(folder) / "config.yaml"
    config = read_yaml(path)
    lacking = [key for key in DESCRIBED if key not in config]
    if lacking:
        raise ValueError(
            f"{path} describes no codebook, it lacks {', '.join(lacking)}; "
            "give a folder that learn_codebook wrote whole"
        )
    return config


def identity(folder: Path | str) -> dict:
    """What units and entropies of a codebook's folder or of a bundle depend on, for records.

    Returns:
        The extractor without the path of its weights, and the sha256 of each existing file of
        `FILES`. It is the same for copies in other places.
    """
    folder = Path(folder)
    extractor = read_description(folder)["extractor"]
    conf = {name: value for name, value in extractor["conf"].items() if name != "path"}
    hashes = {name: file_hash(folder / name) for name in FILES if (folder / name).exists()}
    return {"extractor": extractor | dict(conf=conf)} | hashes


def load_extractor(folder: Path | str, path: str | None = None) -> nn.Module:
    """Build the extractor a codebook's or a bundle's `config.yaml` names.

    Args:
        folder: holds `config.yaml`.
        path: where the extractor's weights are now, if not where the config says.

    Raises:
        ValueError: no weights there, or other ones than the codebook was learnt with.
    """
    described = read_description(folder)["extractor"]
    conf = dict(described["conf"])
    if conf.get("path"):
        conf["path"] = path or located_path(folder, conf["path"])
    extractor = build_extractor(described["name"], **conf)
    found = extractor.content_hash()
    if found != described["sha256"]:
        raise ValueError(
            f"the extractor at {conf.get('path')} has content hash {found[:12]}, but "
            f"{folder} was made with {described['sha256'][:12]}; give the path of that model"
        )
    return extractor


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk; parts are read when asked for."""

    folder: Path
    config: dict

    @classmethod
    def open(cls, folder: Path | str) -> "Bundle":
        """Open a bundle.

        Raises:
            ValueError: there is none, or its format is unknown.
        """
        folder = Path(folder)
        if not (folder / "config.yaml").is_file():
            raise ValueError(f"{folder} holds no bundle; run the stages of a units1 recipe")
        config = read_yaml(folder / "config.yaml")
        if config.get("format") != FORMAT:
            raise ValueError(f"{folder}: bundle format {config.get('format')}, known is {FORMAT}")
        lacking = [key for key in (*DESCRIBED, "unit_lm", "files") if key not in config]
        files = config.get("files")
        lacking += [name for name in FILES if not isinstance(files, dict) or name not in files]
        if lacking:
            raise ValueError(f"{folder}/config.yaml lacks {', '.join(lacking)}; pack it again")
        wrong = _wrong_entry(config)
        if wrong:
            raise ValueError(
                f"{folder}/config.yaml: {wrong} is not what pack writes; pack it again"
            )
        return cls(folder, config)

    @property
    def num_units(self) -> int:
        """K."""
        return self.config["num_units"]

    @property
    def frame_rate_hz(self) -> float:
        """Units per second."""
        return 1.0 / self.config["frame_shift_sec"]

    @property
    def origin(self) -> Origin:
        """The hashes of codebook and unit LM."""
        return Origin(self.config["files"][FILES[0]], self.config["files"][FILES[1]])

    def codebook(self) -> Codebook:
        """The codebook."""
        return Codebook.load(self._checked("codebook.safetensors"))

    def calibration(self) -> Calibration:
        """The calibration."""
        made = Calibration.load(self._checked("calibration.yaml"))
        return made if made.content is None else made.with_points(self.codebook().centroids)

    def unit_lm(self) -> LlamaLM:
        """The unit LM, in eval mode."""
        try:
            lm = LlamaLM(**self.config["unit_lm"])
        except Exception as error:  # transformers and torch raise all kinds on impossible shapes
            raise ValueError(
                f"{self.folder}/config.yaml, unit_lm: {error}; copy the whole bundle again"
            ) from error
        path = self._checked("unit_lm.safetensors")
        try:
            lm.load_state_dict(load_file(str(path)))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"{path} does not hold this bundle's unit LM: {error}") from error
        return lm.eval()

    def check_dump(self, folder: Path | str, *, needs_unit_lm: bool = True) -> None:
        """Refuse a dump that was made with another codebook or unit LM; dumps may lack the hashes.

        Args:
            folder: `dump/units/SET` or `dump/raw/SET`.
            needs_unit_lm: whether the dump's entropies are read.

        Raises:
            ValueError: a hash differs.
        """
        expected = self.origin if needs_unit_lm else self.origin._replace(unit_lm=None)
        difference = origin_of_dump(folder).difference(expected, self.folder)
        if difference:
            raise ValueError(
                f"{folder} was made with {difference}; dump it with this bundle, or give the "
                "bundle that it was made with"
            )

    def check_hashes(self) -> None:
        """Compare all files with the hashes taken when the bundle was packed.

        Raises:
            ValueError: names the first file that differs.
        """
        for name in FILES:
            self._checked(name)

    def _checked(self, name: str) -> Path:
        """The path of a part, whose content is the one packed."""
        path, expected = self.folder / name, self.config["files"][name]
        found = file_hash(path)
        if found != expected:
            raise ValueError(
                f"{path} has hash {found[:12]}, but the bundle was packed with "
                f"{expected[:12]}; pack it again, or copy the whole bundle again"
            )
        return path


def _wrong_entry(config: dict) -> str | None:
    """The first entry of a bundle's config that has the wrong type, as `key: value`."""
    extractor, shift = config["extractor"], config["frame_shift_sec"]
    conf = extractor.get("conf") if isinstance(extractor, dict) else None
    files = config["files"]
    right = dict(
        extractor=isinstance(conf, dict) and isinstance(conf.get("path"), str | None),
        unit_lm=isinstance(config["unit_lm"], dict),
        num_units=type(config["num_units"]) is int and config["num_units"] > 0,
        files=all(re.fullmatch("[0-9a-f]{64}", str(files[name])) for name in FILES),
        frame_shift_sec=type(shift) in (int, float) and 0 < shift < float("inf"),
    )
    return next((f"{key}: {config[key]!r}" for key, good in right.items() if not good), None)
