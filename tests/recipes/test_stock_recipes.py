"""Where ESPNET_ROOT names a source tree: its unmodified asr.sh and st.sh on a dump of ours."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import launching
import pytest
import tiny

from espnet_entropy.bin import link_dump
from espnet_entropy.data.kaldi import read_table, write_table, write_yaml

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif("ESPNET_ROOT" not in os.environ, reason="ESPNET_ROOT names no ESPnet tree"),
]
SETS = ["--train_set", "train", "--valid_set", "dev", "--test_sets", "test"]
OPTIONS = [
    *("--feats_type", "raw", "--audio_format", "units.ark", "--fs", "50"),
    *("--feats_normalize", "none", "--use_lm", "false", *SETS),
    *("--inference_config", "decode.yaml", "--ngpu", "0", "--nj", "1", "--inference_nj", "1"),
    *("--python", "python3 -m espnet_entropy.run"),
]
SCLITE = shutil.which("sclite") or (ROOT / "tools/deb/usr/lib/sctk/bin/sclite").exists()


@pytest.fixture
def recipe(parts, tmp_path, monkeypatch):
    """Inside of a folder made for the stock recipes, with the dump of the five recordings."""
    made, folder = tmp_path / "made/dump/raw", tmp_path / "stock"
    for name in ("train", "dev", "test"):
        shutil.copytree(parts.dump, made / name)
        for text in ("text.lc.rm.en", "text.tc.fr"):  # which st.sh wants besides
            write_table(made / name / text, read_table(parts.dump / "text"))
    run([ROOT / "tools/link_espnet.sh", os.environ["ESPNET_ROOT"], folder])
    monkeypatch.chdir(folder)
    link_dump.main(["--dump", str(made), *SETS])
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, segmenter="dp", rate=20)
    config = launching.TRAINING | launching.SMALL | dict(normalize=None, optim="adamw")
    config |= dict(frontend="entropy", frontend_conf=conf | launching.AGGREGATOR)
    config |= dict(batch_type="length", batch_bins=400)
    config |= dict(model_conf=dict(extract_feats_in_collect_stats=False))
    write_yaml("train.yaml", config)
    write_yaml("decode.yaml", dict(beam_size=1, maxlenratio=-4.0))
    return folder


def run(command):
    environment = os.environ | {
        "ENTROPY_PYTHON": sys.executable,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    words = [str(word) for word in command]
    ran = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=1500)
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def run_stages(script, first, last, *options):
    options = ["--stage", first, "--stop_stage", last, *OPTIONS, *options]
    run([sys.executable, "-m", "espnet_entropy.bin.check_recipe", *options])
    run([f"./{script}", *options])


@pytest.mark.parametrize("first", ["4", "5"])
def test_an_unmodified_asr_sh_trains_and_decodes(recipe, first):
    """From its stage of length filters, and after it."""
    options = ["--asr_config", "train.yaml", "--asr_tag", "tiny", "--token_type", "char"]
    options += ["--inference_asr_model", "valid.loss.ave.pth"]
    run_stages("asr.sh", first, "13" if SCLITE else "12", *options)
    results = recipe / "exp/asr_tiny/decode_asr_model_valid.loss.ave/test"
    assert list(read_table(results / "text")) == list(tiny.SECONDS)
    if SCLITE:
        # A line that anything printed to standard output would stand above the texts.
        texts = [
            line.split("\t")[0] for line in (results / "score_wer/ref.trn").read_text().splitlines()
        ]
        assert texts == list(read_table("dump/raw/test/text").values())


def test_an_unmodified_st_sh_trains_and_decodes(recipe):
    """To stage 12: its scoring needs Moses, which is on few machines."""
    options = ["--st_config", "train.yaml", "--st_tag", "tiny", "--src_lang", "en"]
    options += ["--tgt_lang", "fr", "--src_token_type", "char", "--tgt_token_type", "char"]
    options += ["--inference_st_model", "valid.loss.ave.pth"]
    run_stages("st.sh", "5", "12", *options)
    results = recipe / "exp/st_tiny/decode_st_model_valid.loss.ave/test"
    assert list(read_table(results / "text")) == list(tiny.SECONDS)
