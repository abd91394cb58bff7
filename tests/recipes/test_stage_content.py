"""content.sh and training.sh: keys of the stages' input, and continued trainings."""

import os
from pathlib import Path

import pytest
from test_scripts import UTILS, bash, ran

SOURCED = f"""
stage=1
stop_stage=9
force=false
retrain=false
marker_dir=.stages
epochs=3
lr=1
. {UTILS}/parse_options.sh
. {UTILS}/stage.sh
"""
READING = f"""{SOURCED}
made() {{ echo made >>ran; tr a-z A-Z <table >product; }}
used() {{ echo used >>ran; touch model/checkpoint.pth; }}
stages() {{
    run_stage 1 made made --reads table --makes product
    run_stage 2 used used --uses product --reads other --training model
}}
check_trainings stages
stages
"""


@pytest.fixture(autouse=True)
def other(tmp_path):
    """Change the file that the second stage of READING reads besides that of the first."""
    (tmp_path / "other").write_text("other")


def test_a_corrected_table_runs_the_stages_that_read_it(tmp_path):
    (tmp_path / "table").write_text("a")
    assert bash(READING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["made", "used"]
    (tmp_path / "table").write_text("b")
    # The output of a stage is only known after it has run, so the training is refused after it.
    assert bash(READING, folder=tmp_path).returncode != 0
    assert ran(tmp_path) == ["made"]
    assert bash(READING, "--retrain", "true", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["used"]
    assert bash(READING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == []


def test_a_training_is_refused_before_its_data_are_replaced(tmp_path):
    script = READING.replace("--uses product", "--after stage1")
    (tmp_path / "table").write_text("a")
    bash(script, folder=tmp_path)
    (tmp_path / "table").write_text("b")
    ran(tmp_path)
    refused = bash(script, folder=tmp_path)
    assert refused.returncode != 0 and "or use --retrain true" in refused.stderr
    assert ran(tmp_path) == [] and (tmp_path / "product").read_text() == "A"
    # With the former content, everything is finished.
    (tmp_path / "table").write_text("a")
    assert bash(script, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == []


def test_stages_of_versions_without_content_keys_stay_finished(tmp_path):
    (tmp_path / "table").write_text("a")
    without = READING.replace("--reads table", "").replace("--uses product --reads other", "")
    bash(without, folder=tmp_path)
    ran(tmp_path)
    assert bash(READING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == []
    (tmp_path / "table").write_text("b")
    assert bash(READING, "--retrain", "true", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["made", "used"]
    (tmp_path / "other").write_text("c")
    assert bash(READING, folder=tmp_path).returncode != 0


def test_a_training_is_not_refused_for_data_that_will_be_made_again(tmp_path):
    script = READING.replace("--reads table", "").replace("--uses product", "--reads product")
    (tmp_path / "table").write_text("a")
    bash(script, folder=tmp_path)
    (tmp_path / "product").unlink()
    ran(tmp_path)
    assert bash(script, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["made"]


def test_a_skipped_stage_with_other_data_is_named(tmp_path):
    (tmp_path / "table").write_text("a")
    assert "warning" not in bash(READING, folder=tmp_path).stderr
    (tmp_path / "table").write_text("b")
    result = bash(READING, "--stage", "2", folder=tmp_path)
    assert "warning: this call skips stage 1 (made), which has run with other" in result.stderr


EPOCHS = f"""{SOURCED}
train() {{ touch model/checkpoint.pth; echo "$epochs" >>ran; test ! -e fail; }}
score() {{ echo score >>ran; }}
stages() {{
    run_stage 1 training train --training model --renamed_by --model_tag \\
        --options "$lr $epochs" --epochs "$epochs" --besides "$lr"
    run_stage 2 scoring score --after stage1
}}
check_trainings stages
stages
"""


def test_a_training_continues_for_more_epochs(tmp_path):
    assert bash(EPOCHS, folder=tmp_path).returncode == 0
    (tmp_path / "model/kept").touch()
    (tmp_path / "fail").touch()
    assert bash(EPOCHS, "--epochs", "5", folder=tmp_path).returncode != 0
    (tmp_path / "fail").unlink()
    assert bash(EPOCHS, "--epochs", "5", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["3", "score", "5", "5", "score"]
    assert (tmp_path / "model/kept").exists()
    assert bash(EPOCHS, "--epochs", "5", folder=tmp_path).returncode == 0
    fewer = bash(EPOCHS, folder=tmp_path)
    assert fewer.returncode != 0
    assert "model holds a training with --max_epoch 5, but this call has 3" in fewer.stderr
    assert "Give 5 or more, choose another --model_tag" in fewer.stderr
    other = bash(EPOCHS, "--epochs", "7", "--lr", "2", folder=tmp_path)
    assert other.returncode != 0 and "with other options or other data" in other.stderr
    assert ran(tmp_path) == [] and (tmp_path / "model/kept").exists()
    assert bash(EPOCHS, "--lr", "2", "--retrain", "true", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["3", "score"] and not (tmp_path / "model/kept").exists()


@pytest.mark.parametrize("per_epoch, goes_on", [("1", True), ("2", False), ("null", False)])
def test_a_schedule_that_ends_is_not_continued(tmp_path, per_epoch, goes_on):
    """OneCycleLR raises an error at the step after its last one."""
    bash(EPOCHS, folder=tmp_path)
    (tmp_path / "model/config.yaml").write_text(
        f"accum_grad: 1\nnum_iters_per_epoch: {per_epoch}\nscheduler_conf:\n    total_steps: 6\n"
    )
    result = bash(EPOCHS, "--epochs", "5", folder=tmp_path)
    assert (result.returncode == 0) == goes_on
    assert ("its learning rate schedule ends after the total_steps" in result.stderr) != goes_on


def test_a_training_of_an_older_version_continues_too(tmp_path):
    """A folder without `.epochs` gets the file at the first call with its own options."""
    before = EPOCHS.replace(' --epochs "$epochs" --besides "$lr"', "")
    bash(before, folder=tmp_path)
    assert not (tmp_path / "model/.epochs").exists()
    ran(tmp_path)
    assert bash(EPOCHS, folder=tmp_path).returncode == 0
    assert bash(EPOCHS, "--epochs", "4", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["4", "score"]


@pytest.mark.parametrize("checkpoint", ["checkpoint.pth", "checkpoint-1000steps.pkl"])
def test_vocoders_are_protected_like_other_trainings(tmp_path, checkpoint):
    script = EPOCHS.replace("checkpoint.pth", checkpoint)
    bash(script, folder=tmp_path)
    assert bash(script, "--lr", "2", folder=tmp_path).returncode != 0
    assert (tmp_path / "model" / checkpoint).exists()


@pytest.mark.parametrize(
    "config, args, epochs, rest",
    [
        ("", "", "40", ""),
        ("max_epoch: 8  # few\nlr: 1\n", "", "8", ""),
        ("max_epoch: 8\nlr: 1\n", "--max_epoch 12", "12", ""),
        ("lr: 1\n", "--lr 1  --max_epoch=3 --max_epoch 5 --b 2", "5", "--lr 1 --b 2"),
    ],
)
def test_epochs_are_separated_from_other_options(tmp_path, config, args, epochs, rest):
    (tmp_path / "x.yaml").write_text(config)
    script = f'stage=1\n. {UTILS}/stage.sh\n$1 x.yaml "$2"'
    assert bash(script, "epochs_of", args, folder=tmp_path).stdout == f"{epochs}\n"
    given = bash(script, "without_epochs", args, folder=tmp_path).stdout.splitlines()
    assert given[0] == rest
    (tmp_path / "x.yaml").write_text("".join(x for x in config.splitlines(True) if "max" not in x))
    assert bash(script, "without_epochs", "", folder=tmp_path).stdout.splitlines()[1] == given[1]


def state(folder: Path, *names: str) -> str:
    script = f'stage=1\n. {UTILS}/stage.sh\nstate_of_recordings "$@"'
    result = bash(script, *names, folder=folder)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return result.stdout


def test_a_recording_replaced_in_place_is_noticed(tmp_path):
    (tmp_path / "data").mkdir()
    paths = [tmp_path / f"it's {i}.wav" for i in range(1200)]
    for path in paths:
        path.write_text("x")
    table = "".join(f"utt{i}\t{path} \n" for i, path in enumerate(paths))
    (tmp_path / "data/wav.scp").write_text(table)
    before = state(tmp_path, "data")
    assert state(tmp_path, "data") == before
    paths[700].write_text("y")
    changed = state(tmp_path, "data")
    assert changed != before
    # The new file may have an older mtime.
    os.utime(paths[1], (1, 1))
    assert state(tmp_path, "data") != changed


def test_a_change_of_an_entrys_ark_is_noticed(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "a.ark").write_text("x")
    (tmp_path / "data/wav.scp").write_text("utt a.ark:12\n")
    before = state(tmp_path, "data")
    (tmp_path / "a.ark").write_text("xy")
    assert state(tmp_path, "data") != before


def test_a_set_with_changed_recordings_is_dumped_again(tmp_path):
    script = f'stage=1\n. {UTILS}/stage.sh\nforce=false\nbegin_set set key wav.scp "$1"'
    assert bash(script, "one", folder=tmp_path).returncode == 0
    (tmp_path / "set/shards").mkdir()
    for name in ("wav.scp", ".content", "text"):
        (tmp_path / "set" / name).touch()
    bash(script, "one", folder=tmp_path)
    assert (tmp_path / "set/wav.scp").exists()
    bash(script, "two", folder=tmp_path)
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == [
        ".key",
        ".recordings",
        "shards",
        "text",
    ]


DUMPING = f"""{SOURCED}
train_set=train original_set=train valid_set=dev datadir=data dumpdir=dump bundle=bundle
num_shards=1 max_failed_utts=0 skip_empty_text=false ngpu=0
train_cmd=true
use_jobs() {{ :; }}
. {UTILS}/jobs.sh
. {UTILS}/model_stages.sh
dump_sets() {{ echo "dump$4" >>ran; _make $4; }}
over_sets() {{ echo "merge$3" >>ran; _make $3; }}
_make() {{
    for set in "$@"; do
        mkdir -p dump/raw/$set/shards
        cp data/$set/text data/$set/wav.scp dump/raw/$set
        cat "$(cut -d ' ' -f 2 data/$set/wav.scp)" >dump/raw/$set/shards/units.1.ark
    done
}}
read_text() {{ echo read >>ran; }}
read_units() {{ echo used >>ran; }}
stages() {{
    local files uses
    run_training_dump
    files_of --uses dump/raw/train/text
    run_stage 3 tokens read_text "${{files[@]}}"
    contents_of dump/raw train dev
    run_stage 4 training read_units "${{uses[@]}}" --marker lengths
}}
check_trainings stages
stages
"""


@pytest.fixture
def data(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/config.yaml").write_text("num_units: 4\n")
    for name in ("train", "dev"):
        folder = tmp_path / "data" / name
        folder.mkdir(parents=True)
        (folder / "a.wav").write_text("sound")
        (folder / "wav.scp").write_text(f"a {folder}/a.wav\n")
        (folder / "text").write_text("a one\n")
        (folder / "utt2spk").write_text("a a\n")
    assert bash(DUMPING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["dump", "train", "dev", "read", "used"]
    assert bash(DUMPING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == []
    return tmp_path / "data"


def test_a_corrected_transcript_only_renews_the_texts_of_the_dump(data):
    (data / "train/text").write_text("a two\n")
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["merge", "train", "read"]
    assert (data.parent / "dump/raw/train/text").read_text() == "a two\n"
    (data / "train/utt2spk").write_text("a b\n")
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["merge", "train"]


def test_a_corrected_entry_of_wav_scp_dumps_its_set_again(data):
    (data / "dev/b.wav").write_text("other sound")
    (data / "dev/wav.scp").write_text(f"a {data}/dev/b.wav\n")
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["dump", "dev", "used"]


def test_a_recording_replaced_in_place_dumps_its_set_again(data):
    (data / "train/a.wav").write_text("noise")
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["dump", "train", "used"]
    # A recording that was only touched gives the same units.
    os.utime(data / "train/a.wav", (1, 1))
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["dump", "train"]


def test_a_dump_of_an_older_version_is_kept_and_compared_from_then_on(data):
    for name in (".recordings", ".texts", ".content"):
        (data.parent / "dump/raw/train" / name).unlink()
    for notes in (data.parent / ".stages").glob("*.contents"):
        notes.unlink()
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == []
    (data / "train/a.wav").write_text("noise")
    assert bash(DUMPING, folder=data.parent).returncode == 0
    assert ran(data.parent) == ["dump", "train", "used"]
