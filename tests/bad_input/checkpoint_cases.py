"""Trained models: checkpoints read by our commands and by ESPnet's, and arks read by ESPnet."""

import kaldiio
import numpy as np
import torch
from table import case, ends_with, written

from espnet_entropy import run  # noqa: F401  (its import guards kaldiio)
from espnet_entropy.bin import bundle
from espnet_entropy.data.kaldi import read_yaml, write_yaml


def copy_config(folder, parts):
    """Checkpoint and other files of the unit LM, as ESPnet's training writes them."""
    config = read_yaml(parts.checkpoint.parent / "config.yaml")
    write_yaml(folder / "config.yaml", config | dict(model="lm", model_conf={}, init=None))


def by_command(folder, parts):
    """`bundle pack` with the unit LM of this folder."""
    given = dict(codebook=parts.codebook, calibration=parts.calibration, output=folder / "b")
    ends_with(bundle, "pack", unit_lm=folder / "lm.pth", **given)


def by_espnet(folder, parts):
    """The function that `lm_calc_perplexity` and all inference commands call."""
    from espnet2.tasks.lm import LMTask

    LMTask.build_model_from_file(folder / "config.yaml", folder / "lm.pth")


LAYER = "lm.llama.model.layers.0."
STATES = {
    "as it was saved": (lambda s: s, None),
    "a layer missing": (
        lambda s: {n: t for n, t in s.items() if not n.startswith(LAYER)},
        rf"lm\.pth does not fit .*config\.yaml; missing: {LAYER}.* in all\); give a checkpoint",
    ),
    "names of another model": (
        lambda s: s | {"decoder.weight": torch.ones(2)},
        r"lm\.pth does not fit .*; unexpected: decoder\.weight; give a checkpoint",
    ),
    "other shapes": (
        lambda s: {n: t[:1] for n, t in s.items()},
        r"lm\.pth does not fit .*; other shapes: lm\.\S+ \[1, \d+\] instead of \[14, 16\]",
    ),
    "module. before all names": (
        lambda s: {f"module.{n}": t for n, t in s.items()},
        r"the names in .*lm\.pth begin with 'module\.'.*save it without",
    ),
    "of nothing": (lambda s: {}, "missing: lm"),
    "of a training": (
        lambda s: {"model": s, "epoch": 3},
        r"lm\.pth is not the state of a model; use the model of an epoch or an averaged model",
    ),
}
for _reader in (by_command, by_espnet):
    for _name, (_change, _message) in STATES.items():

        @case(f"checkpoint {_reader.__name__}: {_name}", _message)
        def _(folder, parts, reader=_reader, change=_change):
            copy_config(folder, parts)
            state = torch.load(parts.checkpoint, weights_only=True)
            torch.save(change(state), folder / "lm.pth")
            reader(folder, parts)

    @case(f"checkpoint {_reader.__name__}: not there", r"there is no file \S*lm\.pth")
    def _(folder, parts, reader=_reader):
        copy_config(folder, parts)
        reader(folder, parts)

    @case(f"checkpoint {_reader.__name__}: a pickle", r"lm\.pth cannot be read as weights alone")
    def _(folder, parts, reader=_reader):
        copy_config(folder, parts)
        written(folder / "lm.pth", f"cos\nsystem\n(S'touch {folder}/witness'\ntR.")
        reader(folder, parts)


# Tables that ESPnet reads


def read_by_espnet(folder, entry):
    """The first utterance of a `kaldi_ark` table."""
    from espnet2.train.dataset import ESPnetDataset

    scp = written(folder / "wav.scp", f"utt {entry}\n")
    return ESPnetDataset([(str(scp), "speech", "kaldi_ark")])["utt"]


@case("espnet's tables: an array", None)
def _(folder, parts):
    kaldiio.save_ark(str(folder / "a.ark"), {"utt": np.ones((3, 2), np.float32)})
    assert read_by_espnet(folder, f"{folder}/a.ark:4")[1]["speech"].shape == (3, 2)


@case("espnet's tables: a shell command", "touch .*witness .* is a shell command; it is not run")
def _(folder, parts):
    read_by_espnet(folder, f"touch {folder}/witness |")


@case("espnet's tables: a pickle", r"a\.ark:4 is a pickled object")
def _(folder, parts):
    written(folder / "a.ark", f"utt PKLcos\nsystem\n(S'touch {folder}/witness'\ntR.")
    read_by_espnet(folder, f"{folder}/a.ark:4")
