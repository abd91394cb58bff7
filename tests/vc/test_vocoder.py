"""A HiFi-GAN that parallel_wavegan trains through the launcher on our spectrograms, and loads."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tiny
import torch
import yaml
from launching import LAUNCHER, execute

from espnet_entropy.bin import dump_acoustics, merge_shards, vocoder_wavs
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.vc.mel import MelConfig, log_mel
from espnet_entropy.vc.vocoder import find_checkpoint, load_vocoder

RECIPE = Path(__file__).resolve().parents[2] / "egs2/core_sounds/vc1/conf/hifigan.yaml"


@pytest.fixture(scope="module")
def trained(parts, tmp_path_factory) -> SimpleNamespace:
    """The recipe's vocoder in small, three steps long."""
    root = tmp_path_factory.mktemp("vocoder")
    tiny.command(dump_acoustics, what="mel", wav_scp=parts.wav_scp, output=root / "mel")
    tiny.command(merge_shards, output=root / "mel", expect=parts.wav_scp, name="mel")
    common = {"wav_scp": parts.wav_scp, "mels": root / "mel/mel.scp"}
    tiny.command(vocoder_wavs, output=root / "recordings", **common)
    config = yaml.safe_load(RECIPE.read_text())
    config["generator_params"] |= {"channels": 32}
    config["discriminator_params"]["scale_discriminator_params"] |= {
        "channels": 16,
        "max_downsample_channels": 16,
        "max_groups": 4,
    }
    config["discriminator_params"]["period_discriminator_params"] |= {
        "channels": 4,
        "max_downsample_channels": 8,
    }
    config |= {"batch_size": 2, "num_workers": 0, "train_max_steps": 3, "save_interval_steps": 1}
    config |= {"eval_interval_steps": 100, "log_interval_steps": 1}
    (root / "hifigan.yaml").write_text(yaml.safe_dump(config))
    arguments = ["-m", "parallel_wavegan.bin.train", "--config", root / "hifigan.yaml"]
    for part in ("train", "dev"):
        arguments += [f"--{part}-wav-scp", root / "recordings/wav.scp"]
        arguments += [f"--{part}-feats-scp", root / "mel/mel.scp"]
    done = execute(*LAUNCHER, *arguments, "--outdir", root / "exp", cwd=root)
    assert done.returncode == 0, done.stderr
    return SimpleNamespace(folder=root / "exp", recordings=root / "recordings/wav.scp")


def test_recordings_it_learns_from(trained, parts, tmp_path):
    """Floats, as FLAC gives them too, would be read as samples of an integer: near silence."""
    learnt = read_table(trained.recordings)
    for utt, path in learnt.items():
        assert soundfile.info(path).subtype == "PCM_16"
        expected = read_audio(read_table(parts.wav_scp)[utt], 16000)
        np.testing.assert_allclose(read_audio(path, 16000), expected, atol=1e-4)
    # What is of this form already is not copied.
    write_table(tmp_path / "mel.scp", dict.fromkeys(learnt, "x"))
    again = {"wav_scp": trained.recordings, "mels": tmp_path / "mel.scp"}
    tiny.command(vocoder_wavs, output=tmp_path / "again", **again)
    assert read_table(tmp_path / "again/wav.scp") == learnt
    assert not (tmp_path / "again/wavs").exists()


def test_copies_of_changed_recordings_are_made_again(parts, tmp_path):
    data = shutil.copytree(parts.data, tmp_path / "data")
    table = {utt: f"{data}/{utt}.wav" for utt in read_table(parts.wav_scp)}
    write_table(data / "wav.scp", table)
    write_table(tmp_path / "mel.scp", table)
    given = dict(wav_scp=data / "wav.scp", mels=tmp_path / "mel.scp", output=tmp_path / "copies")
    tiny.command(vocoder_wavs, **given)
    copies = {utt: Path(path) for utt, path in read_table(tmp_path / "copies/wav.scp").items()}
    kept = copies["utt-a"].stat().st_mtime_ns
    shutil.copy(table["utt-e"], table["utt-b"])
    tiny.command(vocoder_wavs, **given)
    assert copies["utt-b"].read_bytes() == copies["utt-e"].read_bytes()
    assert copies["utt-a"].stat().st_mtime_ns == kept
    with pytest.raises(SystemExit, match="made with sample_rate 16000, not 24000; choose another"):
        tiny.command(vocoder_wavs, **given, mel_conf="{sample_rate: 24000, hop_size: 240}")
    Path(table["utt-b"]).write_bytes(b"no sound")
    with pytest.raises(SystemExit, match="error: utt utt-b: .*cannot be decoded"):
        tiny.command(vocoder_wavs, **given)


def test_it_is_loaded_and_makes_sound(trained):
    assert find_checkpoint(trained.folder).name == "checkpoint-3steps.pkl"
    vocoder = load_vocoder(trained.folder, MelConfig())
    mel = log_mel(tiny.wave(0, 1.0), MelConfig())[:100]
    wave = vocoder.synthesize(mel)
    assert vocoder.name == "HiFi-GAN"
    assert wave.shape == (16000,) and wave.dtype == np.float32 and np.abs(wave).max() <= 1
    # An earlier checkpoint is another vocoder.
    first = load_vocoder(trained.folder / "checkpoint-1steps.pkl", MelConfig())
    assert not np.allclose(first.synthesize(mel), wave)


def test_statistics_of_its_training_are_used(trained, tmp_path):
    import h5py

    for name in ("config.yml", "checkpoint-3steps.pkl"):
        (tmp_path / name).symlink_to(trained.folder / name)
    with h5py.File(tmp_path / "stats.h5", "w") as file:
        file["mean"], file["scale"] = np.full(80, -2.0), np.full(80, 0.5)
    mel = log_mel(tiny.wave(0, 0.5), MelConfig())
    with_stats = load_vocoder(tmp_path, MelConfig()).synthesize(mel)
    without = load_vocoder(trained.folder, MelConfig()).synthesize((mel + 2.0) / 0.5)
    np.testing.assert_allclose(with_stats, without, atol=1e-5)


def test_refused(trained, tmp_path):
    with pytest.raises(
        ValueError, match="trained with hop_size 160, but the spectrograms have 200"
    ):
        load_vocoder(trained.folder, MelConfig(hop_size=200))
    with pytest.raises(ValueError, match="holds no checkpoint-"):
        load_vocoder(tmp_path, MelConfig())
    with pytest.raises(ValueError, match="none.pkl is missing"):
        load_vocoder(tmp_path / "none.pkl", MelConfig())
    settings = yaml.safe_load((trained.folder / "config.yml").read_text())
    (tmp_path / "checkpoint-best.pkl").touch()
    with pytest.raises(ValueError, match="holds no checkpoint-"):
        load_vocoder(tmp_path, MelConfig())
    (tmp_path / "checkpoint-1steps.pkl").touch()
    (tmp_path / "config.yml").write_text(yaml.safe_dump(settings | {"window": "hamming"}))
    with pytest.raises(ValueError, match="trained with window hamming, but .* have hann"):
        load_vocoder(tmp_path, MelConfig())
    (tmp_path / "config.yml").write_text(yaml.safe_dump(settings))
    torch.save({"model": {"generator": {}}}, tmp_path / "checkpoint-1steps.pkl")
    with pytest.raises(ValueError, match="does not fit its config.yml"):
        load_vocoder(tmp_path, MelConfig())
    torch.save({"model": Path("x")}, tmp_path / "checkpoint-1steps.pkl")
    with pytest.raises(ValueError, match="cannot be read as weights alone"):
        load_vocoder(tmp_path, MelConfig())
