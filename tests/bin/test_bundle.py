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
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.shards import write_codebook_hash, write_shard
from espnet_entropy.segment.boundaries import SegmenterConfig


def write_dump(folder, arrays):
    """As much of a dump as is read here."""
    entries = write_shard(folder, 1, arrays.items())
    write_table(folder / "wav.scp", {utt: entry.where for utt, entry in entries.items()})


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
    write_dump(tmp_path, arrays)
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


def test_calibrate_on_another_set(parts, tmp_path, capsys):
    """One utterance in place of five has other thresholds at the same rate."""
    _, units, entropies = next(read_dump(parts.dump))
    arrays = {"utt-a": np.stack([units, entropies / 2], 1).astype(np.float32)}
    write_dump(tmp_path, arrays)
    output = tmp_path / "new" / "bundle"
    tiny.command(bundle, "calibrate", bundle=parts.bundle, dump=tmp_path, output=output)
    assert "calibrated on 1 utterances" in capsys.readouterr().out
    old, new = Bundle.open(parts.bundle), Bundle.open(output)
    new.check_hashes()
    assert new.calibration().held_out["utterances"] == 1
    config = SegmenterConfig("global", rate_hz=15.0, frame_rate_hz=old.frame_rate_hz)
    was, now = (b.calibration().thresholds(config)[0].item() for b in (old, new))
    assert 0 < now < was * 0.7
    # Everything else is as it was: the old bundle's own dump fits the new one.
    verify(parts, bundle=output)
    # In place, too.
    tiny.command(bundle, "calibrate", bundle=output, dump=parts.dump, output=output)
    assert Bundle.open(output).calibration().thresholds(config)[0].item() == was


def test_calibrate_refuses_units_of_another_codebook(parts, tmp_path):
    arrays = {"utt-a": np.array([[tiny.NUM_UNITS, 1.0]], np.float32)}
    write_dump(tmp_path, arrays)
    with pytest.raises(SystemExit, match=f"the codebook has {tiny.NUM_UNITS} units"):
        tiny.command(bundle, "calibrate", bundle=parts.bundle, dump=tmp_path, output=tmp_path / "b")
    assert not (tmp_path / "b").exists()


def test_unpack_and_pack_again(parts, tmp_path, capsys):
    tiny.command(bundle, "unpack", bundle=parts.bundle, output=tmp_path / "parts")
    assert "--init_param" in capsys.readouterr().out
    names = {str(p.relative_to(tmp_path / "parts")) for p in (tmp_path / "parts").rglob("*.*")}
    assert names == {
        "codebook/codebook.safetensors",
        "codebook/config.yaml",
        "codebook/tokens.txt",
        "lm/config.yaml",
        "lm/valid.loss.best.pth",
        "calibration.yaml",
    }
    made = tmp_path / "parts"
    tokens = (made / "codebook/tokens.txt").read_text()
    assert tokens == (Path(parts.codebook) / "tokens.txt").read_text()
    tiny.command(
        bundle,
        "pack",
        codebook=made / "codebook",
        unit_lm=made / "lm/valid.loss.best.pth",
        calibration=made / "calibration.yaml",
        output=tmp_path / "bundle",
    )
    old, new = Bundle.open(parts.bundle), Bundle.open(tmp_path / "bundle")
    assert new.config["files"] == old.config["files"]
    verify(parts, bundle=tmp_path / "bundle")
    with pytest.raises(SystemExit, match="parts exists; remove it or name another"):
        tiny.command(bundle, "unpack", bundle=parts.bundle, output=made)


@pytest.mark.parametrize("command", ["calibrate", "unpack"])
def test_a_damaged_bundle_is_not_copied(parts, tmp_path, command):
    copy = Path(shutil.copytree(parts.bundle, tmp_path / "bundle"))
    (copy / "unit_lm.safetensors").write_bytes(b"damaged")
    options = dict(dump=parts.dump) if command == "calibrate" else {}
    with pytest.raises(SystemExit, match="unit_lm.safetensors has hash"):
        tiny.command(bundle, command, bundle=copy, output=tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["verify", "calibrate"])
def test_a_dump_of_another_codebook_is_refused(parts, tmp_path, command):
    tiny.own_dump(parts, tmp_path / "dump")
    (tmp_path / "dump" / "codebook_sha256").unlink()
    write_codebook_hash(tmp_path / "dump", 64 * "0")
    options = dict(bundle=parts.bundle, dump=tmp_path / "dump")
    more = dict(wav_scp=parts.wav_scp) if command == "verify" else dict(output=tmp_path / "new")
    with pytest.raises(SystemExit, match="dump was made with the codebook 000000000000"):
        tiny.command(bundle, command, **options, **more)
