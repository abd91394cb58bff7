"""The launcher does what Python would, and takes ESPnet's programs from data to decoded text."""

import signal
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import tiny
import torch
import yaml
from launching import (
    LAUNCHER,
    SMALL,
    entropy_frontend,
    environment,
    execute,
    launch,
    prepare_speech,
    same_data,
    write_config,
)

from espnet_entropy import run
from espnet_entropy.bundle.build import load_trained_lm, pack_bundle
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.segment.calibration import Calibration


def test_same_bytes_as_without_it(tmp_path):
    """Stock recipes pipe this program's output into the scoring."""
    (tmp_path / "text").write_text("a one two\nb dé\n")
    arguments = "-m espnet2.bin.tokenize_text -f 2- --input text --output - --token_type char"
    without = execute(sys.executable, *arguments.split(), cwd=tmp_path)
    assert without.stdout == "o n e <space> t w o\nd é\n", without.stderr
    assert launch(*arguments.split(), cwd=tmp_path) == without.stdout


SCRIPT = """
import sys
import beside
import espnet_entropy.espnet.hooks as hooks
print(__name__, sys.argv[1:], beside.VALUE, any(isinstance(f, hooks._HookingFinder)
      for f in sys.meta_path))
sys.exit(3)
"""


def test_script_path(tmp_path):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "script.py").write_text(SCRIPT)
    (tmp_path / "scripts" / "beside.py").write_text("VALUE = 7\n")
    done = execute(*LAUNCHER, "scripts/script.py", "--x", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert done.stdout == "__main__ ['--x'] 7 True\n"


MAIN = "import sys\ndef main(cmd=None):\n    print(sys.argv[1:])\n    "


@pytest.mark.parametrize(
    "code, expected",
    [
        (MAIN + "return 3", 0),
        (MAIN + "sys.exit(5)", 5),
        (MAIN + "raise RuntimeError('no luck')", 1),
        ("import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n    sys.exit(4)", 4),
    ],
    ids=["returns", "exits", "raises", "guarded"],
)
def test_exit_codes_of_modules(tmp_path, code, expected):
    (tmp_path / "module.py").write_text(code)
    done = execute(*LAUNCHER, "-m", "module", "-m", "x y", "--help", cwd=tmp_path)
    assert done.returncode == expected, done.stderr
    assert ("no luck" in done.stderr) == ("no luck" in code)
    assert done.stdout == "['-m', 'x y', '--help']\n"


def test_help(capsys):
    run.main(["--help"])
    assert "python -m espnet_entropy.run (-m MODULE | SCRIPT.py)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-c", "print(1)"]], ids=str)
def test_usage_errors(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        run.main(arguments)
    assert error.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "usage:" in captured.err


@pytest.mark.parametrize("arguments", [["-m", "espnet2.bin.no_such"], ["no_such.py"]], ids=str)
def test_what_is_not_there_fails(arguments):
    done = execute(*LAUNCHER, *arguments)
    assert done.returncode == 1 and "no_such" in done.stderr


WAIT = """
import signal, sys, time
def main():
    if "handled" in sys.argv:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize(
    "words, sent, code",
    [
        ([], signal.SIGTERM, -signal.SIGTERM),
        ([], signal.SIGINT, -signal.SIGINT),
        (["handled"], signal.SIGTERM, 7),
    ],
    ids=["terminate", "interrupt", "handled"],
)
def test_signals_reach_the_module(tmp_path, words, sent, code):
    """Codes are those that Python would end with."""
    (tmp_path / "waits.py").write_text(WAIT)
    process = subprocess.Popen(
        [*LAUNCHER, "-m", "waits", *words],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore interrupts, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(sent)
    process.communicate(timeout=60)
    assert process.returncode == code


# Whole trainings


def test_train_a_unit_lm_and_pack_it(parts, tmp_path):
    write_config(
        tmp_path / "lm.yaml",
        lm="llama",
        lm_conf=dict(hidden_size=16, num_layers=1, num_heads=2, context=16),
        optim="adamw",
        optim_conf=dict(lr=0.01),
        max_epoch=2,
        use_preprocessor=False,
    )
    units, tokens = parts.units, parts.codebook / "tokens.txt"
    data = same_data(f"{units}/units.scp,text,kaldi_ark", shape=units / "text_shape")
    launch(
        *("-m", "espnet2.bin.lm_train", "--config", "lm.yaml", "--ngpu", "0", *data),
        *("--token_list", tokens, "--output_dir", "lm"),
        cwd=tmp_path,
    )
    checkpoint = tmp_path / "lm/valid.loss.best.pth"
    lm = load_trained_lm(checkpoint)
    assert lm.num_units == tiny.NUM_UNITS and lm.context == 16
    # Its thresholds would be of another unit LM, if the calibration said of which it is.
    replace(Calibration.load(parts.calibration), held_out={}).save(tmp_path / "calibration.yaml")
    packed = pack_bundle(
        parts.codebook, checkpoint, tmp_path / "calibration.yaml", tmp_path / "bundle"
    )
    packed.check_hashes()


def train_asr(parts, folder, *options):
    write_config(
        folder / "asr.yaml",
        **entropy_frontend(parts),
        **SMALL,
        normalize=None,
        specaug=None,
        model_conf=dict(ctc_weight=0.5, extract_feats_in_collect_stats=False),
        batch_size=3,
    )
    data = prepare_speech(parts, folder)
    launch(
        *("-m", "espnet2.bin.asr_train", "--config", "asr.yaml", *data),
        *("--use_preprocessor", "true", "--output_dir", "asr", *options),
        cwd=folder,
    )


DECODE = """
import sys
from espnet2.bin.asr_inference import main
for data, kind in zip(sys.argv[1:], ("kaldi_ark", "sound")):
    main([
        "--ngpu", "0", "--beam_size", "1", "--maxlenratio", "-4", "--ctc_weight", "0.5",
        "--asr_train_config", "asr/config.yaml", "--asr_model_file", "asr/valid.loss.best.pth",
        "--data_path_and_name_and_type", f"{data},speech,{kind}", "--output_dir", kind,
    ])
"""


def test_train_a_recogniser_and_decode_dump_and_speech(parts, tmp_path):
    train_asr(parts, tmp_path)
    assert yaml.safe_load((tmp_path / "asr/config.yaml").read_text())["frontend"] == "entropy"

    (tmp_path / "decode.py").write_text(DECODE)
    launch("decode.py", parts.dump / "wav.scp", parts.wav_scp, cwd=tmp_path)
    tokens = read_table(tmp_path / "kaldi_ark/1best_recog/token")
    assert list(tokens) == sorted(tiny.SECONDS)
    assert all(tokens.values())
    for name in ("token", "text", "score"):
        from_dump = (tmp_path / "kaldi_ark/1best_recog" / name).read_text()
        assert (tmp_path / "sound/1best_recog" / name).read_text() == from_dump


def test_a_checkpoint_that_was_cut_off_is_set_aside(parts, tmp_path, capsys):
    """The training then begins again; one that is whole is gone on from."""
    checkpoint = tmp_path / "asr/checkpoint.pth"
    train_asr(parts, tmp_path)
    whole = checkpoint.read_bytes()
    arguments = ["--resume", "true", "--output_dir", str(tmp_path / "asr")]
    run.set_broken_checkpoint_aside(arguments)
    assert checkpoint.read_bytes() == whole and not capsys.readouterr().err
    checkpoint.write_bytes(whole[: len(whole) // 2])
    run.set_broken_checkpoint_aside(["--resume", "false", *arguments[2:]])
    assert checkpoint.exists()
    train_asr(parts, tmp_path, "--resume", "true")
    assert (tmp_path / "asr/checkpoint.pth.broken").read_bytes() == whole[: len(whole) // 2]
    assert zipfile.is_zipfile(checkpoint)


SAVING = """
import resource, signal, sys
import espnet_entropy.run
import espnet2.train.trainer
import torch
torch.save({"epoch": torch.ones(100)}, "checkpoint.pth")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
try:
    torch.save({"epoch": torch.zeros(10000)}, "checkpoint.pth")
except Exception as error:
    print("not saved", file=sys.stderr)
"""


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path):
    """As where a training is killed meanwhile: what stands there is whole."""
    done = subprocess.run(
        [sys.executable, "-c", SAVING],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "not saved" in done.stderr, done.stderr
    state = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    assert torch.equal(state["epoch"], torch.ones(100))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pth"]
