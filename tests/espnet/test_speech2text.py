"""Raw speech to text in one call: the words of the dump, segments in seconds, packed and moved."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import launching
import pytest
import soundfile
import test_run
import tiny
import torch
from evil import Evil

from espnet_entropy.bin import transcribe
from espnet_entropy.data.checkpoint import read_checkpoint
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, read_yaml, write_table, write_yaml
from espnet_entropy.espnet.speech2text import Speech2Text

DECODING = dict(beam_size=1, maxlenratio=-4.0, ctc_weight=0.5)


@pytest.fixture(scope="module")
def trained(parts, tmp_path_factory):
    """A recogniser after a few steps, and ESPnet's own decoding of the dump."""
    folder = tmp_path_factory.mktemp("speech2text")
    test_run.train_asr(parts, folder)
    (folder / "decode.py").write_text(test_run.DECODE)
    launching.launch("decode.py", parts.dump / "wav.scp", cwd=folder)
    return SimpleNamespace(
        folder=folder,
        config=folder / "asr/config.yaml",
        checkpoint=folder / "asr/valid.loss.best.pth",
        text=read_table(folder / "kaldi_ark/1best_recog/text"),
    )


@pytest.fixture(scope="module")
def speech2text(trained):
    return Speech2Text(trained.config, trained.checkpoint, **DECODING)


def test_words_units_and_rate_are_those_of_the_dump(parts, trained, speech2text):
    recordings = read_table(parts.wav_scp)
    for utt, units, entropies in read_dump(parts.dump):
        made = speech2text(recordings[utt])
        assert made.text and made.text == trained.text[utt]
        assert made.units.tolist() == units.tolist()
        torch.testing.assert_close(made.entropies, torch.from_numpy(entropies))
        batch = torch.tensor(units)[None], torch.tensor(entropies)[None], torch.tensor([len(units)])
        encoded = speech2text.frontend.encoder(*batch)
        frames = encoded.segment_lengths[0].tolist()
        shift = speech2text.tokenizer.extractor.frame_shift_sec
        assert [round((s.end_sec - s.start_sec) / shift) for s in made.segments] == frames
        assert made.segments[0].start_sec == 0
        for one, following in zip(made.segments, made.segments[1:], strict=False):
            assert one.end_sec == following.start_sec
        assert [unit for s in made.segments for unit in s.units] == units.tolist()
        assert made.rate_hz == pytest.approx(len(frames) / (len(units) * shift))


def test_a_waveform_is_as_good_as_its_file(parts, speech2text):
    path = read_table(parts.wav_scp)["utt-a"]
    wave = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
    one, other = speech2text(wave), speech2text(path)
    assert one.text == other.text and one.segments == other.segments
    with pytest.raises(ValueError, match=r"the waveform is \(1, .*expected one channel"):
        speech2text(wave[None])


def test_a_file_that_cannot_be_recognised_is_named(speech2text, tmp_path):
    soundfile.write(tmp_path / "short.wav", tiny.wave(0, 0.005), 16000)
    with pytest.raises(ValueError, match=f"^{tmp_path}/short.wav: 80 samples .* are too short"):
        speech2text(tmp_path / "short.wav")


def test_packed_by_espnet_it_runs_elsewhere(parts, trained, tmp_path, monkeypatch):
    """espnet2.bin.pack from the folder above all parts, so that every path in it is relative."""
    here, there = tmp_path / "here", tmp_path / "there"
    shutil.copytree(trained.folder / "asr", here / "asr")
    shutil.copytree(parts.bundle, here / "bundle")
    options = [word for path in sorted((here / "bundle").iterdir()) for word in ("--option", path)]
    launching.launch(
        *("-m", "espnet2.bin.pack", "asr", "--outpath", tmp_path / "model.zip"),
        *("--asr_train_config", "asr/config.yaml", "--asr_model_file", "asr/valid.loss.best.pth"),
        *options,
        cwd=here,
    )
    shutil.rmtree(here)
    from espnet2.main_funcs.pack_funcs import unpack

    files = unpack(tmp_path / "model.zip", there)
    monkeypatch.chdir(os.path.sep)
    moved = Speech2Text(
        files["asr_train_config"],
        files["asr_model_file"],
        bundle=there / "bundle",
        **DECODING,
    )
    for utt, path in read_table(parts.wav_scp).items():
        assert moved(path).text == trained.text[utt]


def test_checkpoints_with_code_in_them_are_refused(parts, trained, tmp_path):
    state = torch.load(trained.checkpoint, weights_only=True)
    torch.save(state | {"more": Evil(tmp_path / "executed")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="evil.pth cannot be read as weights alone"):
        Speech2Text(trained.config, tmp_path / "evil.pth", **DECODING)
    assert not (tmp_path / "executed").exists()
    for name, content in (("empty.pth", b""), ("text.pth", b"no checkpoint")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read as weights alone"):
            read_checkpoint(tmp_path / name)
    with pytest.raises(ValueError, match="there is no file .*none.pth"):
        read_checkpoint(tmp_path / "none.pth")


def test_what_does_not_belong_together_is_refused(parts, trained, tmp_path):
    config = read_yaml(trained.config)
    for change, message in (
        (dict(frontend="default"), "has frontend: default"),
        (dict(frontend_conf=config["frontend_conf"] | dict(num_units=9)), "12 units, .* on 9"),
        (dict(frontend_conf=config["frontend_conf"] | dict(bundle=None)), "names no bundle"),
        (dict(frontend_conf={}), "has no frontend_conf with num_units"),
    ):
        write_yaml(tmp_path / "config.yaml", config | change)
        with pytest.raises(ValueError, match=message):
            Speech2Text(tmp_path / "config.yaml", trained.checkpoint)
    with pytest.raises(ValueError, match="lm_config and lm_file belong together"):
        Speech2Text(trained.config, trained.checkpoint, lm_file="lm.pth")
    lm = dict(lm_config=parts.checkpoint.parent / "config.yaml", lm_file=parts.checkpoint)
    with pytest.raises(ValueError, match="has other tokens"):
        Speech2Text(trained.config, trained.checkpoint, **lm)
    with pytest.raises(ValueError, match="has a wrong type: .*beam_size.* int"):
        Speech2Text(trained.config, trained.checkpoint, beam_size="many")
    with pytest.raises(ValueError, match="no option a, b, c and 1 more"):
        Speech2Text(trained.config, trained.checkpoint, **dict.fromkeys("abcd", 1))
    with pytest.raises(ValueError, match="no option beam_sise"):
        Speech2Text(trained.config, trained.checkpoint, beam_sise=3)
    with pytest.raises(ValueError, match="trained for .*rate_hz=20 .* no rate of 7 Hz"):
        Speech2Text(trained.config, trained.checkpoint, rate_hz=7.0, **DECODING)


@pytest.mark.parametrize("part", ["codebook", "unit_lm"])
def test_the_bundle_must_be_the_models(parts, trained, tmp_path, part):
    other = tiny.another_bundle(parts, tmp_path / "other", part)
    message = f"trained with the {part.replace('_lm', ' LM')} .*but .*other has"
    with pytest.raises(ValueError, match=message):
        Speech2Text(trained.config, trained.checkpoint, bundle=other, **DECODING)
    path = read_table(parts.wav_scp)["utt-a"]
    options = dict(model_config=trained.config, model_file=trained.checkpoint)
    with pytest.raises(SystemExit, match=message):
        tiny.command(transcribe, path, bundle=other, **options)
    # The config may name a bundle that has changed since, while the user gives the right one.
    config = read_yaml(trained.config)
    config["frontend_conf"]["bundle"] = str(other)
    write_yaml(tmp_path / "config.yaml", config)
    with pytest.raises(ValueError, match=message):
        Speech2Text(tmp_path / "config.yaml", trained.checkpoint, **DECODING)
    model = Speech2Text(
        tmp_path / "config.yaml", trained.checkpoint, bundle=parts.bundle, **DECODING
    )
    assert model(path).text == trained.text["utt-a"]


def test_transcribe(parts, trained, tmp_path, capsys):
    write_yaml(tmp_path / "decode.yaml", DECODING)
    options = dict(
        model_config=trained.config,
        model_file=trained.checkpoint,
        inference_config=tmp_path / "decode.yaml",
    )
    tiny.command(transcribe, wav_scp=parts.wav_scp, **options)
    # Standard output is the text alone.
    lines = [f"{utt} {text}" for utt, text in trained.text.items()]
    assert capsys.readouterr().out.splitlines() == lines
    path = read_table(parts.wav_scp)["utt-b"]
    tiny.command(transcribe, path, format="json", **options)
    made = json.loads(capsys.readouterr().out)
    assert made["name"] == path and made["text"] == trained.text["utt-b"]
    last = made["segments"][-1]
    assert last["end_sec"] == pytest.approx(0.7, abs=0.05) and len(made["segments"]) > 5
    assert made["rate_hz"] == pytest.approx(len(made["segments"]) / last["end_sec"], abs=0.01)


def test_standard_error_has_only_our_own_lines(parts, trained, tmp_path):
    write_yaml(tmp_path / "decode.yaml", DECODING)
    command = [sys.executable, "-m", "espnet_entropy.bin.transcribe"]
    command += ["--model_config", trained.config, "--model_file", trained.checkpoint]
    command += ["--inference_config", tmp_path / "decode.yaml", "--wav_scp", parts.wav_scp]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{utt} {text}" for utt, text in trained.text.items()]
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line]
    # The search warns about the short maxlenratio, which the user has set.
    wanted = ("recordings: ", "WARNING:espnet.nets.beam_search:")
    assert lines and all(line.startswith(wanted) for line in lines), done.stderr


def test_transcribe_keeps_what_it_has_made(parts, trained, tmp_path, capsys):
    table = {utt: shutil.copy(path, tmp_path) for utt, path in read_table(parts.wav_scp).items()}
    (tmp_path / "utt-c.wav").write_bytes(b"no sound")
    write_table(tmp_path / "wav.scp", table)
    write_yaml(tmp_path / "decode.yaml", DECODING)
    given = dict(
        model_config=trained.config,
        model_file=trained.checkpoint,
        inference_config=tmp_path / "decode.yaml",
        wav_scp=tmp_path / "wav.scp",
        output=tmp_path / "text",
    )
    with pytest.raises(SystemExit, match="error: utt-c: .*cannot be decoded"):
        tiny.command(transcribe, **given)
    assert not (tmp_path / "text").exists()
    with pytest.raises(SystemExit, match="made with format text, not json; choose another"):
        tiny.command(transcribe, **given, format="json")
    write_yaml(tmp_path / "decode.yaml", DECODING | dict(beam_size=2))
    with pytest.raises(SystemExit, match="made with another decoding; choose another"):
        tiny.command(transcribe, **given)
    write_yaml(tmp_path / "decode.yaml", DECODING)
    capsys.readouterr()
    tiny.command(transcribe, **given, max_failed_utts=1)
    said = capsys.readouterr().err
    assert "has the results of 2 of 5 recordings" in said and "left out: utt-c: " in said
    expected = {utt: text for utt, text in trained.text.items() if utt != "utt-c"}
    assert read_table(tmp_path / "text") == expected
    assert list(read_table(tmp_path / "text.failed_utts")) == ["utt-c"]
    assert not (tmp_path / "text.partial").exists()


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "give one of these: sound files, --wav_scp, or --list"),
        (["none.wav"], "none.wav: there is no file none.wav"),
        ([__file__], "error: [^ ]*test_speech2text.py cannot be decoded"),
    ],
)
def test_transcribe_names_what_is_missing(trained, words, message):
    options = dict(model_config=trained.config, model_file=trained.checkpoint)
    with pytest.raises(SystemExit, match=message):
        tiny.command(transcribe, *words, **options)


def test_transcribe_wants_something_to_do(trained, tmp_path):
    (tmp_path / "wav.scp").touch()
    options = dict(model_config=trained.config, model_file=trained.checkpoint)
    with pytest.raises(SystemExit, match="wav.scp has no recordings"):
        tiny.command(transcribe, wav_scp=tmp_path / "wav.scp", **options)


def test_a_checkpoint_of_other_shapes_is_refused(trained, tmp_path):
    state = read_checkpoint(trained.checkpoint)
    torch.save({k: v[:1] if v.dim() else v for k, v in state.items()}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other.pth does not fit .*config.yaml; other shapes: "):
        Speech2Text(trained.config, tmp_path / "other.pth", **DECODING)


@pytest.mark.parametrize(
    "option, message",
    [
        (dict(beam_size=0), "beam_size of ESPnet's decoding is 0"),
        (dict(ctc_weight=float("nan")), "ctc_weight .* is nan"),
        (dict(bpemodel="."), "bpemodel: there is no file"),
        (dict(asr_model_file="x"), "no option asr_model_file"),
    ],
)
def test_values_that_end_decoding_in_the_middle_are_refused(trained, option, message):
    with pytest.raises(ValueError, match=message):
        Speech2Text(trained.config, trained.checkpoint, **option)


@pytest.mark.parametrize("option", [{"device": "cpu"}, {"model_file": "x"}, {1: 2}])
def test_transcribe_refuses_what_is_no_option_of_decoding(trained, tmp_path, option):
    write_yaml(tmp_path / "decode.yaml", option)
    options = dict(model_config=trained.config, model_file=trained.checkpoint)
    with pytest.raises(SystemExit, match="is no option of ESPnet's decoding"):
        tiny.command(transcribe, __file__, inference_config=tmp_path / "decode.yaml", **options)
