"""Markers and logs of a recipe, read back."""

import os

from espnet_entropy.report import records
from espnet_entropy.report.records import Command, Stage


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


def test_machine_names_what_is_installed(monkeypatch):
    monkeypatch.setattr(records, "PACKAGES", ("numpy", "no-such-package"))
    rows = dict(records.machine())
    assert rows["numpy"][0].isdigit() and rows["no-such-package"] == "not installed"
