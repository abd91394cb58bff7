"""parse_options.sh, stage.sh and path.sh, as the recipes' scripts use them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

UTILS = Path(__file__).parents[2] / "egs2" / "TEMPLATE" / "utils"


def bash(script, *arguments, folder, **environment):
    """Run a script with `set -euo pipefail`; its name is `script.sh`."""
    path = folder / "script.sh"
    path.write_text(f"set -euo pipefail\n{script}\n")
    return subprocess.run(
        ["bash", str(path), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environment},
    )


OPTIONS = f"""
stage=1
train_sets="a b"
force=false
print_help() {{ echo "usage: me, stage ${{stage}}"; }}
. {UTILS}/parse_options.sh
echo "stage=$stage sets=$train_sets force=$force rest=$*"
"""


@pytest.mark.parametrize(
    "arguments, expected",
    [
        ([], "stage=1 sets=a b force=false rest="),
        (["--stage", "3"], "stage=3 sets=a b force=false rest="),
        (["--train_sets", "x y"], "stage=1 sets=x y force=false rest="),
        (["--train-sets", ""], "stage=1 sets= force=false rest="),
        (["one", "--force", "true", "two"], "stage=1 sets=a b force=true rest=one two"),
    ],
)
def test_options_override_variables(tmp_path, arguments, expected):
    result = bash(OPTIONS, *arguments, folder=tmp_path)
    assert result.stdout.rstrip("\n") == expected, result.stderr


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--stages", "3"], "unknown option '--stages'"),
        (["--stage"], "needs a value"),
        (["--PATH", "x"], "unknown option"),
        (["--force", "yes"], "is true or false, not 'yes'"),
        (["--a;b", "x"], "unknown option"),
    ],
)
def test_bad_options_are_named(tmp_path, arguments, message):
    result = bash(OPTIONS, *arguments, folder=tmp_path)
    assert result.returncode == 2 and message in result.stderr
    assert result.stdout == ""


def test_help(tmp_path):
    result = bash(OPTIONS, "--stage", "3", "--help", folder=tmp_path)
    assert result.returncode == 0 and result.stdout == "usage: me, stage 3\n"


STAGES = f"""
stage=1
stop_stage=9
force=false
option=x
marker_dir=exp/.stages
. {UTILS}/parse_options.sh
. {UTILS}/stage.sh
first() {{ fresh work; echo first >>ran; echo "$option" >>work/done; }}
second() {{ echo second >>ran; test ! -e fail; stage_summary "two things"; }}
run_stage 1 one first --options "$option" --makes work/done
run_stage 2 two second --after stage1
"""


def ran(folder):
    path = folder / "ran"
    words = path.read_text().split() if path.exists() else []
    path.unlink(missing_ok=True)
    return words


def test_finished_stages_are_skipped(tmp_path):
    first = bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == ["first", "second"]
    assert re.search(r"^stage 2: two: two things, \d+ s$", first.stdout, re.MULTILINE)
    second = bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == []
    assert re.search(r"^stage 1: one: done before, \d+ s$", second.stdout, re.MULTILINE)


def test_changed_options_run_the_stage_and_those_after_it(tmp_path):
    bash(STAGES, folder=tmp_path)
    ran(tmp_path)
    bash(STAGES, "--option", "y", folder=tmp_path)
    assert ran(tmp_path) == ["first", "second"]
    # The work under other options is gone.
    assert (tmp_path / "work" / "done").read_text() == "y\n"


def test_missing_products_are_made_again(tmp_path):
    bash(STAGES, folder=tmp_path)
    ran(tmp_path)
    (tmp_path / "work" / "done").unlink()
    bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == ["first"]
    # What comes out different counts for the stages after it, once.
    (tmp_path / "work" / "done").unlink()
    script = STAGES.replace("echo first", "echo new >work/done; echo first")
    assert bash(script, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["first", "second"]
    bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == []


def test_failed_stage_is_named_and_runs_again(tmp_path):
    (tmp_path / "fail").touch()
    result = bash(STAGES, folder=tmp_path)
    assert result.returncode != 0 and "stage 2 (two) failed" in result.stderr
    ran(tmp_path)
    (tmp_path / "fail").unlink()
    assert bash(STAGES, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["second"]


def test_stages_can_be_chosen_and_forced(tmp_path):
    bash(STAGES, folder=tmp_path)
    ran(tmp_path)
    bash(STAGES, "--stage", "2", "--stop_stage", "2", "--force", "true", folder=tmp_path)
    assert ran(tmp_path) == ["second"]


def test_a_forced_stage_counts_for_those_after_it(tmp_path):
    bash(STAGES, folder=tmp_path)
    bash(STAGES, "--stop_stage", "1", "--force", "true", folder=tmp_path)
    ran(tmp_path)
    bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == ["second"]
    # Also where the forced run was stopped and an unforced one has ended it.
    killed = STAGES.replace("echo first", "kill -9 $$; echo first")
    bash(killed, "--stop_stage", "1", "--force", "true", folder=tmp_path)
    bash(STAGES, folder=tmp_path)
    assert ran(tmp_path) == ["first", "second"]


def test_two_runs_at_once_do_not_work_on_one_stage(tmp_path):
    """A run that was killed counts as long as anything that it started is at work."""
    job = f"{sys.executable} {UTILS}/run.pl x.log echo \\$$ '>pid' ';' exec sleep 300"
    waiting = STAGES.replace(
        "echo first", f"{job} >out 2>&1 & until [ -s pid ]; do :; done; kill -9 $! $$"
    )
    bash(waiting, folder=tmp_path)
    sleeper = int((tmp_path / "pid").read_text())
    try:
        refused = bash(STAGES, folder=tmp_path)
        assert refused.returncode != 0 and "stage 1 (one) failed" in refused.stderr
        assert re.search(
            rf"at work in this stage: process \d+ on \S+ since .*processes {sleeper} ",
            refused.stderr,
        )
        assert ran(tmp_path) == []
    finally:
        os.kill(sleeper, 9)
    assert bash(STAGES, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["first", "second"]


def test_foreign_folder_is_not_touched(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine").touch()
    result = bash(STAGES, folder=tmp_path)
    assert (
        result.returncode != 0 and "work exists, but this recipe has not made it" in result.stderr
    )
    assert (tmp_path / "work" / "mine").exists()


def test_killed_anywhere_a_folder_is_absent_or_has_its_key(tmp_path):
    script = f'. {UTILS}/stage.sh\nfresh work "$1"'
    # Killed before its nth command.
    trap = "last=$2\ntrap '((++n != last)) || kill -9 $$' DEBUG"
    killed = f". {UTILS}/stage.sh\nset -T\nn=0\n{trap}\nfresh work $1"
    defaults = {"stage": "1", "stop_stage": "9", "force": "false", "stage_key": "x"}
    for n in range(1, 100):
        assert bash(script, "old", folder=tmp_path, **defaults).returncode == 0
        (tmp_path / "work" / "old").touch()
        ended = bash(killed, "new", str(n), folder=tmp_path, **defaults).returncode == 0
        result = bash(script, "new", folder=tmp_path, **defaults)
        assert result.returncode == 0, (n, result.stderr)
        assert (tmp_path / "work" / ".key").read_text() == "new\n"
        assert not (tmp_path / "work" / "old").exists()
        if ended:
            break
    assert ended and n > 10
    assert not list(tmp_path.glob("work.removed.*"))


TRAINING = f"""
stage=1
stop_stage=9
force=false
option=x
marker_dir=.stages
. {UTILS}/parse_options.sh
. {UTILS}/stage.sh
data() {{ fresh work; echo data >>ran; echo "$option" >work/data; }}
train() {{ touch model/checkpoint.pth; echo train >>ran; test ! -e fail; }}
stages() {{
    run_stage 1 data data --options "$option" --makes work/data
    run_stage 2 training train --after stage1 --training model --renamed_by --model_tag
    run_stage 3 scoring score --after stage2
}}
score() {{ echo score >>ran; }}
check_trainings stages
stages
"""


def test_training_goes_on_under_the_same_options_only(tmp_path):
    (tmp_path / "fail").touch()
    bash(TRAINING, folder=tmp_path)
    bash(TRAINING, folder=tmp_path)
    assert ran(tmp_path) == ["data", "train", "train"]
    refused = bash(TRAINING, "--option", "y", folder=tmp_path)
    assert refused.returncode != 0 and "model holds a training with other options" in refused.stderr
    assert "Choose another --model_tag" in refused.stderr
    # Before what it was trained on is gone.
    assert ran(tmp_path) == [] and (tmp_path / "work" / "data").read_text() == "x\n"
    (tmp_path / "fail").unlink()
    assert bash(TRAINING, "--option", "y", "--force", "true", folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["data", "train", "score"]


def test_former_options_find_all_as_it_was(tmp_path):
    bash(TRAINING, folder=tmp_path)
    ran(tmp_path)
    assert bash(TRAINING, "--option", "y", folder=tmp_path).returncode != 0
    assert bash(TRAINING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == []
    # Where the refusal could not be foreseen.
    assert bash(TRAINING, "--option", "y", "--stop_stage", "1", folder=tmp_path).returncode == 0
    assert bash(TRAINING, "--option", "y", "--stage", "2", folder=tmp_path).returncode != 0
    assert ran(tmp_path) == ["data"]
    assert bash(TRAINING, folder=tmp_path).returncode == 0
    assert ran(tmp_path) == ["data"]


def test_combine_sorts_bytewise_and_refuses_repeated_ids(tmp_path):
    (tmp_path / "a").write_text("b 1\nB 2\n")
    (tmp_path / "b").write_text("a-x 3\na 4\n")
    source = f"stage=1; . {UTILS}/stage.sh; "
    assert bash(source + "combine out a b", folder=tmp_path).returncode == 0
    assert (tmp_path / "out").read_text() == "B 2\na 4\na-x 3\nb 1\n"
    (tmp_path / "c").write_text("b\t1\nB\t2\n")
    result = bash(source + "combine twice a b c", folder=tmp_path)
    assert result.returncode != 0 and "occur more than once: B b" in result.stderr
    assert not (tmp_path / "twice").exists()


def test_keys_are_dealt_out_completely(tmp_path):
    (tmp_path / "scp").write_text("".join(f"u{i} x\n" for i in range(7)))
    source = f"stage=1; . {UTILS}/stage.sh; . {UTILS}/jobs.sh; split_keys scp 3 keys"
    assert bash(source, folder=tmp_path).returncode == 0
    parts = [(tmp_path / f"keys.{i}").read_text().split() for i in (1, 2, 3)]
    assert sorted(sum(parts, [])) == [f"u{i}" for i in range(7)]
    assert sorted(map(len, parts)) == [2, 2, 3]


def test_for_row_replaces_names(tmp_path):
    (tmp_path / "table").write_text("train 1\ndev 2\n")
    result = subprocess.run(
        [str(UTILS / "for_row.sh"), "table", "2", "echo", "dump/%set%/x.%shard% %set%"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.stdout == "dump/dev/x.2 dev\n"


DUMPING = f"""
train_cmd=fake nj=1 ngpu=0 num_shards=2 python=python OMP_NUM_THREADS=1
use_jobs() {{ :; }}
fake() {{ printf '%s ' "$@"; echo; }}
. {UTILS}/jobs.sh
dump_sets raw dump %set%/wav.scp "a b" --bundle "x y" -- --data %set%
"""


def test_dumping_and_merging_have_arguments_of_their_own(tmp_path):
    cut, dumped, merged = bash(DUMPING, folder=tmp_path).stdout.splitlines()
    assert cut.rstrip().endswith(
        "split_table --output raw/%set% --num_shards 2 --table %set%/wav.scp"
    )
    assert "--bundle x y --output raw/%set%" in dumped and "--data" not in dumped
    assert merged.rstrip().endswith("--num_shards 2 --expect %set%/wav.scp --data %set%")
    assert "--bundle" not in merged
    assert "JOB=1:2 " in cut and "JOB=1:4 " in dumped and "JOB=1:2 " in merged


def test_calibration_does_not_change_the_dump(tmp_path):
    script = f"bundle=.\n. {UTILS}/stage.sh\n. {UTILS}/model_stages.sh\ndump_key_of_bundle"
    keys = []
    for lm, calibration in (("1", "2"), ("1", "3"), ("4", "2")):
        (tmp_path / "config.yaml").write_text(
            f"files:\n  unit_lm.safetensors: {lm}\n  calibration.yaml: {calibration}\n"
        )
        keys.append(bash(script, folder=tmp_path).stdout)
    assert keys[0] == keys[1] != keys[2]
