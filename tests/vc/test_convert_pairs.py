"""convert_pairs: files that are kept, made again or refused, and pairs that may fail."""

import shutil

import pytest
import tiny
import torch

from espnet_entropy.bin import convert_pairs, report_conversion, score_conversion
from espnet_entropy.data.kaldi import read_table, read_yaml, write_yaml
from espnet_entropy.vc.pairs import Pair, write_pairs


@pytest.fixture
def convert(trained, tmp_path):
    """Convert copies of utt-c and utt-d in `tmp_path` into the voice of utt-a."""
    paths = {utt: shutil.copy(path, tmp_path) for utt, path in trained.recordings.items()}
    pairs = [
        Pair(utt, paths[utt], paths["utt-a"], f"spk{utt[-1]}", "spka", "one two")
        for utt in ("utt-c", "utt-d")
    ]
    write_pairs(tmp_path / "pairs.tsv", pairs)

    def call(output="15", **options):
        given = dict(system=15, num_steps=1, model=trained.model, pairs=tmp_path / "pairs.tsv")
        tiny.command(convert_pairs, **given | options, output=tmp_path / output)

    return call


def sounds(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.wav"))}


def test_other_recordings_are_converted_again(convert, tmp_path, capsys):
    convert()
    before = sounds(tmp_path / "15")
    shutil.copy(tmp_path / "utt-e.wav", tmp_path / "utt-c.wav")
    (tmp_path / "15/scores.tsv").write_text("of the former files")
    convert()
    assert "shard 1: 1 files in" in capsys.readouterr().out
    after = sounds(tmp_path / "15")
    assert after["utt-d.wav"] == before["utt-d.wav"] and after["utt-c.wav"] != before["utt-c.wav"]
    assert not (tmp_path / "15/scores.tsv").exists()
    # This recording is the target voice of both pairs.
    shutil.copy(tmp_path / "utt-d.wav", tmp_path / "utt-a.wav")
    convert()
    assert "shard 1: 2 files in" in capsys.readouterr().out
    convert("fresh")
    assert sounds(tmp_path / "15") == sounds(tmp_path / "fresh")
    convert()
    assert "all 2 files exist already" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="holds files made with num_steps 1, not 2"):
        convert(num_steps=2)


def test_another_checkpoint_or_an_older_version_is_refused(trained, convert, tmp_path):
    model = shutil.copytree(trained.model, tmp_path / "model", symlinks=True)
    convert(model=model)
    before = sounds(tmp_path / "15")
    convert()  # the same model in another place
    path = (model / "valid.loss.best.pth").resolve()
    state = torch.load(path, weights_only=True)
    torch.save(state | dict(mel_mean=state["mel_mean"] + 0.1), tmp_path / "other.pth")
    for checkpoint in model.glob("valid.*.pth"):
        checkpoint.unlink()
        shutil.copy(tmp_path / "other.pth", checkpoint)
    message = "15 holds files made with another checkpoint; choose another folder, or remove"
    with pytest.raises(SystemExit, match=message):
        convert(model=model)
    assert sounds(tmp_path / "15") == before
    settings = read_yaml(tmp_path / "15/settings.yaml") | dict(model=str(trained.model))
    del settings["bundle"]
    write_yaml(tmp_path / "15/settings.yaml", settings)
    with pytest.raises(SystemExit, match="holds files made by an older version"):
        convert()


def test_some_pairs_may_fail_and_are_left_out_of_the_scores(trained, convert, tmp_path, capsys):
    sound = (tmp_path / "utt-d.wav").read_bytes()
    (tmp_path / "utt-d.wav").write_bytes(b"no sound")
    with pytest.raises(SystemExit, match="error: pair utt-d: .*cannot be decoded"):
        convert()
    assert list(sounds(tmp_path / "15")) == ["utt-c.wav"]
    common = dict(pairs=tmp_path / "pairs.tsv")
    for system in (15, "copy"):
        convert(str(system), system=system, max_failed_utts=1)
        options = dict(folder=tmp_path / str(system), num_dnsmos=1)
        output = tmp_path / str(system) / "scores.tsv"
        tiny.command(score_conversion, **common, **options, output=output)
    assert "left out: pair utt-d: " in capsys.readouterr().err
    assert list(read_table(tmp_path / "15/failed.1")) == ["utt-d"]
    words = ["--systems", "15", "copy"]
    common |= dict(folder=tmp_path, model=trained.model, output=tmp_path)
    tiny.command(report_conversion, *words, **common)
    table = (tmp_path / "table.md").read_text()
    assert "1 of 2 pairs could not be converted by every system" in table
    # When it can be read again, its file is made like any other missing file.
    (tmp_path / "utt-d.wav").write_bytes(sound)
    convert(max_failed_utts=1)
    assert list(sounds(tmp_path / "15")) == ["utt-c.wav", "utt-d.wav"]
    assert not (tmp_path / "15/failed.1").exists()
