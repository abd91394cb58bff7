"""bundle: pack, verify against a dump, info."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
import yaml

from espnet_entropy.bin import bundle
from espnet_entropy.data import read_dump, read_table, write_shard, write_table
from espnet_entropy.tokenizer import UnitTokenizer


def verify(parts, **options):
    paths = dict(bundle=parts.bundle, dump=parts.dump, wav_scp=parts.wav_scp)
    tiny.command(bundle, "verify", **(paths | options))


def test_pack(parts, tmp_path, capsys):
    tiny.pack(parts, tmp_path / "bundle")
    assert "bundle, 12 units" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="error: .*none.yaml is no calibration"):
        tiny.command(
            bundle,
            "pack",
            codebook=parts.codebook,
            unit_lm=parts.checkpoint,
            calibration="none.yaml",
            output=tmp_path / "other",
        )


def test_verify(parts, capsys):
    verify(parts)
    out = capsys.readouterr().out
    assert "3 files have their hashes" in out
    assert "5 utterances of" in out and "same units and entropies" in out
    tiny.command(bundle, "verify", bundle=parts.bundle)
    assert "tokenized" not in capsys.readouterr().out
    with pytest.raises(SystemExit, match="give both or neither"):
        tiny.command(bundle, "verify", bundle=parts.bundle, dump=parts.dump)


def test_verify_finds_tampering(parts, tmp_path):
    copy = Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))
    (copy / "calibration.yaml").write_text("")
    with pytest.raises(SystemExit, match="error: .*calibration.yaml has hash"):
        verify(parts, bundle=copy)


@pytest.mark.parametrize(
    "column, by, message",
    [(0, 1.0, "units differ"), (1, 0.01, "entropies differ by 1.00e-02")],
    ids=["unit", "entropy"],
)
def test_verify_finds_another_dump(parts, tmp_path, column, by, message):
    arrays = {utt: np.stack([u, h], 1).astype(np.float32) for utt, u, h in read_dump(parts.dump)}
    arrays["utt-b"][3, column] += by
    write_table(tmp_path / "wav.scp", write_shard(tmp_path, 1, arrays.items()))
    with pytest.raises(SystemExit, match=f"error: utt utt-b: .*{message}"):
        verify(parts, dump=tmp_path)


def test_verify_refuses_entropies_that_are_no_numbers(parts, monkeypatch):
    """NaN differs from everything, and compares as larger than nothing."""
    call = UnitTokenizer.__call__

    def broken(self, waves, lengths):
        return replace(call(self, waves, lengths), entropies=torch.tensor([[float("nan")]]))

    monkeypatch.setattr(UnitTokenizer, "__call__", broken)
    with pytest.raises(SystemExit, match="entropies differ by nan nats"):
        verify(parts)


def test_verify_compares_something(parts, tmp_path):
    with pytest.raises(SystemExit, match="--num_utts is 0: compare at least one"):
        verify(parts, num_utts=0)
    (tmp_path / "wav.scp").write_text("")
    with pytest.raises(SystemExit, match="is empty: there is nothing to compare"):
        verify(parts, dump=tmp_path)


def test_verify_names_missing_recordings(parts, tmp_path):
    recordings = read_table(parts.wav_scp)
    recordings.pop("utt-e")
    write_table(tmp_path / "wav.scp", recordings)
    with pytest.raises(SystemExit, match="error: .*has no utterance utt-e"):
        verify(parts, wav_scp=tmp_path / "wav.scp")


def test_info(parts, capsys):
    tiny.command(bundle, "info", bundle=parts.bundle)
    config, _, methods = capsys.readouterr().out.partition("global:")
    assert yaml.safe_load(config)["num_units"] == tiny.NUM_UNITS
    assert "Hz" in methods and "peaks+on_change:" in methods
