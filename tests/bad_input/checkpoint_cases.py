"""Checkpoints of unit LMs."""

import shutil

import torch
from table import case, cases, ends_with, written

from espnet_entropy.bin import bundle


def pack(folder, parts):
    """`bundle pack` with the unit LM of this folder; ESPnet's commands: test_checkpoints.py."""
    shutil.copy(parts.checkpoint.parent / "config.yaml", folder)
    given = dict(codebook=parts.codebook, calibration=parts.calibration, output=folder / "b")
    ends_with(bundle, "pack", unit_lm=folder / "lm.pth", **given)


LAYER = "lm.llama.model.layers.0."


@cases(
    "checkpoint: ",
    ("as it was saved", lambda s: s, None),
    (
        "a layer missing",
        lambda s: {n: t for n, t in s.items() if not n.startswith(LAYER)},
        rf"lm\.pth does not fit .*config\.yaml; missing: {LAYER}.* in all\); give a checkpoint",
    ),
    (
        "names of another model",
        lambda s: s | {"decoder.weight": torch.ones(2)},
        r"lm\.pth does not fit .*; unexpected: decoder\.weight; give a checkpoint",
    ),
    (
        "other shapes",
        lambda s: {n: t[:1] for n, t in s.items()},
        r"lm\.pth does not fit .*; other shapes: lm\.\S+ \[1, \d+\] instead of \[14, 16\]",
    ),
    (
        "module. before all names",
        lambda s: {f"module.{n}": t for n, t in s.items()},
        r"the names in .*lm\.pth begin with 'module\.'.*save it without",
    ),
    ("of nothing", lambda s: {}, "missing: lm"),
    (
        "of a training",
        lambda s: {"model": s, "epoch": 3},
        r"lm\.pth is not the state of a model; use the model of an epoch or an averaged model",
    ),
)
def _(folder, parts, change):
    state = torch.load(parts.checkpoint, weights_only=True)
    torch.save(change(state), folder / "lm.pth")
    pack(folder, parts)


@case("checkpoint: not there", r"there is no file \S*lm\.pth")
def _(folder, parts):
    pack(folder, parts)


@case("checkpoint: a pickle", r"lm\.pth cannot be read as weights alone")
def _(folder, parts):
    written(folder / "lm.pth", f"cos\nsystem\n(S'touch {folder}/witness'\ntR.")
    pack(folder, parts)
