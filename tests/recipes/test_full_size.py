"""Configurations at full size: they say how many parameters they have, and they train.

The step of training is of a small model of the same kind, on the tiny dump of the tests.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import tiny
import torch
import yaml
from launching import launch, prepare_speech, same_data
from tiny_models import save_hubert

from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import read_matrix, read_table, read_yaml

EGS2 = Path(__file__).resolve().parents[2] / "egs2"
CONFIGS = [
    "librispeech/asr1/conf/tuning/train_asr_whisper.yaml",
    "librispeech/asr1/conf/tuning/train_asr_ebranchformer.yaml",
    "librispeech_100/asr1/conf/tuning/train_asr_ebranchformer.yaml",
    "cvss/st1/conf/train_st.yaml",
]
VOCABULARY = 5002  # 5,000 pieces, <blank> and <sos/eos>; <unk> is a piece
# What makes any of them small.
SIZES = dict(
    output_size=16, attention_heads=2, linear_units=16, num_blocks=1, cgmlp_linear_units=16,
    cgmlp_conv_kernel=3, merge_conv_kernel=3, num_heads=2, num_layers=1,
)  # fmt: skip


def build(config, **frontend):
    """The model of a configuration, as its task in ESPnet builds it."""
    with contextlib.redirect_stdout(io.StringIO()):  # notes about optional packages
        from espnet2.tasks.asr import ASRTask
        from espnet2.tasks.st import STTask

        from espnet_entropy.vc.task import ConversionTask
    name = config.stem.split("_")[1]
    task = dict(st=STTask, asr=ASRTask).get(name, ConversionTask)
    args = task.get_parser().parse_args(["--config", str(config), "--output_dir", "x"])
    args.token_list = args.src_token_list = [str(number) for number in range(VOCABULARY)]
    args.frontend_conf |= frontend
    return task.build_model(args)


@pytest.mark.parametrize(
    "config", [*CONFIGS, "libritts/vc1/conf/train_vc.yaml", "core_sounds/vc1/conf/train_vc.yaml"]
)
def test_parameters_are_as_many_as_it_says(config):
    model = build(EGS2 / config, unit_init="random")
    count = f"{sum(parameter.numel() for parameter in model.parameters()):,}"
    head = (EGS2 / config).read_text().split("frontend:")[0]
    assert re.findall(r"\d+,\d{3},\d{3}", head) == [count]
    recipe = "/".join(config.split("/")[:2])
    readme = EGS2 / recipe / "README.md"
    assert count in readme.read_text(encoding="utf-8")


def smaller(value):
    """The same config with the sizes of `SIZES`."""
    if not isinstance(value, dict):
        return value
    return {key: SIZES.get(key, smaller(item)) for key, item in value.items()}


# Both E-Branchformers differ in sizes alone.
@pytest.mark.parametrize("config", [name for name in CONFIGS if "librispeech_100" not in name])
def test_a_small_model_of_the_kind_trains(parts, tmp_path, config):
    name = Path(config).stem.split("_")[1]
    content = smaller(read_yaml(EGS2 / config))
    content["frontend_conf"] |= dict(num_units=tiny.NUM_UNITS, bundle=str(parts.bundle))
    content |= dict(max_epoch=1, batch_type="unsorted", batch_size=5, num_workers=0)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(content))
    words = prepare_speech(parts, tmp_path)
    if name == "st":
        words += ["--src_token_type", "char", "--src_token_list", "tokens.txt"]
        source = f"{parts.dump}/text,src_text,text"
        words += same_data(source, shape="speech_shape")
    train = ["-m", f"espnet2.bin.{name}_train", "--config", "train.yaml"]
    words += ["--use_tensorboard", False, "--output_dir", "model"]
    launch(*train, *words, cwd=tmp_path)
    state = torch.load(tmp_path / "model/1epoch.pth", weights_only=True)
    assert all(value.isfinite().all() for value in state.values())
    assert state["frontend.encoder.embedding.weight"].shape == (tiny.NUM_UNITS, 16)


def test_a_small_conversion_of_the_full_size_kind_trains(parts, tmp_path):
    content = read_yaml(EGS2 / "libritts/vc1/conf/train_vc.yaml")
    content["frontend_conf"]["aggregator_conf"] |= dict(num_layers=1, num_heads=2)
    content["frontend_conf"] |= dict(output_size=16, num_units=tiny.NUM_UNITS)
    content["model_conf"]["content_conf"] |= dict(dim=16, num_layers=1)
    content["model_conf"]["dit_conf"] |= dict(dim=16, num_blocks=1, num_heads=2)
    (tmp_path / "train_vc.yaml").write_text(yaml.safe_dump(content))
    torch.manual_seed(0)
    model = build(tmp_path / "train_vc.yaml", bundle=str(parts.bundle))
    model.mel_mean.zero_()
    model.mel_scale.fill_(1.0)
    units = read_matrix(read_table(parts.dump / "wav.scp")["utt-a"])
    length, frames = len(units), len(units) * model.frames_per_unit
    loss, _, _ = model(
        units=torch.tensor(units).unsqueeze(0),
        units_lengths=torch.tensor([length]),
        mel=torch.randn(1, frames, 80),
        mel_lengths=torch.tensor([frames]),
        pitch=torch.rand(1, frames),
        speaker=torch.randn(1, 256),
    )
    loss.backward()
    missing = [n for n, p in model.named_parameters() if p.grad is None and p.requires_grad]
    assert loss.isfinite() and not missing


PAPERS_LM = EGS2 / "TEMPLATE/units1/conf/train_lm_paper.yaml"


def test_a_small_unit_lm_of_the_papers_kind_trains(parts, tmp_path):
    content = read_yaml(PAPERS_LM) | dict(max_epoch=1, num_workers=0, use_tensorboard=False)
    content["lm_conf"] |= dict(hidden_size=16, num_layers=1, num_heads=2)
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(content))
    units = f"{parts.units}/units.scp,text,kaldi_ark"
    launch(
        *("-m", "espnet2.bin.lm_train", "--config", "train.yaml", "--use_preprocessor", "false"),
        *("--token_list", parts.codebook / "tokens.txt", "--output_dir", "model", "--ngpu", 0),
        *same_data(units, shape=parts.units / "text_shape"),
        cwd=tmp_path,
    )
    state = torch.load(tmp_path / "model/1epoch.pth", weights_only=True)
    assert all(value.isfinite().all() for value in state.values())


def test_units_of_a_full_size_recipe(tmp_path):
    """librispeech_100/units1 from recordings to units, by a HuBERT that is small, through s3prl."""
    pytest.importorskip("s3prl")
    for number, part in enumerate(["train-clean-100", "dev-clean", "dev-other"]):
        folder = tmp_path / "LibriSpeech" / part / str(number) / "1"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{number}-1-0000.flac", tiny.wave(number, 1.5), 16000)
        (folder / f"{number}-1.trans.txt").write_text(f"{number}-1-0000 HELLO\n")
    sets = "train=train-clean-100,dev=dev-clean+dev-other"
    words = ["--local_data_opts", f"--sets {sets}", "--train_sets", "train"]
    words += ["--lm_valid_sets", "dev", "--calibration_set", "dev", "--test_sets", "dev"]
    words += [
        "--num_units",
        "4",
        "--num_shards",
        "1",
        "--nj",
        "2",
        "--stop_stage",
        "3",
        "--data_dir",
        tmp_path,
    ]
    words += ["--upstream", "hf_hubert_custom", "--layer", "1"]
    words += [
        "--upstream_path",
        save_hubert(tmp_path / "hubert"),
        "--datadir",
        tmp_path / "data",
        "--dumpdir",
        tmp_path / "dump",
    ]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [EGS2 / "librispeech_100/units1/run.sh", *words, "--expdir", tmp_path / "exp"]
    environment = os.environ | {"PATH": path}
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    for name, count in (("train", 1), ("dev", 2)):
        units = dict(read_units(tmp_path / f"dump/units/{name}/units.scp"))
        assert len(units) == count
        # ceil(1.5 s at 50 Hz)
        assert all(len(u) == 75 and 0 <= u.min() and u.max() < 4 for u in units.values())
