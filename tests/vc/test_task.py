"""From recordings to converted ones: dump, ESPnet's training, conversion, scores, page."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tiny
import torch
import yaml

from espnet_entropy.bin import (
    convert_pairs,
    dump_acoustics,
    report_conversion,
    score_conversion,
    vc_inference,
)
from espnet_entropy.data.kaldi import read_matrix, read_table, read_yaml
from espnet_entropy.vc.convert import VoiceConverter, contrasted
from espnet_entropy.vc.mel import MelConfig, log_mel
from espnet_entropy.vc.pairs import Pair, write_pairs
from espnet_entropy.vc.summary import summarize
from espnet_entropy.vc.task import FitFrames


def test_what_was_dumped(trained, parts):
    config = MelConfig(n_mels=20)
    mels = read_table(trained.root / "mel/mel.scp")
    assert set(mels) == set(tiny.SECONDS)
    wave = tiny.wave(0, tiny.SECONDS["utt-a"])
    np.testing.assert_allclose(read_matrix(mels["utt-a"]), log_mel(wave, config), atol=1e-5)
    assert read_matrix(read_table(trained.root / "speaker/speaker.scp")["utt-a"]).shape == (256,)
    pitch = read_table(trained.root / "pitch/pitch.scp")
    assert read_matrix(pitch["utt-b"]).shape == (1 + round(0.7 * 16000) // 160,)


def test_statistics_reach_the_checkpoint(trained):
    state = torch.load(trained.model / "valid.loss.best.pth", weights_only=True)
    frames = np.concatenate(
        [read_matrix(entry) for entry in read_table(trained.root / "mel/mel.scp").values()]
    )
    np.testing.assert_allclose(state["mel_mean"], frames.mean(0), atol=0.05)


def test_command_and_python_give_the_same(trained, tmp_path, capsys):
    source, target = trained.recordings["utt-c"], trained.recordings["utt-a"]
    output = tmp_path / "out.wav"
    tiny.command(
        vc_inference, model=trained.model, source=source, target=target, output=output, rate=15
    )
    assert "by Griffin-Lim" in capsys.readouterr().out
    samples, rate = soundfile.read(output, dtype="float32")
    converter = VoiceConverter(trained.model, rate_hz=15)
    made = converter(source, target)
    assert rate == made.sample_rate == 16000
    # The units of one second; its last half frame may be cut.
    assert abs(len(samples) - 16000) <= 320
    np.testing.assert_allclose(samples, made.wave, atol=1e-4)
    assert made.rate_hz < converter_rate(trained, source, target, 50) == 50.0
    other_noise = converter(source, target, seed=1, temperature=1.0)
    assert not np.allclose(made.mel, other_noise.mel)


def converter_rate(trained, source, target, rate_hz) -> float:
    return VoiceConverter(trained.model, rate_hz=rate_hz)(source, target, num_steps=1).rate_hz


def test_long_sources_are_made_in_parts(trained):
    converter = VoiceConverter(trained.model)
    wave = tiny.wave(7, 16.0)
    made = converter(wave, trained.recordings["utt-a"], num_steps=1)
    assert abs(len(made.wave) - len(wave)) <= 320 and np.isfinite(made.wave).all()


def write(path: Path, wave: np.ndarray, sample_rate: int = 16000) -> Path:
    soundfile.write(path, wave, sample_rate)
    return path


@pytest.mark.parametrize(
    ("seconds", "factor", "sample_rate", "message"),
    [
        (0.8, 1.0, 16000, r"has 0\.80 s of sound; a voice needs 1 s"),
        (2.0, 0.0, 16000, "is silent"),
        (2.0, 1.0, 8000, "sampled at 8000 Hz, but the model makes 16000 Hz"),
    ],
)
def test_refused_prompts(trained, tmp_path, seconds, factor, sample_rate, message):
    wave = factor * tiny.wave(3, seconds, sample_rate)
    target = write(tmp_path / "target.wav", wave, sample_rate)
    with pytest.raises(ValueError, match=message):
        VoiceConverter(trained.model)(trained.recordings["utt-c"], target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocoder": "none"}, "the vocoder none is missing; leave it out for Griffin-Lim"),
        ({"checkpoint": "none.pth"}, "has no none.pth"),
        ({"bundle": "none"}, "the bundle none is missing"),
        ({"rate": 60}, "60"),
        ({"output": "out.mp3"}, "the result is a WAV"),
        ({"target": "none.wav"}, "none.wav cannot be decoded"),
    ],
)
def test_refused_calls(trained, tmp_path, options, message):
    given = {
        "model": trained.model,
        "source": trained.recordings["utt-c"],
        "target": trained.recordings["utt-a"],
        "output": tmp_path / "out.wav",
    }
    with pytest.raises(SystemExit, match=message):
        tiny.command(vc_inference, **given | options)


def test_contrast_moves_on_from_the_source():
    target, source = (np.eye(3, dtype=np.float32)[i] for i in (0, 1))
    np.testing.assert_allclose(contrasted(target, source, 0.0), target)
    moved = contrasted(target, source, 0.5)
    np.testing.assert_allclose(moved, np.array([3.0, -1.0, 0.0]) / np.sqrt(10), atol=1e-6)
    assert moved.dtype == np.float32
    for wrong in (-0.1, float("nan"), 11.0):
        with pytest.raises(ValueError, match="contrast .* must lie between"):
            contrasted(target, source, wrong)


def test_contrast_needs_a_voice_to_move_away_from(trained):
    converter, target = VoiceConverter(trained.model), trained.recordings["utt-a"]
    spoken, silent = tiny.wave(3, 1.0), np.zeros(16000, np.float32)
    mels = {
        (name, contrast): converter(wave, target, num_steps=1, contrast=contrast).mel
        for name, wave in (("spoken", spoken), ("silent", silent))
        for contrast in (0.0, 0.5)
    }
    assert not np.allclose(mels["spoken", 0.0], mels["spoken", 0.5])
    np.testing.assert_array_equal(mels["silent", 0.0], mels["silent", 0.5])


def test_a_prompt_is_taken_from_where_it_begins(trained, tmp_path):
    voice = tiny.wave(3, 2.0)
    late = write(tmp_path / "late.wav", np.concatenate([np.zeros(16000 * 12), voice]))
    loud = np.flatnonzero(np.abs(voice) >= 1e-3)[0]
    now = write(tmp_path / "now.wav", voice[loud:])
    converter, source = VoiceConverter(trained.model), trained.recordings["utt-c"]
    made = [converter(source, target, num_steps=1).mel for target in (late, now)]
    np.testing.assert_allclose(*made, atol=1e-3)


def test_a_recording_is_not_overwritten(trained):
    source, target = trained.recordings["utt-c"], trained.recordings["utt-a"]
    before = Path(target).read_bytes()
    with pytest.raises(SystemExit, match="--output is the target itself"):
        tiny.command(vc_inference, model=trained.model, source=source, target=target, output=target)
    assert Path(target).read_bytes() == before


def test_a_bundle_of_other_units(trained, parts, tmp_path):
    other = shutil.copytree(parts.bundle, tmp_path / "bundle")
    config = read_yaml(other / "config.yaml")
    for part, name in (("codebook", "codebook"), ("unit_lm", "unit LM")):
        files = config["files"] | {f"{part}.safetensors": "0" * 64}
        (other / "config.yaml").write_text(yaml.safe_dump(config | dict(files=files)))
        with pytest.raises(ValueError, match=f"was trained with the {name} .* has 0000"):
            VoiceConverter(trained.model, bundle=other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frontend_conf": None}, "has no mapping frontend_conf"),
        ({"mel_conf": {"bands": 3}}, "bands"),
        ({"model_conf": {"depth": 3}}, "depth"),
    ],
)
def test_configs_of_something_else(trained, parts, tmp_path, change, message):
    config = read_yaml(trained.model / "config.yaml") | change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "valid.loss.best.pth").symlink_to(trained.model / "valid.loss.best.pth")
    with pytest.raises(ValueError, match=message):
        VoiceConverter(tmp_path, bundle=parts.bundle)


def test_a_checkpoint_of_another_model_is_refused(parts, trained, tmp_path):
    shutil.copy(trained.model / "config.yaml", tmp_path)
    state = torch.load(trained.model / "valid.loss.best.pth", weights_only=True)
    block = [name for name in state if "blocks.0." in name]
    assert block
    part = {name: tensor for name, tensor in state.items() if name not in block}
    torch.save(part, tmp_path / "valid.loss.best.pth")
    message = rf"best.pth does not fit .*config.yaml; missing: {block[0]}, .* \({len(block)} in all"
    with pytest.raises(ValueError, match=message):
        VoiceConverter(tmp_path, bundle=parts.bundle)


def test_silence_has_no_speaker(tmp_path, capsys):
    write(tmp_path / "silent.wav", np.zeros(16000))
    write(tmp_path / "voice.wav", tiny.wave(0, 1.0))
    (tmp_path / "wav.scp").write_text(
        f"a {tmp_path}/silent.wav\nb {tmp_path}/voice.wav\n", encoding="utf-8"
    )
    options = {"what": "speaker", "wav_scp": tmp_path / "wav.scp", "output": tmp_path / "speaker"}
    tiny.command(dump_acoustics, max_failed_utts=1, **options)
    assert "left out: utt a" in capsys.readouterr().err


def test_refused_samples(trained):
    converter, target = VoiceConverter(trained.model), trained.recordings["utt-a"]
    for samples in (np.zeros((2, 16000), np.float32), np.zeros(16000), np.full(16000, np.nan)):
        with pytest.raises(ValueError, match="expected finite float32 samples"):
            converter(samples, target)


def test_frames_of_another_recording():
    data = {"units": np.zeros((10, 2)), "mel": np.zeros((21, 4)), "pitch": np.zeros(19)}
    fitted = FitFrames(2)("utt", data)
    assert fitted["mel"].shape == (20, 4) and fitted["pitch"].shape == (20,)
    with pytest.raises(ValueError, match="utt b: 40 frames of mel, but 20 belong to its 10 units"):
        FitFrames(2)("b", {"units": np.zeros((10, 2)), "mel": np.zeros((40, 4))})


def test_pairs_scores_and_page(trained, tmp_path, capsys):
    sounds = trained.recordings
    pairs = [
        Pair(f"{utt}_to_a", sounds[utt], sounds["utt-a"], f"spk{utt[-1]}", "spka", text)
        for utt, text in (("utt-c", "one two"), ("utt-d", ""))
    ]
    write_pairs(tmp_path / "pairs.tsv", pairs)
    common = {"pairs": tmp_path / "pairs.tsv", "model": trained.model}

    def score(folder, **options):
        options |= {"folder": folder, "output": folder / "scores.tsv"}
        tiny.command(score_conversion, pairs=tmp_path / "pairs.tsv", **options)

    for system in ("source", "copy", "15"):
        folder = tmp_path / system
        for shard in (1, 2):
            options = {"num_shards": 2, "shard": shard, "num_steps": 1}
            tiny.command(convert_pairs, system=system, output=folder, **common, **options)
        score(folder, num_dnsmos=1)
    source, _ = soundfile.read(tmp_path / "source/utt-c_to_a.wav", dtype="float32")
    np.testing.assert_allclose(source, tiny.wave(2, 1.0), atol=1e-4)
    assert read_yaml(tmp_path / "15/utt-c_to_a.yaml")["vocoder"] == "Griffin-Lim"
    # Killed before it could say that all is there, and continued in another number of parts.
    (tmp_path / "15/shard.1.yaml").unlink()
    kept = (tmp_path / "15/utt-c_to_a.wav").read_bytes()
    capsys.readouterr()
    tiny.command(convert_pairs, system=15, output=tmp_path / "15", num_steps=1, **common)
    assert "all 2 files exist already" in capsys.readouterr().out
    assert (tmp_path / "15/shard.1.yaml").exists()
    assert (tmp_path / "15/utt-c_to_a.wav").read_bytes() == kept
    words = ["--systems", "source", "copy", "15"]
    tiny.command(report_conversion, *words, folder=tmp_path, output=tmp_path, **common)
    table = (tmp_path / "table.md").read_text()
    assert "| copy-synthesis | - | - |" in table and "| 15 Hz |" in table
    page = (tmp_path / "listen.html").read_text()
    # The prompt, and three systems, of two pairs.
    assert page.count("<audio") == 8 and "spkc to spka" in page
    (tmp_path / "15/utt-d_to_a.wav").unlink()
    with pytest.raises(SystemExit, match="lacks 1 of 2 files"):
        score(tmp_path / "15")
    with pytest.raises(SystemExit, match="'fast' is neither a rate"):
        tiny.command(convert_pairs, system="fast", output=tmp_path / "fast", **common)


def test_what_a_conversion_may_fail_at_is_scored_too(trained, tmp_path):
    """Silence counts as not closer to the target; a text without words is not judged."""
    sounds = trained.recordings
    pairs = [
        Pair(name, sounds["utt-c"], sounds["utt-a"], "c", "a", text)
        for name, text in (("silent", "..."), ("spoken", "one two"))
    ]
    write_pairs(tmp_path / "pairs.tsv", pairs)
    write(tmp_path / "silent.wav", np.zeros(16000))
    write(tmp_path / "spoken.wav", tiny.wave(0, 1.0))
    for name in ("silent", "spoken"):
        record = {"rate_hz": 15.0, "seconds": 1.0, "took_seconds": 2.0, "vocoder": "x"}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(record))
    options = dict(folder=tmp_path, num_dnsmos=0, output=tmp_path / "scores.tsv")
    tiny.command(score_conversion, pairs=tmp_path / "pairs.tsv", **options)
    summary = summarize(tmp_path, "15", pairs)
    assert summary.num_judged == 1 and summary.num_dnsmos == 0
    assert summary.closer in (0.0, 50.0) and 0 < summary.to_target < 1
    assert summary.real_time_factor == 2.0
