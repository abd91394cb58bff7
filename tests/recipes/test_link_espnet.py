"""tools/link_espnet.sh, and with ESPNET_ROOT the unmodified asr.sh in a folder made by it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

from espnet_entropy.bin import link_dump
from espnet_entropy.data import read_table, write_yaml

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("asr1/asr.sh", "asr1/db.sh", "asr1/conf/fbank.conf", "st1/st.sh")
SCRIPTS += ("asr1/utils/parse_options.sh", "asr1/scripts/utils/print_args.sh")
SCRIPTS += ("asr1/pyscripts/utils/x.py", "asr1/steps/x.sh")


@pytest.fixture
def tree(tmp_path):
    """The names of an ESPnet source tree that the tool looks at."""
    root = tmp_path / "espnet tree"
    for name in (*(f"egs2/TEMPLATE/{script}" for script in SCRIPTS), "tools/extra_path.sh"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "egs2/TEMPLATE/asr1/cmd.sh").write_text("train_cmd=run.pl\n")
    return root


def link(*arguments):
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    return subprocess.run(
        [ROOT / "tools/link_espnet.sh", *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )


def content(folder: Path) -> dict:
    return {
        path: os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_a_folder_is_made_and_a_second_call_changes_nothing(tree, tmp_path):
    folder = tmp_path / "new" / "asr1"
    made = link(tree, folder)
    assert made.returncode == 0, made.stderr
    for name in ("asr.sh", "st.sh", "utils/parse_options.sh", "conf/fbank.conf", "local/path.sh"):
        assert (folder / name).exists(), name
    before = content(folder)
    assert link(tree, folder).returncode == 0
    assert content(folder) == before


def test_the_settings_find_both_packages(tree, tmp_path):
    assert link(tree, tmp_path / "asr1").returncode == 0
    code = "import espnet2, espnet_entropy; print(espnet_entropy.__file__)"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". ./path.sh; python3 -c '{code}'"],
        cwd=tmp_path / "asr1",
        env=os.environ | {"ENTROPY_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.strip() == str(ROOT / "espnet_entropy/__init__.py"), ran.stderr


def test_what_is_there_already_stays(tree, tmp_path):
    folder = tmp_path / "asr1"
    (folder / "local").mkdir(parents=True)
    for name in ("path.sh", "cmd.sh", "local/path.sh", "db.sh"):
        (folder / name).write_text("mine\n")
    made = link(tree, folder)
    assert made.returncode == 0, made.stderr
    for name in ("path.sh", "cmd.sh", "local/path.sh", "db.sh"):
        assert (folder / name).read_text() == "mine\n"
    assert "local/path.sh is your own" in made.stdout


def test_links_follow_a_tree_that_moved(tree, tmp_path):
    folder = tmp_path / "asr1"
    assert link(tree, folder).returncode == 0
    moved = tree.rename(tmp_path / "moved")
    assert link(moved, folder).returncode == 0
    assert (folder / "asr.sh").samefile(moved / "egs2/TEMPLATE/asr1/asr.sh")
    assert f"{moved}" in (folder / "path.sh").read_text()


@pytest.mark.parametrize("lost", ["egs2/TEMPLATE/asr1/asr.sh", "tools/extra_path.sh"])
def test_what_is_no_source_tree_is_refused(tree, tmp_path, lost):
    (tree / lost).unlink()
    made = link(tree, tmp_path / "asr1")
    assert made.returncode == 1 and lost in made.stderr
    assert not (tmp_path / "asr1").exists()


def test_it_wants_two_arguments(tree):
    assert link(tree).returncode == 2


MODEL = dict(
    frontend="entropy",
    normalize=None,
    encoder="transformer",
    encoder_conf=dict(
        input_layer="linear", output_size=16, attention_heads=2, linear_units=16, num_blocks=1
    ),
    model_conf=dict(ctc_weight=1.0, extract_feats_in_collect_stats=False),
    batch_type="length",
    batch_bins=400,
    max_epoch=1,
    num_workers=0,
    use_matplotlib=False,
    optim="adamw",
)
OPTIONS = ["--feats_type", "raw", "--audio_format", "units.ark", "--fs", "50"]
OPTIONS += ["--feats_normalize", "none", "--token_type", "char", "--use_lm", "false"]
OPTIONS += ["--train_set", "train", "--valid_set", "dev", "--test_sets", "test"]
OPTIONS += ["--asr_config", "train.yaml", "--inference_config", "decode.yaml"]
OPTIONS += ["--inference_asr_model", "valid.loss.ave.pth", "--asr_tag", "tiny"]
OPTIONS += ["--ngpu", "0", "--nj", "1", "--inference_nj", "1"]
OPTIONS += ["--python", "python3 -m espnet_entropy.run"]


@pytest.mark.long
@pytest.mark.skipif("ESPNET_ROOT" not in os.environ, reason="ESPNET_ROOT names no ESPnet tree")
@pytest.mark.parametrize("first_stage", ["4", "5"])
def test_an_unmodified_asr_sh_trains_and_decodes(parts, tmp_path, first_stage, monkeypatch):
    folder, made = tmp_path / "asr1", tmp_path / "made" / "dump" / "raw"
    assert link(os.environ["ESPNET_ROOT"], folder).returncode == 0
    for name in ("train", "dev", "test"):
        shutil.copytree(parts.dump, made / name)
    monkeypatch.chdir(folder)
    sets = ["--train_set", "train", "--valid_set", "dev", "--test_sets", "test"]
    link_dump.main(["--dump", str(made), *sets])
    conf = dict(bundle=str(parts.bundle), num_units=tiny.NUM_UNITS, segmenter="dp", rate=20)
    write_yaml("train.yaml", MODEL | dict(frontend_conf=conf | dict(output_size=16)))
    write_yaml("decode.yaml", dict(beam_size=1, ctc_weight=1.0))
    # Scoring (13) needs sclite, which not every machine has.
    last = "13" if shutil.which("sclite") or (ROOT / "tools/deb").exists() else "12"
    options = ["--stage", first_stage, "--stop_stage", last, *OPTIONS]
    environment = os.environ | {"ENTROPY_PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    check = [sys.executable, "-m", "espnet_entropy.bin.check_recipe", *options]
    assert subprocess.run(check, env=environment).returncode == 0
    ran = subprocess.run(
        ["./asr.sh", *options], env=environment, capture_output=True, text=True, timeout=1500
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    hypotheses = read_table("exp/asr_tiny/decode_asr_model_valid.loss.ave/test/text")
    assert list(hypotheses) == list(tiny.SECONDS)
    if last == "13":
        reference = "exp/asr_tiny/decode_asr_model_valid.loss.ave/test/score_wer/ref.trn"
        # A line that something printed to standard output would stand above the texts.
        texts = [line.split("\t")[0] for line in Path(reference).read_text().splitlines()]
        assert texts == list(read_table("dump/raw/test/text").values())
