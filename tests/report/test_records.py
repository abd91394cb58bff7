"""Markers, logs and tables of a recipe, read back."""

import os

import pytest

from espnet_entropy.report import records
from espnet_entropy.report.records import Command, Epoch, Stage


def log(path, command="python -m x", started="Wed Nov  4 09:00:00 2026", end=(0, 2.5)):
    text = f"# {command}\n# Started at {started}\n#\nwork\n"
    if end:
        text += f"# Ended (code {end[0]}) at {started}, elapsed time {end[1]} seconds\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_stages(tmp_path):
    (tmp_path / "stage1.done").write_text("key\n\n1 min 3 s\nhash\n")
    os.utime(tmp_path / "stage1.done", (0, 0))
    (tmp_path / "stage2.last").write_text("key\n\n4 s\nhash\n")
    (tmp_path / "other.done").write_text("key\n\n4 s\nhash\n")
    stages = records.read_stages(tmp_path, ["stage1", "stage2", "stage3"])
    assert [(s.name, s.state, s.took) for s in stages] == [
        ("stage1", "finished", "1 min 3 s"),
        ("stage2", "begun, not finished", ""),
        ("stage3", "not run", ""),
    ]
    assert stages[0].ended and not stages[1].ended
    assert records.read_stages(tmp_path / "none", ["a"]) == [Stage("a", "not run")]


def test_commands_in_the_order_they_started(tmp_path):
    log(tmp_path / "b/train.log", "python train", "Wed Nov 11 09:00:00 2026", (0, 60.0))
    log(tmp_path / "a/dump.1.log", "python dump 1", "Wed Nov  4 10:00:01 2026", (0, 2.0))
    log(tmp_path / "a/dump.2.log", "python dump 2", "Wed Nov  4 10:00:00 2026", (1, 3.0))
    log(tmp_path / "a/dump.10.log", "python dump 10", "Wed Nov  4 10:00:02 2026", None)
    (tmp_path / "a/notes.log").write_text("# not ours\n")
    found = records.read_commands([tmp_path / "b", tmp_path / "a", tmp_path / "none"])
    dump = "Wed Nov  4 10:00:00 2026"
    assert found == [
        Command(f"{tmp_path}/a/dump.*.log", "python dump 1", 3, 2, 5.0, dump),
        Command(f"{tmp_path}/b/train.log", "python train", 1, 0, 60.0, "Wed Nov 11 09:00:00 2026"),
    ]
    # A log that is named beside its folder counts once.
    again = records.read_commands([tmp_path / "b/train.log", tmp_path / "b"])
    assert [c.jobs for c in again] == [1]


def line(number, loss, valid):
    return (
        f"[vm] 2026-11-04 09:00:00,000 (trainer:394) INFO: {number}epoch results: [train] "
        f"iter_time=0.006, loss={loss}, optim0_lr0=4.356e-04, time=1 hour, 2 minutes and 3.5 "
        f"seconds, total_count=120, [valid] loss={valid}, cer=nan, acc=0.5, time=2 seconds, "
        "total_count=6, [att_plot] time=1 second, total_count=0\n"
    )


def test_epochs_of_a_resumed_training(tmp_path):
    (tmp_path / "train.2.log").write_text(line(1, 9, 9) + line(2, 3, 4))
    (tmp_path / "train.10.log").write_text(line(2, 2.5, "3.5e-1"))
    (tmp_path / "train.log").write_text("x\n" + line(3, 2, 3))
    epochs = records.read_epochs(tmp_path)
    assert [(e.number, e.train["loss"], e.valid["loss"]) for e in epochs] == [
        (1, 9, 9),
        (2, 2.5, 0.35),
        (3, 2, 3),
    ]
    assert epochs[0].valid["cer"] != epochs[0].valid["cer"]
    assert epochs[0].train == dict(iter_time=0.006, loss=9, optim0_lr0=4.356e-04, total_count=120)
    assert records.read_epochs(tmp_path / "none") == []


def test_an_epoch_without_validation(tmp_path):
    (tmp_path / "train.log").write_text("INFO: 1epoch results: [train] loss=2.000\n")
    assert records.read_epochs(tmp_path) == [Epoch(1, {"loss": 2.0}, {})]


@pytest.mark.parametrize("rule", ["|---|---:|", "| --- | :-: |"])
def test_markdown_tables(rule):
    text = f"# T\n\n| a | b |\n{rule}\n| **x** | 1 ± 2 |\n\nwords | here\n| c |\n|---|\n"
    assert records.markdown_tables(text) == [[["a", "b"], ["x", "1 ± 2"]], [["c"]]]


def test_machine_names_what_is_installed(monkeypatch):
    monkeypatch.setattr(records, "PACKAGES", ("numpy", "no-such-package"))
    rows = dict(records.machine())
    assert rows["numpy"][0].isdigit() and rows["no-such-package"] == "not installed"


def test_listed_files(tmp_path):
    (tmp_path / "a").touch()
    assert records.listed_files([tmp_path / "a", None, tmp_path / "b", tmp_path / "a"]) == [
        tmp_path / "a"
    ]
