"""Scripts of egs2/core_sounds: data.sh, fetch_model.sh, demo.sh, results."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

soundfile = pytest.importorskip("soundfile")

RECIPE = Path(__file__).resolve().parents[2] / "egs2/core_sounds"
LOCAL = RECIPE / "units1/local"


def test_the_demo_needs_no_folder_for_temporary_files(tmp_path):
    for name in ("units1", "asr1"):
        (tmp_path / "core_sounds" / name / "local").mkdir(parents=True)
        script = tmp_path / "core_sounds" / name / "run.sh"
        script.write_text(f"#!/bin/sh\necho stage of {name}\n")
        script.chmod(0o755)
    (tmp_path / "core_sounds/units1/exp/reduced/segments").mkdir(parents=True)
    (tmp_path / "core_sounds/asr1/path.sh").write_text("python() { :; }\n")
    (tmp_path / "TEMPLATE").symlink_to(RECIPE.parent / "TEMPLATE")
    (tmp_path / "core_sounds/demo.sh").write_text((RECIPE / "demo.sh").read_text())
    result = subprocess.run(
        ["bash", tmp_path / "core_sounds/demo.sh", "--reduced", "true"],
        env=os.environ | {"TMPDIR": "/nope"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    log = tmp_path / "core_sounds/asr1/exp/reduced/demo_log/units1.txt"
    assert log.read_text() == "stage of units1\n"


def test_no_script_needs_a_folder_for_temporary_files():
    """Scripts call `mktemp` beside their output, since TMPDIR may be full or missing."""
    found = subprocess.check_output(
        ["git", "grep", "-h", "mktemp", "--", "*.sh"], cwd=RECIPE.parents[1], text=True
    )
    calls = [line for line in found.splitlines() if "$(mktemp" in line]
    assert calls and all('mktemp -d "${' in line and "TMPDIR" not in line for line in calls)


def test_data_sh_names_what_is_missing(tmp_path):
    (tmp_path / "empty").mkdir()
    script = LOCAL / "data.sh"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    result = subprocess.run(
        [script, "--data_dir", "empty", "--langs", "en"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode != 0
    assert "asterisk-core-sounds-en-g722" in result.stderr and "--data_dir" in result.stderr
    result = subprocess.run(
        [script, "--lang", "en"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2 and "unknown option --lang" in result.stderr


def test_fetch_model_refuses_a_changed_copy(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (copy / name).write_text("changed")
    result = subprocess.run(
        [LOCAL / "fetch_model.sh", tmp_path / "model", "--model_dir", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "config.json has sha256" in result.stderr and "--model_dir" in result.stderr
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob("model.partial*"))


@pytest.mark.parametrize(
    "recipe, script", [("units1", "units.sh"), ("asr1", "asr.sh"), ("st1", "st.sh")]
)
def test_folders_at_hand_are_relative_to_the_caller(tmp_path, recipe, script):
    folder = tmp_path / recipe
    folder.mkdir()
    (folder / "run.sh").write_text((RECIPE / recipe / "run.sh").read_text())
    (folder / "utils").symlink_to(RECIPE / recipe / "utils")
    (folder / script).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / script).chmod(0o755)
    command = ["bash", f"{recipe}/run.sh", "--data_dir", "sounds", "--nj", "1"]
    run = dict(cwd=tmp_path, capture_output=True, text=True)
    result = subprocess.run(command, **run)
    lines = result.stdout.splitlines()
    # Apart from the options that decide which data they are.
    assert lines[lines.index("--local_data_opts") + 1].strip() == ""
    assert lines[lines.index("--source_args") + 1].strip() == f"--data_dir {tmp_path}/sounds"
    assert lines[-2:] == ["--nj", "1"]
    command[3] = "my sounds"
    result = subprocess.run(command, **run, timeout=20)
    assert result.returncode == 2 and "split at spaces" in result.stderr


@pytest.mark.parametrize(
    "script, option",
    [
        ("units1/run.sh", "--reduced"),
        ("asr1/run.sh", "--reduced"),
        ("st1/run.sh", "--reduced"),
        ("units1/local/data.sh", "--reduced"),
        ("units1/local/data.sh", "--skip_checksums"),
    ],
)
def test_switches_are_true_or_false(tmp_path, script, option):
    # A copy alone: where it does not refuse, there is no recipe that it could start.
    (tmp_path / "script.sh").write_text((RECIPE / script).read_text())
    (tmp_path / "utils").symlink_to(RECIPE / "asr1/utils")
    result = subprocess.run(
        ["bash", "script.sh", "--data_dir", "none", option, "True"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert result.returncode == 2
    assert f"{option} is true or false, not 'True'" in result.stderr


@pytest.mark.parametrize("absolute", [False, True])
def test_data_are_linked_from_units1(tmp_path, absolute):
    for recipe in ("units1", "asr1"):
        (tmp_path / recipe / "local").mkdir(parents=True)
    data_sh = tmp_path / "units1/local/data.sh"
    data_sh.write_text('#!/bin/sh\nmkdir -p "$2" && if [ -n "$4" ]; then mkdir "$2/$4"; fi\n')
    data_sh.chmod(0o755)
    output = tmp_path / "elsewhere" if absolute else Path("data")
    for name in ("", "train_en"):
        command = ["bash", RECIPE / "asr1/local/data.sh", "--output", output, "--set", name]
        subprocess.run(command, cwd=tmp_path / "asr1", check=True)
        found = [p.name for p in tmp_path.rglob("*") if p.is_symlink()]
        assert found == ([name] if name and not absolute else [])


@pytest.fixture(scope="module")
def results():
    """The modules that write RESULTS.md, by name."""
    names = ("write_demo", "write_any_rate")
    sys.path.insert(0, str(RECIPE / "asr1/local"))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.pop(0)
    for name in names:
        sys.modules.pop(name)


def add_model(expdir, system, seed, dev, test):
    """A trained and scored model, as far as the tables look at it."""
    model = expdir / f"asr_rates_{system}_seed{seed}"
    model.mkdir(parents=True)
    (model / "config.yaml").write_text(f"max_epoch: 8\nseed: {seed}\n")
    for name, percent in (("dev", dev), ("test", test)):
        rate = {"percent": percent, "low": percent - 3, "high": percent + 3}
        (model / f"decode_{name}").mkdir()
        score = json.dumps({"wer": rate, "cer": rate})
        (model / f"decode_{name}/score.json").write_text(score)
    return model


def test_table_of_one_model_for_many_rates(results, tmp_path):
    for seed, wer in enumerate([40, 42]):
        add_model(tmp_path, "dp15", seed, wer, wer + 1)
        model = add_model(tmp_path, "anyrate", seed, 0, 0)
        for name in ("dev", "test"):
            (model / f"decode_{name}").rename(model / f"decode_15hz_{name}")
    arguments = "--rates 15 7 --seeds 0 1 --sets dev test --command ./run_any_rate.sh".split()
    arguments += ["--expdir", str(tmp_path), "--output", str(tmp_path / "R.md")]
    results["write_any_rate"].main(arguments)
    text = (tmp_path / "R.md").read_text()
    assert "`./run_any_rate.sh`, commit " in text and "seeds 0 1, 8 epochs" in text
    own = "41.0 ± 1.4 | 41.0 ± 1.4 | 42.0 ± 1.4 | 42.0 ± 1.4"
    assert f"| 15 | one for this rate | 2 | {own} |" in text
    assert "| 15 | one for all rates | 2 | 0.0 ± 0.0 |" in text
    assert "| 7 | one for all rates | not run |" in text


SWEEP = RECIPE.parent / "TEMPLATE/utils/sweep.sh"


@pytest.mark.parametrize(
    "system, conf",
    [
        ("dp24", "segmenter=dp on_change=false rate=24"),
        ("uniform15", "segmenter=uniform on_change=false rate=15"),
        ("global7", "segmenter=global on_change=false rate=7"),
        ("onchange15", "segmenter=global on_change=true rate=15"),
        ("anyrate", "segmenter=dp on_change=false rate=15 rate_range=[7,50]"),
    ],
)
def test_systems_of_the_comparison(system, conf):
    command = ["bash", "-c", f'. {SWEEP}\nfrontend_conf "$1"', "x"]
    result = subprocess.run([*command, system], capture_output=True, text=True)
    assert result.stdout == conf + "\n"
    result = subprocess.run([*command, f"no{system}"], capture_output=True, text=True)
    assert result.returncode == 1 and f"no system 'no{system}'" in result.stderr


def test_changes_of_a_system_follow_its_name():
    command = ["bash", "-c", f'. {SWEEP}\nfrontend_conf "$1"', "x"]
    for change, conf in {
        "mean": "aggregator=mean aggregator_conf={}",
        "lead2+durations": "lead=2 durations=true",
    }.items():
        result = subprocess.run([*command, f"dp7+{change}"], capture_output=True, text=True)
        assert result.stdout.split() == f"segmenter=dp on_change=false rate=7 {conf}".split()
    result = subprocess.run([*command, "dp7+mean+lead"], capture_output=True, text=True)
    assert result.returncode == 1 and "no change 'lead' in system 'dp7+mean+lead'" in result.stderr


@pytest.mark.parametrize("system, aggregator", [("dp15", "cale"), ("dp15+mean", "mean")])
def test_systems_have_cale_where_their_name_says_nothing(tmp_path, system, aggregator):
    """Whatever conf/train_asr.yaml has; the last value of an option counts."""
    for name in ("run_rates.sh", "utils"):
        (tmp_path / name).symlink_to(RECIPE / "asr1" / name)
    (tmp_path / "run.sh").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "run.sh").chmod(0o755)
    command = ["bash", "run_rates.sh", "--job", "1", "--systems", system]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    lines = result.stdout.splitlines()
    args = lines[lines.index("--asr_args") + 1].split()
    values = [arg for arg in args if arg.startswith("aggregator=")]
    assert values[-1] == f"aggregator={aggregator}"
    layers = args.index("aggregator_conf.num_layers=2")
    assert ("aggregator_conf={}" in args[layers:]) == (aggregator == "mean")


SWEPT = f"""
. {SWEEP}
systems="dense dp15" seeds="0 1" parallel=1 expdir=exp report_only=false job=
while [ $# -gt 0 ]; do printf -v "${{1#--}}" %s "$2" && shift 2; done
sweep_times=2
first_job() {{ echo "first $*" >>ran; }}
run_job() {{ echo "job $*" >>ran; }}
run_sweep
echo after >>ran
"""


def test_each_system_runs_with_each_seed(tmp_path):
    (tmp_path / "utils").symlink_to(SWEEP.parent)
    (tmp_path / "path.sh").touch()
    (tmp_path / "run.sh").write_text(f"#!/usr/bin/env bash\nset -euo pipefail\n{SWEPT}")
    (tmp_path / "run.sh").chmod(0o755)
    subprocess.run(["./run.sh"], cwd=tmp_path, check=True, timeout=60)
    one_language = ["dense 0", "dp15 0", "dense 1", "dp15 1"]
    assert (tmp_path / "ran").read_text().splitlines() == [
        "first dense 0",
        *(f"job {run} {number}" for number, run in enumerate(2 * one_language, 1)),
        "after",
    ]


def test_a_command_is_told_as_it_was_typed():
    script = f'. {SWEEP}\ncommand_of ./run.sh "$@"'
    words = ["--seeds", "0 1", "--report_only", "true", "--parallel", "2"]
    result = subprocess.run(["bash", "-c", script, "x", *words], capture_output=True, text=True)
    assert result.stdout == './run.sh --seeds "0 1" --parallel 2\n'


def test_block_of_the_demo(results, monkeypatch, tmp_path):
    monkeypatch.setattr(results["write_demo"], "reached_rate_hz", lambda *_: 15.04)
    model = add_model(tmp_path, "dp15", 0, 40, 41)
    log = tmp_path / "units1.txt"
    log.write_text(
        "stage 1: data\nprepare_data.py: 4 utterances\nstage 1: data: done before, 9 s\n"
        "stage 2: codebook\nstage 2: codebook: 200 units: all, 2 min 3 s\n"
    )
    command = ["--model", str(model), "--logs", str(log), "--sets", "dev", "test"]
    command += ["--train_set", "train", "--output", str(tmp_path / "R.md")]
    results["write_demo"].main([*command, "--command", "egs2/core_sounds/demo.sh"])
    text = (tmp_path / "R.md").read_text()
    for line in (
        "| train |  |  | 15.04 |",
        "| test | 41.0 (38.0 to 44.0) | 41.0 (38.0 to 44.0) | 15.04 |",
        "| units1 1 data | 0 min 9 s |",
        "| units1 2 codebook | 2 min 3 s |",
        "| all | 2 min 12 s |",
    ):
        assert line in text
    assert "seed 0, 8 epochs" in text
