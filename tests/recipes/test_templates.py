"""units.sh, asr.sh and st.sh in a recipe whose commands only note their arguments."""

import subprocess
from pathlib import Path

import pytest

TEMPLATE = Path(__file__).resolve().parents[2] / "egs2" / "TEMPLATE"
MODEL_SETS = "--train_set train --valid_set dev --test_sets test".split()
SETS = {
    "units.sh": "--train_sets train --lm_valid_sets dev --calibration_set dev".split(),
    "asr.sh": MODEL_SETS,
    "st.sh": [*MODEL_SETS, "--src_lang", "en", "--tgt_lang", "es"],
}
DATA_SH = """#!/bin/sh
echo "data.sh $*" >>ran
for set in train dev test; do mkdir -p "$2/$set" && touch "$2/$set/wav.scp"; done
"""
PYTHON = """#!/bin/sh
echo "$@" >>ran
case "$*" in *plot_utterance*"--segmenter global"*) exit 1 ;; esac
"""


@pytest.fixture
def recipe(tmp_path):
    """Run a script of the templates: name, options. What it started stands in `ran`."""
    (tmp_path / "local").mkdir()
    for name, text in (("local/data.sh", DATA_SH), ("python", PYTHON)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "utils").symlink_to(TEMPLATE / "utils")
    (tmp_path / "path.sh").write_text("use_jobs() { OMP_NUM_THREADS=1; }\n")
    (tmp_path / "cmd.sh").write_text("train_cmd=true cuda_cmd=true decode_cmd=true\n")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/config.yaml").write_text("frame_shift_sec: 0.02\n")

    def recipe(script, *options):
        folder = TEMPLATE / f"{script.removesuffix('.sh')}1"
        command = ["bash", folder / script, *SETS[script], "--python", "./python", *options]
        (tmp_path / "ran").write_text("")
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        result.ran = (tmp_path / "ran").read_text().splitlines()
        return result

    return recipe


@pytest.mark.parametrize("script", SETS)
@pytest.mark.parametrize("option", ["--stage", "--nj", "--num_shards"])
def test_numbers_are_checked(recipe, script, option):
    result = recipe(script, option, "2b")
    assert result.returncode == 2 and result.ran == []
    assert f"option '{option}' is a whole number, not '2b'" in result.stderr


@pytest.mark.parametrize("script", SETS)
def test_data_are_known_by_what_they_are(recipe, script):
    def ran(*options):
        result = recipe(script, "--stop_stage", "1", *options)
        assert result.returncode == 0, result.stderr
        return result.ran

    source = ("--source_args", "--data_dir /copy")
    assert ran("--local_data_opts", "--few true", *source) == [
        "data.sh --output data --few true --data_dir /copy"
    ]
    assert ran("--local_data_opts", "--few true") == []
    assert ran("--local_data_opts", "") == ["data.sh --output data"]
    # The same sets in another folder may be others.
    assert ran("--datadir", "data2") == ["data.sh --output data2"]
    assert ran() == ["data.sh --output data"]


def test_calibration_takes_the_frame_rate_of_the_codebook(recipe, tmp_path):
    (tmp_path / "exp/codebook").mkdir(parents=True)
    (tmp_path / "exp/codebook/config.yaml").write_text("dim: 4\nframe_shift_sec: 0.03\n")
    result = recipe("units.sh", "--stage", "5", "--stop_stage", "5")
    assert result.returncode == 0, result.stderr
    words = result.ran[-1].split()
    assert words[1] == "espnet_entropy.bin.calibrate"
    assert float(words[words.index("--frame_rate") + 1]) == 1 / 0.03


def test_a_picture_that_cannot_be_drawn_is_left_out(recipe, tmp_path):
    old = tmp_path / "exp/segments/utterance_global.png"
    old.parent.mkdir(parents=True)
    old.touch()
    result = recipe("units.sh", "--stage", "6")
    assert result.returncode == 0 and "no exp/segments/utterance_global.png" in result.stderr
    assert not old.exists()
    commands = [line.split()[1].rpartition(".")[2] for line in result.ran]
    assert commands[:3] == ["report_segments", "plot_utterance", "plot_utterance"]
    assert commands[3:] == ["bundle", "bundle", "plot_bundle", "report"]


REPORTS = {
    "units.sh": ("exp", "report.html", ("--stage", "7")),
    "asr.sh": (
        "exp/asr_small",
        "report.html",
        ("--stage", "13", "--asr_tag", "small", "--inference_tag", "decode"),
    ),
    "st.sh": (
        "exp/st_small",
        "report_decode_7hz.html",
        ("--stage", "13", "--st_tag", "small", "--inference_rate", "7"),
    ),
}


@pytest.mark.parametrize("script", REPORTS)
def test_the_last_stage_is_a_report(recipe, tmp_path, script):
    folder, name, options = REPORTS[script]
    result = recipe(
        script,
        *options,
        "--lm_args" if script == "units.sh" else f"--{script[:-3]}_args",
        "--lr 1 it's",
    )
    assert result.returncode == 0, result.stderr
    line = next(line for line in result.ran if "bin.report " in line)
    words = line.split()
    assert words[2] == script[:-3]
    assert words[words.index("--output") + 1] == f"{folder}/{name}"
    # The call as a shell would take it again.
    assert "_args '--lr 1 it'\\''s' --output" in line
    assert f"stage {options[1]}: report: {folder}/{name}, " in result.stdout
    # All markers of the stages before are there, under their names.
    stages = words[words.index("--stages") + 1 : words.index("--logs")]
    made = {path.stem for path in (tmp_path / "exp/.stages").glob("*.done")} - {"report"}
    assert {name for name in made if not name.startswith("report_")} <= set(stages)
    # It is finished with its file, and goes before nothing that was.
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    (tmp_path / folder / name).touch()
    assert [line for line in recipe(script, *options).ran if ".report " in line] == []


def test_sets_with_groups_are_scored_by_group(recipe, tmp_path):
    (tmp_path / "data/test").mkdir(parents=True)
    (tmp_path / "data/test/utt2groups").write_text("a child\n")
    result = recipe("asr.sh", "--stage", "13", "--eval_valid_set", "true")
    groups = [
        line.partition("--groups ")[2].split()[:1] for line in result.ran if ".score " in line
    ]
    assert groups == [[], ["data/test/utt2groups"]], result.stderr


@pytest.mark.parametrize("script", ["asr.sh", "st.sh"])
def test_a_missing_bundle_is_named_where_it_is_needed(recipe, script):
    result = recipe(script, "--bundle", "/nope/bundle")
    assert result.returncode == 2 and result.ran == []
    assert "/nope/bundle is none: run a units1 recipe first" in result.stderr
    assert recipe(script, "--bundle", "/nope/bundle", "--stop_stage", "1").returncode == 0


@pytest.mark.parametrize(
    "script, options, first",
    [
        ("asr.sh", "--stage 5", "5: token list"),
        ("asr.sh", "--skip_data_prep true", "6: statistics of the text language model"),
        ("asr.sh", "--skip_data_prep true --use_lm false", "10: statistics"),
        ("st.sh", "--stage 5", "5: pairs of en-es"),
        ("st.sh", "--skip_data_prep true", "10: statistics"),
        ("st.sh", "--stage 11", "11: training"),
        ("asr.sh", "--stage 11", "11: training"),
        ("asr.sh", "--stage 10 --skip_train true", "12: decoding"),
        ("asr.sh", "--stage 14 --skip_packing false", "14: packing"),
        ("asr.sh", "--stage 14 --skip_export false", "16: vectors as features"),
    ],
)
def test_stages_have_the_numbers_of_espnet(recipe, script, options, first):
    result = recipe(script, "--bundle", "bundle", *options.split())
    ran = [line for line in result.stdout.splitlines() if line.startswith("stage ")]
    assert ran[:1] == [f"stage {first}"], result.stderr


def test_training_utterances_are_filtered_by_length(recipe, tmp_path):
    (tmp_path / "dump/raw/train").mkdir(parents=True)
    lengths = "a 4\nb 5\nc 1000\nd 1001\n"
    (tmp_path / "dump/raw/train/utt2num_samples").write_text(lengths)
    recipe("asr.sh", "--bundle", "bundle", "--stage", "4", "--stop_stage", "4")
    kept = (tmp_path / "dump/kept/train/utt2num_samples").read_text()
    assert kept == "b 5\nc 1000\n"
    # Statistics of other durations than those that they belong to would go into the training.
    words = ["--bundle", "bundle", "--stage", "10", "--use_lm", "false", "--max_wav_duration", "1"]
    result = recipe("asr.sh", *words)
    assert result.returncode != 0 and "was made with other durations" in result.stderr


@pytest.mark.parametrize("script", ["asr.sh", "st.sh"])
def test_stages_that_are_left_out_by_default_are_named(recipe, script):
    for options in (["--stage", "14"], ["--stage", "12", "--skip_eval", "true"]):
        result = recipe(script, "--bundle", "bundle", *options)
        assert result.returncode == 2 and "runs no stage" in result.stderr
        assert "stage 14 needs --skip_packing false" in result.stderr


@pytest.mark.parametrize(
    "option, new",
    [
        ("--data_args", "--local_data_opts"),
        ("--max_train_frames", "--max_wav_duration, in seconds"),
    ],
)
def test_a_former_name_of_an_option_gives_its_new_name(recipe, option, new):
    result = recipe("asr.sh", option, "1")
    assert result.returncode == 2 and result.ran == []
    assert f"option '{option}' has been renamed: use {new}\n" in result.stderr


def test_markers_of_other_stages_are_not_taken(recipe, tmp_path):
    """In an exp of the former numbering, 5 was training, and its marker was train_TAG."""
    (tmp_path / "exp/.stages").mkdir(parents=True)
    for number in range(1, 9):
        (tmp_path / f"exp/.stages/stage{number}.done").write_text("key\n\n1 s\nhash\n")
    result = recipe("asr.sh", "--bundle", "bundle", "--stage", "5", "--use_lm", "false")
    assert "done before" not in result.stdout and "stage 5: token list\n" in result.stdout


@pytest.mark.parametrize("option, value", [("--tgt_lang", ""), ("--src_lang", "EN/../x")])
def test_languages_are_names_of_files(recipe, option, value):
    result = recipe("st.sh", option, value)
    assert result.returncode == 2 and result.ran == []
    assert f"{option} is a language such as en, not '{value}'" in result.stderr


LEARNING = ("asr.sh", "st.sh")


def write_texts(folder, texts):
    """data/SET of the sets in `texts`, whose local/data.sh writes wav.scp."""
    for name, text in texts.items():
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
        (folder / "data" / name / "text").write_text(text)


@pytest.mark.parametrize("script", LEARNING)
def test_utterances_without_words_are_named_in_stage_1(recipe, tmp_path, script):
    texts = {"train": "a one\nb\nc  \nd two\n", "dev": "e \nf one\n", "test": "g\nh one\n"}
    write_texts(tmp_path, texts)
    for _ in range(2):  # also after stage 1 has finished
        result = recipe(script, "--stop_stage", "1")
        assert result.returncode != 0
        assert "data/train/text: 2 utterances have no words: b c" in result.stderr
        assert "data/dev/text: 1 utterances have no words: e" in result.stderr
        assert "--skip_empty_text true" in result.stderr
        # Words that are recognised in a test utterance without words are insertions.
        assert "data/test/text" not in result.stderr
    assert recipe(script, "--stop_stage", "1", "--skip_empty_text", "true").returncode == 0
    write_texts(tmp_path, {"train": "a one\n", "dev": "f one\n"})
    assert recipe(script, "--stop_stage", "1").returncode == 0


@pytest.mark.parametrize("script", LEARNING)
@pytest.mark.parametrize("factors", ["0.9 x", "3", "0.9 0", "1e-1", "0.9,1.00001"])
def test_speed_factors_are_checked_before_stage_1(recipe, script, factors):
    result = recipe(script, "--stop_stage", "1", "--speed_perturb_factors", factors)
    assert result.returncode == 2 and result.ran == []
    bad = factors.replace(",", " ").split()[-1]
    assert f"'{bad}' is not a number from 0.5 to 2" in result.stderr


@pytest.mark.parametrize("script", LEARNING)
def test_a_recipe_without_speed_perturbation_says_so_before_stage_1(recipe, script):
    result = recipe(script, "--stop_stage", "1", "--speed_perturb_factors", "0.9")
    assert result.returncode == 2 and result.ran == []
    assert "needs local/perturb_speed.py, which this recipe lacks" in result.stderr


@pytest.mark.parametrize(
    "factors, chosen",
    [
        ("0.9 1.0 1.1", "0.9 1.1"),
        ("0.9  1.1", "0.9 1.1"),
        (" 1.1,0.90 0.9 1", "1.1 0.90"),
        ("1.0", ""),
        ("", ""),
    ],
)
def test_speed_factors_may_have_espnets_form(tmp_path, factors, chosen):
    (tmp_path / "local").mkdir()
    (tmp_path / "local/perturb_speed.py").touch()
    script = (
        f". {TEMPLATE}/utils/data_stages.sh\nspeed_perturb_factors=$1\nchoose_factors\n"
        'echo "$speed_perturb_factors"'
    )
    command = ["bash", "-c", f"set -euo pipefail\n{script}", "x", factors]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == f"{chosen}\n", result.stderr
