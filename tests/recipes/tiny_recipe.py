"""A recipe of a few synthetic recordings, whose scripts are those of the templates."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import tiny
import yaml

TEMPLATE = Path(__file__).resolve().parents[2] / "egs2" / "TEMPLATE"
PERTURB = TEMPLATE.parent / "core_sounds/units1/local/perturb_speed.py"

# A training of an encoder with a few thousand weights, in epochs of two steps.
TRAINING = {
    "batch_type": "unsorted",
    "batch_size": 4,
    "max_epoch": 1,
    "num_iters_per_epoch": 2,
    "num_workers": 0,
    "use_matplotlib": False,
    "optim": "adam",
    "keep_nbest_models": 1,
}
ENCODER = {
    "frontend": "entropy",
    "frontend_conf": {
        "num_units": tiny.NUM_UNITS,
        "segmenter": "dedup",
        "aggregator": "mean",
        "output_size": 8,
    },
    "normalize": None,
    "specaug": None,
    "encoder": "transformer",
    "encoder_conf": {
        "input_layer": "linear",
        "output_size": 8,
        "attention_heads": 2,
        "linear_units": 8,
        "num_blocks": 1,
    },
}
CONFIGS = {
    "train_asr": TRAINING
    | ENCODER
    | {"model_conf": {"ctc_weight": 1.0}, "best_model_criterion": [["valid", "loss", "min"]]},
    "train_lm": TRAINING
    | {
        "lm": "seq_rnn",
        "lm_conf": {"unit": 8, "nlayers": 1},
        "best_model_criterion": [["valid", "loss", "min"]],
    },
    "decode_asr": {"beam_size": 2, "ctc_weight": 1.0, "lm_weight": 0.1},
}


def make_recipe(folder: Path) -> Path:
    """Folder of a recipe with three sets, whose local/data.sh does not change its data."""
    for name in ("conf", "local"):
        (folder / name).mkdir(parents=True)
    (folder / "utils").symlink_to(TEMPLATE / "utils")
    (folder / "local/perturb_speed.py").symlink_to(PERTURB)
    (folder / "path.sh").write_text(f". {TEMPLATE}/units1/path.sh\n")
    (folder / "cmd.sh").write_text(f". {TEMPLATE}/units1/cmd.sh\n")
    (folder / "local/data.sh").write_text("#!/bin/sh\necho data\n")
    (folder / "local/data.sh").chmod(0o755)
    for name, config in CONFIGS.items():
        (folder / f"conf/{name}.yaml").write_text(yaml.safe_dump(config))
    for number, name in enumerate(("train", "dev", "test")):
        # Other recordings in each set.
        seconds = {utt: value + number / 10 for utt, value in tiny.SECONDS.items()}
        tiny.make_data(folder / "data" / name, seconds)
    return folder


def run(folder: Path, script: str, *options: str) -> subprocess.CompletedProcess:
    """Run a script of the templates in the recipe."""
    return subprocess.run(
        ["bash", TEMPLATE / f"{script.removesuffix('.sh')}1" / script, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
    )


def stages(result: subprocess.CompletedProcess) -> list[str]:
    """The titles of the stages that have run, in their order; `result` must have succeeded."""
    assert result.returncode == 0, result.stderr
    lines = [line.split(": ") for line in result.stdout.splitlines() if line.startswith("stage ")]
    return [parts[1] for parts in lines if len(parts) == 2]


def correct(folder: Path, name: str, old: str, new: str) -> None:
    """Replace text in a table of the recipe."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def replace_recording(path: Path) -> None:
    """Write another sound of the same length under the same name."""
    other = tiny.wave(99, 1.0)
    import soundfile

    length = soundfile.info(path).frames
    keep = path.with_suffix(".old.wav")
    shutil.move(path, keep)
    soundfile.write(path, tiny.np.resize(other, length), tiny.SAMPLE_RATE, subtype="FLOAT")
