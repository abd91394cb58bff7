"""Making bundles and their parts: packed, with another calibration, and taken apart again."""

import hashlib
import os
import shutil
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path

import torch
from torch import nn

from espnet_entropy.bundle.bundle import (
    FILES,
    FORMAT,
    Bundle,
    describe_extractor,
    file_hash,
    located_path,
    read_description,
    relative_path,
)
from espnet_entropy.data.checkpoint import load_state, read_checkpoint
from espnet_entropy.data.kaldi import (
    atomic_text,
    read_yaml,
    tensor_bytes,
    write_tensors,
    write_yaml,
)
from espnet_entropy.data.origin import Origin
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.units.codebook import Codebook


def write_codebook(
    folder: Path | str, codebook: Codebook, extractor: nn.Module, origin: dict
) -> None:
    """A codebook's folder: centroids, the unit LM's list of tokens, and what it is of.

    Args:
        folder: to write; a codebook there is replaced.
        codebook: the centroids.
        extractor: what gave the features they were learned from.
        origin: free keys that say how they came about.
    """
    folder = Path(folder)
    # A codebook is whole when its config.yaml is there; that of an older one must not describe
    # the new centroids.
    (folder / "config.yaml").unlink(missing_ok=True)
    codebook.save(folder / FILES[0])
    _write_tokens(folder / "tokens.txt", codebook.num_units)
    described = describe_extractor(extractor, folder)
    write_yaml(
        folder / "config.yaml", described | dict(num_units=codebook.num_units, codebook=origin)
    )


def unit_tokens(num_units: int) -> list[str]:
    """The unit LM's vocabulary in ESPnet's words, K + 2 of them; ids equal unit ids."""
    return [*map(str, range(num_units)), "<unk>", "<sos/eos>"]


def check_unit_tokens(tokens: list[str], name: object) -> None:
    """Raise ValueError, with the list's name, unless the ids of the tokens are unit ids."""
    expected = unit_tokens(max(len(tokens) - 2, 0))
    for index, (token, unit) in enumerate(zip_longest(tokens, expected)):
        if token != unit:
            raise ValueError(
                f"{name} has {token!r} at position {index} instead of {unit!r}, so its ids are not "
                "unit ids; give the tokens.txt of the codebook"
            )


def _write_tokens(path: Path, num_units: int) -> None:
    with atomic_text(path) as file:
        file.write("\n".join(unit_tokens(num_units)) + "\n")


def load_trained_lm(checkpoint: Path | str) -> LlamaLM:
    """A unit LM from ESPnet's training folder: the checkpoint beside its `config.yaml`.

    Raises:
        ValueError: no `lm: llama` there, or a checkpoint that does not fit.
    """
    checkpoint = Path(checkpoint)
    config = read_yaml(checkpoint.parent / "config.yaml")
    if config.get("lm") != "llama":
        raise ValueError(f"{checkpoint.parent} was trained with lm: {config.get('lm')}, not llama")
    lm = _build_lm(config, checkpoint.parent / "config.yaml")
    named = nn.ModuleDict({"lm": lm})  # as in ESPnet's model
    load_state(named, read_checkpoint(checkpoint), checkpoint, checkpoint.parent / "config.yaml")
    for name, value in lm.state_dict().items():
        if not value.isfinite().all():
            raise ValueError(
                f"{checkpoint}: {name} holds NaN or infinite values, the training diverged; "
                "train again with a lower learning rate"
            )
    return lm.eval()


def unit_lm_hash(lm: LlamaLM) -> str:
    """The sha256 that the file of a unit LM will have in a bundle."""
    return hashlib.sha256(tensor_bytes(lm.state_dict())).hexdigest()


def _build_lm(config: dict, path: Path) -> LlamaLM:
    """The untrained LM that a training's config describes; ValueError names its file."""
    tokens, conf = config.get("token_list"), config.get("lm_conf")
    if not isinstance(tokens, list) or not isinstance(conf, dict):
        raise ValueError(f"{path} needs a token_list and an lm_conf; is it of the LM's training?")
    check_unit_tokens(tokens, f"{path}: token_list")
    try:
        return LlamaLM(vocab_size=len(tokens), **conf)
    except Exception as error:  # transformers and torch raise all kinds on shapes that cannot be
        raise ValueError(
            f"{path}: no unit LM has the lm_conf {conf}: {error}; give back the config.yaml that "
            "its training wrote"
        ) from error


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
    _check_num_units(config, "file of centroids", centroids.num_units)
    _check_num_units(config, "unit LM", lm.num_units)
    _check_calibration(grids, config, calibration, codebook)
    origin = Origin(file_hash(Path(codebook) / FILES[0]), unit_lm_hash(lm))
    grids.check_origin(calibration, origin, "the one to pack")
    config = config | dict(unit_lm=lm.conf)

    def write(folder: Path) -> None:
        shutil.copyfile(Path(codebook) / FILES[0], folder / FILES[0])
        write_tensors(folder / FILES[1], lm.state_dict())
        shutil.copyfile(calibration, folder / FILES[2])

    return _write_bundle(output, _moved(config, codebook, output), write)


def recalibrate_bundle(bundle: Path | str, calibration: Calibration, output: Path | str) -> Bundle:
    """The same codebook and unit LM with thresholds measured on another corpus.

    Args:
        bundle: folder of the bundle.
        calibration: measured on a dump that was made with it.
        output: the new bundle's folder; an older bundle there, `bundle` itself included, is
            replaced.

    Raises:
        ValueError: the bundle's files are not those packed, the calibration is of other units, or
            `output` holds anything else than a bundle.
    """
    output = Path(output)
    _check_replaceable(output)
    old = Bundle.open(bundle)
    old.check_hashes()
    _check_calibration(calibration, old.config, "the calibration", bundle)

    def write(folder: Path) -> None:
        for name in FILES[:2]:
            shutil.copyfile(old.folder / name, folder / name)
        calibration.save(folder / FILES[2])

    return _write_bundle(output, _moved(old.config, bundle, output), write)


def unpack_bundle(bundle: Path | str, output: Path | str) -> None:
    """A bundle's parts as the recipes work with them; the inverse of `pack_bundle`.

    `output` gets `codebook/` (as learn_codebook writes it) and `lm/` (as ESPnet's training leaves
    it: `config.yaml`, `valid.loss.best.pth`), from which a training on another corpus starts with
    `--init_param output/lm/valid.loss.best.pth`; and `calibration.yaml`.

    Raises:
        ValueError: the bundle's files are not those packed, or `output` is there already.
    """
    output = Path(output)
    if output.exists():
        raise ValueError(f"{output} exists; remove it or name another folder for the parts")
    opened = Bundle.open(bundle)
    opened.check_hashes()
    lm = opened.unit_lm()
    described = {k: v for k, v in opened.config.items() if k not in ("format", "unit_lm", "files")}
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    codebook, trained = temporary / "codebook", temporary / "lm"
    try:
        codebook.mkdir(parents=True)
        trained.mkdir()
        shutil.copyfile(opened.folder / FILES[0], codebook / FILES[0])
        _write_tokens(codebook / "tokens.txt", opened.num_units)
        write_yaml(codebook / "config.yaml", _moved(described, bundle, output / "codebook"))
        conf = {name: value for name, value in lm.conf.items() if name != "vocab_size"}
        tokens = unit_tokens(opened.num_units)
        write_yaml(trained / "config.yaml", dict(lm="llama", lm_conf=conf, token_list=tokens))
        state = {f"lm.{name}": value for name, value in lm.state_dict().items()}
        torch.save(state, trained / "valid.loss.best.pth")
        shutil.copyfile(opened.folder / FILES[2], temporary / FILES[2])
        os.replace(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_num_units(config: dict, what: str, count: int) -> None:
    if count != config["num_units"]:
        raise ValueError(
            f"the codebook has {config['num_units']} units, the {what} {count}; "
            "they were made by different runs: repeat the later stages"
        )


def _check_calibration(grids: Calibration, config: dict, name, codebook) -> None:
    """Raise ValueError unless thresholds and codebook are of the same units."""
    _check_num_units(config, "calibration", grids.num_units)
    frame_rate_hz = 1.0 / config["frame_shift_sec"]
    if abs(grids.frame_rate_hz - frame_rate_hz) > 1e-6:
        raise ValueError(
            f"{name} was measured at {grids.frame_rate_hz:g} units/s, but {codebook} gives "
            f"{frame_rate_hz:g}; calibrate again with --frame_rate {frame_rate_hz:g}"
        )


def _moved(config: dict, source: Path | str, target: Path) -> dict:
    """The config with the path of the extractor's weights relative to another folder."""
    conf = config["extractor"]["conf"]
    if not conf.get("path"):
        return config
    path = relative_path(located_path(source, conf["path"]), target)
    return config | dict(extractor=config["extractor"] | dict(conf=conf | dict(path=path)))


def _write_bundle(output: Path, config: dict, write: Callable[[Path], None]) -> Bundle:
    """Write the parts aside, take their hashes, and put them in the place of an older bundle."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    temporary.mkdir(parents=True)
    try:
        write(temporary)
        hashes = {name: file_hash(temporary / name) for name in FILES}
        write_yaml(temporary / "config.yaml", dict(format=FORMAT) | config | dict(files=hashes))
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
    if output.is_symlink():
        raise ValueError(
            f"{output} is a link to {output.resolve()}, not a folder; remove it or name another "
            "folder for the bundle"
        )
    if not output.exists():
        return
    if not output.is_dir():
        raise ValueError(f"{output} is not a folder; remove it or name another one for the bundle")
    names = {path.name for path in output.iterdir()}
    other = sorted(names - {"config.yaml", *FILES})
    try:
        if names and not other:
            Bundle.open(output)
    except ValueError:
        other = sorted(names)
    if other:
        raise ValueError(
            f"{output} is no bundle, or holds more than one ({other[0]}); remove it or name "
            "another folder for the bundle"
        )
