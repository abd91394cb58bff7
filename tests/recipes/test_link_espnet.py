"""tools/link_espnet.sh on a tree of names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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
    assert "its path.sh ends with: ./path.sh: line 1: mine: command not found" in made.stderr


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
