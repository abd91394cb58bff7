"""Start programs through the launcher, and the small configs they train with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from espnet_entropy import run
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import write_table

LAUNCHER = [sys.executable, "-m", "espnet_entropy.run"]
PACKAGE_PARENT = str(Path(run.__file__).parents[1])
TOKENS = ["<blank>", "<unk>", "<space>", *sorted(set("onetwhr")), "<sos/eos>"]

# What every training here has in common.
TRAINING = dict(
    batch_type="unsorted",
    batch_size=5,
    max_epoch=1,
    keep_nbest_models=1,
    best_model_criterion=[["valid", "loss", "min"]],
    num_workers=0,
    use_tensorboard=False,
    use_matplotlib=False,
)
# Encoder and decoder of a model that takes vectors of 16 dimensions.
SMALL = dict(
    encoder="transformer",
    encoder_conf=dict(
        input_layer="linear", output_size=16, attention_heads=2, linear_units=16, num_blocks=1
    ),
    decoder="transformer",
    decoder_conf=dict(attention_heads=2, linear_units=16, num_blocks=1),
)
AGGREGATOR = dict(
    output_size=16, aggregator="cale", aggregator_conf=dict(num_layers=1, num_heads=2)
)


def environment():
    """Variables of a program; read when it starts, since fixtures set some."""
    return os.environ | {"PYTHONPATH": PACKAGE_PARENT}


def execute(*command, cwd=None, text=None):
    """Run a command to its end; standard output and error are kept."""
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        cwd=cwd,
        input=text,
        env=environment(),
    )


def launch(*arguments, **options):
    """Standard output of a program that ends well."""
    done = execute(*LAUNCHER, *arguments, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


SEVERAL = """
import json, sys
from espnet_entropy import run
for command in json.loads(sys.argv[1]):
    run.main(command)
"""


def launch_several(*commands, cwd):
    """Commands in one process, which saves their imports."""
    (cwd / "several.py").write_text(SEVERAL)
    words = [[str(word) for word in command] for command in commands]
    return launch("several.py", json.dumps(words), cwd=cwd)


def write_config(path, **content):
    """A training's YAML."""
    path.write_text(yaml.safe_dump(TRAINING | content))


def same_data(*triples, shape):
    """`--train_...` and `--valid_...` options for the same data."""
    words = []
    for mode in ("train", "valid"):
        for triple in triples:
            words += [f"--{mode}_data_path_and_name_and_type", triple]
        words += [f"--{mode}_shape_file", shape]
    return words


def prepare_speech(parts, folder):
    """`tokens.txt` and `speech_shape`; options that name the dump and its text."""
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    shapes = {utt: f"{len(units)},2" for utt, units, _ in read_dump(parts.dump)}
    write_table(folder / "speech_shape", shapes)
    return same_data(
        f"{parts.dump}/wav.scp,speech,kaldi_ark",
        f"{parts.dump}/text,text,text",
        shape="speech_shape",
    ) + ["--token_type", "char", "--token_list", "tokens.txt", "--ngpu", "0"]


def entropy_frontend(parts, **conf):
    """`frontend: entropy` on the tiny bundle."""
    given = dict(bundle=str(parts.bundle), segmenter="global", rate=20, min_rate=15)
    return dict(frontend="entropy", frontend_conf=given | AGGREGATOR | conf)
