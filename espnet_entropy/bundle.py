"""The bundle: all that turns speech into units, entropies and segments, in one folder.

    config.yaml             extractor, layer, sample rate, frame shift, K, LM shape, content hashes
    codebook.safetensors    (K, D) centroids
    unit_lm.safetensors     the unit LM's weights
    calibration.yaml        thresholds against rates, per method

Nothing in it is a pickle. The extractor's weights stay where they are: `config.yaml` holds their
path, relative to the bundle, and their hash.
"""

import hashlib
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from espnet_entropy.calibration import Calibration
from espnet_entropy.codebook import Codebook
from espnet_entropy.data import read_yaml, write_tensors, write_yaml
from espnet_entropy.features import build_extractor
from espnet_entropy.unit_lm import LlamaLM

FORMAT = 1
# What learn_codebook writes into config.yaml, and a bundle keeps.
DESCRIBED = ("extractor", "sample_rate", "frame_shift_sec", "dim", "num_units")
FILES = ("codebook.safetensors", "unit_lm.safetensors", "calibration.yaml")


def describe_extractor(extractor: nn.Module, folder: Path | str) -> dict:
    """What `config.yaml` keeps of an extractor; its path becomes relative to `folder`."""
    conf = dict(extractor.conf)
    if conf.get("path"):
        conf["path"] = os.path.relpath(conf["path"], folder)
    return dict(
        extractor=dict(name=extractor.name, conf=conf, sha256=extractor.content_hash()),
        sample_rate=extractor.sample_rate,
        frame_shift_sec=extractor.frame_shift_sec,
        dim=extractor.dim,
        batch_invariant=extractor.batch_invariant,
    )


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
        conf["path"] = path or os.path.normpath(Path(folder) / conf["path"])
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
        lacking += [name for name in FILES if name not in config.get("files", ())]
        if lacking:
            raise ValueError(f"{folder}/config.yaml lacks {', '.join(lacking)}; pack it again")
        return cls(folder, config)

    @property
    def num_units(self) -> int:
        """K."""
        return self.config["num_units"]

    @property
    def frame_rate_hz(self) -> float:
        """Units per second."""
        return 1.0 / self.config["frame_shift_sec"]

    def codebook(self) -> Codebook:
        """The codebook."""
        return Codebook.load(self._checked("codebook.safetensors"))

    def calibration(self) -> Calibration:
        """The calibration."""
        return Calibration.load(self._checked("calibration.yaml"))

    def unit_lm(self) -> LlamaLM:
        """The unit LM, in eval mode."""
        lm = LlamaLM(**self.config["unit_lm"])
        path = self._checked("unit_lm.safetensors")
        try:
            lm.load_state_dict(load_file(str(path)))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(f"{path} does not hold this bundle's unit LM: {error}") from error
        return lm.eval()

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


def load_trained_lm(checkpoint: Path | str) -> LlamaLM:
    """A unit LM from ESPnet's training folder: the checkpoint beside its `config.yaml`.

    Raises:
        ValueError: no `lm: llama` there, or a checkpoint that does not fit.
    """
    checkpoint = Path(checkpoint)
    config = read_yaml(checkpoint.parent / "config.yaml")
    if config.get("lm") != "llama":
        raise ValueError(f"{checkpoint.parent} was trained with lm: {config.get('lm')}, not llama")
    lm = LlamaLM(vocab_size=len(config["token_list"]), **config["lm_conf"])
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=True)
        lm.load_state_dict({name.removeprefix("lm."): value for name, value in state.items()})
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(f"{checkpoint} does not hold this unit LM: {error}") from error
    for name, value in lm.state_dict().items():
        if not value.isfinite().all():
            raise ValueError(
                f"{checkpoint}: {name} holds NaN or infinite values, the training diverged; "
                "train again with a lower learning rate"
            )
    return lm.eval()


def pack_bundle(
    codebook: Path | str, unit_lm: Path | str, calibration: Path | str, output: Path | str
) -> Bundle:
    """Gather the parts into a bundle, which appears at `output` only when whole.

    Args:
        codebook: folder written by the command learn_codebook.
        unit_lm: checkpoint of ESPnet's LM training, its `config.yaml` beside it.
        calibration: YAML written by the command calibrate.
        output: the bundle's folder; an older bundle there is replaced.

    Raises:
        ValueError: parts that do not belong together; or `output` holds anything else than a
            bundle, which would be lost.
    """
    output = Path(output)
    _check_replaceable(output)
    config = read_description(codebook)
    centroids = Codebook.load(Path(codebook) / FILES[0])
    lm = load_trained_lm(unit_lm)
    grids = Calibration.load(calibration)
    for what, count in (
        ("file of centroids", centroids.num_units),
        ("unit LM", lm.num_units),
        ("calibration", grids.num_units),
    ):
        if count != config["num_units"]:
            raise ValueError(
                f"the codebook has {config['num_units']} units, the {what} {count}; "
                "they were made by different runs: repeat the later stages"
            )
    frame_rate_hz = 1.0 / config["frame_shift_sec"]
    if abs(grids.frame_rate_hz - frame_rate_hz) > 1e-6:
        raise ValueError(
            f"{calibration} was measured at {grids.frame_rate_hz:g} units/s, but {codebook} gives "
            f"{frame_rate_hz:g}; calibrate again with --frame_rate {frame_rate_hz:g}"
        )
    if config["extractor"]["conf"].get("path"):
        weights = Path(codebook) / config["extractor"]["conf"]["path"]
        config["extractor"]["conf"]["path"] = os.path.relpath(weights, output)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        shutil.copyfile(Path(codebook) / "codebook.safetensors", temporary / FILES[0])
        write_tensors(temporary / FILES[1], lm.state_dict())
        shutil.copyfile(calibration, temporary / FILES[2])
        hashes = {name: file_hash(temporary / name) for name in FILES}
        config = dict(format=FORMAT) | config | dict(unit_lm=lm.conf, files=hashes)
        write_yaml(temporary / "config.yaml", config)
        # Its own files and no others: where anything else stands by now, the replacement fails.
        # config.yaml is the last to go, so that what a kill leaves is still known as a bundle.
        for name in (*FILES, "config.yaml"):
            (output / name).unlink(missing_ok=True)
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return Bundle.open(output)


def _check_replaceable(output: Path) -> None:
    """Raise ValueError unless `output` is absent, empty, or a bundle and nothing else."""
    if output.name in ("", ".."):
        raise ValueError(f"the bundle is to replace the folder {output} as a whole; name a new one")
    if not output.exists() and not output.is_symlink():
        return
    if output.is_symlink() or not output.is_dir():
        raise ValueError(f"{output} is no folder; remove it or name another one for the bundle")
    names = {path.name for path in output.iterdir()}
    other = sorted(names - {"config.yaml", *FILES})
    if names and not other and _is_bundle(output):
        return
    if names:
        raise ValueError(
            f"{output} is no bundle, or holds more than one ({(other or sorted(names))[0]}); "
            "remove it or name another folder for the bundle"
        )


def _is_bundle(folder: Path) -> bool:
    try:
        Bundle.open(folder)
    except ValueError:
        return False
    return True


def file_hash(path: Path | str) -> str:
    """sha256 of a file, hexadecimal."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
