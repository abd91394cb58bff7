"""The launcher does what Python would, and takes ESPnet's programs from data to decoded text."""

import signal
import subprocess
import sys
import zipfile

import pytest
import tiny
import torch
import yaml
from launching import LAUNCHER, TOKENS, environment, execute, launch

from espnet_entropy import run
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_table


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
sys.exit(int(sys.argv[1]))
"""


@pytest.mark.parametrize("code", [0, 3])
def test_script_path(tmp_path, code):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "script.py").write_text(SCRIPT)
    (tmp_path / "scripts" / "beside.py").write_text("VALUE = 7\n")
    done = execute(*LAUNCHER, "scripts/script.py", code, "--x", cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert done.stdout == f"__main__ ['{code}', '--x'] 7 True\n"


MODULES = {
    "returns": "def main():\n    return {code}\n",
    "exits": "import sys\ndef main():\n    sys.exit({code})\n",
    "raises": "def main():\n    raise RuntimeError('no luck')\n",
    "guarded": "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:])\n"
    "    sys.exit({code})\n",
}


@pytest.mark.parametrize(
    "name, code, expected",
    [
        ("returns", None, 0),
        ("returns", 3, 0),
        ("exits", 0, 0),
        ("exits", 5, 5),
        ("raises", 0, 1),
        ("guarded", 4, 4),
    ],
)
def test_exit_codes_of_modules(tmp_path, name, code, expected):
    (tmp_path / f"{name}.py").write_text(MODULES[name].replace("{code}", str(code)))
    done = execute(*LAUNCHER, "-m", name, "a", "--b", cwd=tmp_path)
    assert done.returncode == expected, done.stderr
    assert ("no luck" in done.stderr) == (name == "raises")
    assert done.stdout == ("['a', '--b']\n" if name == "guarded" else "")


def test_arguments_reach_the_module(tmp_path):
    (tmp_path / "echo.py").write_text(
        "import sys\n"
        "def main(cmd=None):\n"
        "    print(sys.argv[0].endswith('echo.py'), sys.argv[1:])\n"
    )
    out = launch("-m", "echo", "-m", "x y", "--help", cwd=tmp_path)
    assert out == "True ['-m', 'x y', '--help']\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(flag, capsys):
    run.main([flag])
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


HELP_OF_ALL = """
import contextlib, io, pkgutil
import espnet2.bin
from espnet_entropy import run
for module in pkgutil.iter_modules(espnet2.bin.__path__):
    out, end = io.StringIO(), "no exit"
    try:
        with contextlib.redirect_stdout(out):
            run.main(["-m", f"espnet2.bin.{module.name}", "--help"])
    except SystemExit as error:
        end = f"exit {error.code}, usage {'usage:' in out.getvalue()}"
    except Exception as error:
        end = type(error).__name__
    print(module.name, end)
"""


@pytest.mark.long
def test_every_command_of_espnet(tmp_path):
    """Each shows its help, or fails as it does without the launcher, for want of a package."""
    (tmp_path / "help_of_all.py").write_text(HELP_OF_ALL)
    lines = [line.split(" ", 1) for line in launch("help_of_all.py", cwd=tmp_path).splitlines()]
    ends = dict(line for line in lines if "Flash Attention" not in " ".join(line))
    assert {"asr_train", "asr_inference", "lm_calc_perplexity", "pack", "launch"} <= set(ends)
    failed = [name for name, end in ends.items() if end != "exit 0, usage True"]
    assert len(failed) < len(ends) / 4, failed
    for name in failed:
        without = execute(sys.executable, "-m", f"espnet2.bin.{name}", "--help", cwd=tmp_path)
        assert without.returncode == 1, name
        last = without.stderr.strip().splitlines()[-1]
        assert last.startswith(ends[name]), (name, ends[name], last)


# Whole trainings


def train_lm(parts, folder):
    config = dict(
        lm="llama",
        lm_conf=dict(hidden_size=16, num_layers=1, num_heads=2, context=16),
        optim="adamw",
        optim_conf=dict(lr=0.01),
        batch_type="numel",
        batch_bins=200,
        max_epoch=2,
        keep_nbest_models=1,
        best_model_criterion=[["valid", "loss", "min"]],
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
        use_preprocessor=False,
    )
    (folder / "lm.yaml").write_text(yaml.safe_dump(config))
    units = parts.units
    launch(
        *("-m", "espnet2.bin.lm_train", "--config", folder / "lm.yaml", "--ngpu", "0"),
        *("--token_list", parts.codebook / "tokens.txt", "--output_dir", folder / "lm"),
        *("--train_data_path_and_name_and_type", f"{units}/units.scp,text,kaldi_ark"),
        *("--valid_data_path_and_name_and_type", f"{units}/units.scp,text,kaldi_ark"),
        *("--train_shape_file", units / "text_shape", "--valid_shape_file", units / "text_shape"),
        cwd=folder,
    )
    return folder / "lm" / "valid.loss.best.pth"


def test_train_a_unit_lm_and_pack_it(parts, tmp_path):
    from dataclasses import replace

    from espnet_entropy.bundle.build import load_trained_lm, pack_bundle
    from espnet_entropy.segment.calibration import Calibration

    checkpoint = train_lm(parts, tmp_path)
    lm = load_trained_lm(checkpoint)
    assert lm.num_units == tiny.NUM_UNITS and lm.context == 16
    # Its thresholds would be of another unit LM, if the calibration said of which it is.
    replace(Calibration.load(parts.calibration), held_out={}).save(tmp_path / "calibration.yaml")
    packed = pack_bundle(
        parts.codebook, checkpoint, tmp_path / "calibration.yaml", tmp_path / "bundle"
    )
    packed.check_hashes()


def train_asr(parts, folder, *options):
    config = dict(
        frontend="entropy",
        frontend_conf=dict(
            bundle=str(parts.bundle),
            rate=20,
            min_rate=15,
            output_size=16,
        ),
        normalize=None,
        specaug=None,
        encoder="transformer",
        encoder_conf=dict(
            input_layer="linear", output_size=16, attention_heads=2, linear_units=16, num_blocks=1
        ),
        decoder="transformer",
        decoder_conf=dict(attention_heads=2, linear_units=16, num_blocks=1),
        model_conf=dict(ctc_weight=0.5, extract_feats_in_collect_stats=False),
        batch_type="unsorted",
        batch_size=3,
        max_epoch=1,
        keep_nbest_models=1,
        best_model_criterion=[["valid", "loss", "min"]],
        num_workers=0,
        use_tensorboard=False,
        use_matplotlib=False,
    )
    (folder / "asr.yaml").write_text(yaml.safe_dump(config))
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    shapes = {utt: f"{len(units)},2" for utt, units, _ in read_dump(parts.dump)}
    write_table(folder / "speech_shape", shapes)
    words = []
    for mode in ("train", "valid"):
        words += [f"--{mode}_data_path_and_name_and_type", f"{parts.dump}/wav.scp,speech,kaldi_ark"]
        words += [f"--{mode}_data_path_and_name_and_type", f"{parts.dump}/text,text,text"]
        words += [f"--{mode}_shape_file", "speech_shape"]
    launch(
        *("-m", "espnet2.bin.asr_train", "--config", "asr.yaml", "--ngpu", "0", *words),
        *("--use_preprocessor", "true", "--token_type", "char", "--token_list", "tokens.txt"),
        *("--output_dir", "asr", *options),
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
