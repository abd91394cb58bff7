"""Scripts of egs2/core_sounds: speed perturbation, data.sh, fetch_model.sh, results."""

import importlib
import json
import os
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from espnet_entropy.recordings import read_recordings

soundfile = pytest.importorskip("soundfile")

RECIPE = Path(__file__).resolve().parents[2] / "egs2/core_sounds"
LOCAL = RECIPE / "units1/local"


@pytest.mark.parametrize(("factor", "length"), [("0.9", 17778), ("1.1", 14546), ("1.25", 12800)])
def test_perturb(local, factor, length):
    module = local["perturb_speed"]
    tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000) * 0.5
    wave = module.perturb(tone, Fraction(factor))
    assert len(wave) == length == module.perturbed_length(16000, Fraction(factor))
    peak = np.abs(np.fft.rfft(wave)).argmax() * 16000 / len(wave)
    assert peak == pytest.approx(440 * float(Fraction(factor)), abs=2)


def test_perturbed_folder(copy, prepare):
    assert prepare(copy).returncode == 0
    output = copy["output"].parent / "perturbed"
    command = [
        sys.executable,
        LOCAL / "perturb_speed.py",
        "--data",
        copy["output"] / "train_en",
        "--factors",
        "0.9,1.1",
        "--output",
        output,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in (output / "utt2spk").read_text().splitlines()]
    assert len(rows) == 6 and rows == sorted(rows) == sorted(rows, key=lambda row: row[::-1])
    assert ["sp0.9-voice-a-en-greeting", "sp0.9-voice-a"] in rows
    assert "sp1.1-voice-a-en-greeting hello caller\n" in (output / "text").read_text()
    lengths = dict(line.split() for line in (output / "utt2dur").read_text().splitlines())
    for line in (output / "wav.scp").read_text().splitlines():
        utt, path = line.split()
        assert soundfile.info(path).samplerate == 16000
        assert soundfile.info(path).duration == pytest.approx(float(lengths[utt]), abs=1e-3)


def test_a_killed_process_ends_the_preparation(local):
    with pytest.raises(ValueError, match="decoding: one of 1 processes was killed"):
        local["flac"].total_samples(signal.raise_signal, [signal.SIGKILL], 1, "decoding")


@pytest.mark.parametrize("factors", ["1.0", "x", "3", "0.9,0"])
def test_perturb_factors_are_checked(local, factors):
    with pytest.raises(ValueError, match="--factors"):
        local["perturb_speed"].parse_factors(factors)


@pytest.mark.parametrize("factors", ["0.9 1.0 1.1", "0.9,1.1", " 0.9  1 0.90 1.1"])
def test_perturb_factors_as_espnet_has_them(local, factors):
    expected = {"sp0.9": Fraction(9, 10), "sp1.1": Fraction(11, 10)}
    assert local["perturb_speed"].parse_factors(factors) == expected


@pytest.fixture
def perturb_folder(tmp_path):
    """Run perturb_speed.py on a stereo WAV at 44.1 kHz, an Opus file and a broken one."""
    import av

    rng = np.random.default_rng(0)
    data = tmp_path / "data"
    data.mkdir()
    soundfile.write(data / "a.wav", rng.normal(0, 0.1, (44100, 2)), 44100)
    with av.open(str(data / "b.opus"), "w") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        samples = rng.normal(0, 3000, (1, 48000)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (data / "c.wav").write_text("no sound")
    for name, values in {
        "wav.scp": [data / "a.wav", data / "b.opus", data / "c.wav"],
        "text": ["one", "two", "three"],
        "utt2spk": ["a", "b", "c"],
    }.items():
        lines = (f"{utt} {value}\n" for utt, value in zip("abc", values, strict=True))
        (data / name).write_text("".join(lines))

    def run(*options):
        command = [sys.executable, LOCAL / "perturb_speed.py", "--data", data, "--factors", "0.9"]
        command += ["--output", tmp_path / "out", *options]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


def test_recordings_are_perturbed_as_the_dump_reads_them(perturb_folder, tmp_path):
    result = perturb_folder()
    assert result.returncode == 1 and "utt c: " in result.stderr
    assert "1 recordings cannot be read, 0 are tolerated (--max_failed_utts)" in result.stderr
    assert not (tmp_path / "out/wav.scp").exists()
    result = perturb_folder("--max_failed_utts", "1")
    assert result.returncode == 0, result.stderr
    rows = dict(line.split() for line in (tmp_path / "out/wav.scp").read_text().splitlines())
    # The dump reads the broken original too, and lists it.
    assert list(rows) == ["a", "b", "c", "sp0.9-a", "sp0.9-b"]
    for utt in ("sp0.9-a", "sp0.9-b"):
        info = soundfile.info(rows[utt])
        assert (info.samplerate, info.channels) == (16000, 1)
        assert info.duration == pytest.approx(1 / 0.9, abs=0.03)


def test_tables_alone_are_written_again(perturb_folder, tmp_path):
    assert perturb_folder("--max_failed_utts", "1").returncode == 0
    audio = {path: os.stat(path).st_mtime_ns for path in (tmp_path / "out/audio").iterdir()}
    text = tmp_path / "data/text"
    text.write_text(text.read_text().replace("one", "four"))
    for path in (tmp_path / "data").glob("[ab].*"):
        path.write_text("is not read")
    assert perturb_folder("--tables_only", "true").returncode == 0
    assert (tmp_path / "out/text").read_text() == (
        "a four\nb two\nc three\nsp0.9-a four\nsp0.9-b two\n"
    )
    assert {path: os.stat(path).st_mtime_ns for path in audio} == audio


def test_segments_are_perturbed_and_other_sound_is_never_taken_for_them(perturb_folder, tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "wav.scp").write_text(f"r {data}/a.wav\n")
    for name, values in {"text": "one two", "utt2spk": "a b"}.items():
        lines = zip("ab", values.split(), strict=True)
        (data / name).write_text("".join(f"{utt} {value}\n" for utt, value in lines))
    heard = []
    for start in ("0.5", "0.2"):
        (data / "segments").write_text(f"a r 0 0.3\nb r {start} -1\n")
        assert perturb_folder().returncode == 0
        recordings = read_recordings(out / "wav.scp")
        assert list(recordings) == ["a", "b", "sp0.9-a", "sp0.9-b"]
        assert list(dict(line.split() for line in open(out / "text"))) == list(recordings)
        lengths = {utt: len(r.samples(16000)) / 16000 for utt, r in recordings.items()}
        assert lengths["a"] == pytest.approx(0.3, abs=0.01)
        assert lengths["sp0.9-a"] == pytest.approx(0.3 / 0.9, abs=0.01)
        heard.append(lengths["sp0.9-b"])
    assert heard == pytest.approx([0.5 / 0.9, 0.8 / 0.9], abs=0.01)


def test_the_demo_needs_no_folder_for_temporary_files(tmp_path):
    for name in ("units1", "asr1"):
        (tmp_path / "core_sounds" / name / "local").mkdir(parents=True)
        script = tmp_path / "core_sounds" / name / "run.sh"
        script.write_text(f"#!/bin/sh\necho stage of {name}\n")
        script.chmod(0o755)
    (tmp_path / "core_sounds/units1/exp/reduced/segments").mkdir(parents=True)
    (tmp_path / "core_sounds/asr1/path.sh").write_text("python() { :; }\n")
    (tmp_path / "TEMPLATE").symlink_to(RECIPE.parent / "TEMPLATE")
    (tmp_path / "core_sounds/demo.sh").write_text((RECIPE / "demo.sh").read_text())
    result = subprocess.run(
        ["bash", tmp_path / "core_sounds/demo.sh", "--reduced", "true"],
        env=os.environ | {"TMPDIR": "/nope"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    log = tmp_path / "core_sounds/asr1/exp/reduced/demo_log/units1.txt"
    assert log.read_text() == "stage of units1\n"


def test_no_script_needs_a_folder_for_temporary_files():
    """`mktemp` of scripts works beside what they make: TMPDIR may be full, or not be there."""
    found = subprocess.check_output(
        ["git", "grep", "-h", "mktemp", "--", "*.sh"], cwd=RECIPE.parents[1], text=True
    )
    calls = [line for line in found.splitlines() if "$(mktemp" in line]
    assert calls and all('mktemp -d "${' in line and "TMPDIR" not in line for line in calls)


def test_data_sh_names_what_is_missing(tmp_path):
    (tmp_path / "empty").mkdir()
    script = LOCAL / "data.sh"
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    result = subprocess.run(
        [script, "--data_dir", "empty", "--langs", "en"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert result.returncode != 0
    assert "asterisk-core-sounds-en-g722" in result.stderr and "--data_dir" in result.stderr
    result = subprocess.run(
        [script, "--lang", "en"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2 and "unknown option --lang" in result.stderr


def test_fetch_model_refuses_a_changed_copy(tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt"):
        (copy / name).write_text("changed")
    result = subprocess.run(
        [LOCAL / "fetch_model.sh", tmp_path / "model", "--model_dir", copy],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert "config.json has sha256" in result.stderr and "--model_dir" in result.stderr
    assert not (tmp_path / "model").exists() and not list(tmp_path.glob("model.partial*"))


@pytest.mark.parametrize(
    "recipe, script", [("units1", "units.sh"), ("asr1", "asr.sh"), ("st1", "st.sh")]
)
def test_folders_at_hand_are_relative_to_the_caller(tmp_path, recipe, script):
    folder = tmp_path / recipe
    folder.mkdir()
    (folder / "run.sh").write_text((RECIPE / recipe / "run.sh").read_text())
    (folder / "utils").symlink_to(RECIPE / recipe / "utils")
    (folder / script).write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (folder / script).chmod(0o755)
    command = ["bash", f"{recipe}/run.sh", "--data_dir", "sounds", "--nj", "1"]
    run = dict(cwd=tmp_path, capture_output=True, text=True)
    result = subprocess.run(command, **run)
    lines = result.stdout.splitlines()
    # Apart from the options that decide which data they are.
    assert lines[lines.index("--data_args") + 1].strip() == ""
    assert lines[lines.index("--source_args") + 1].strip() == f"--data_dir {tmp_path}/sounds"
    assert lines[-2:] == ["--nj", "1"]
    command[3] = "my sounds"
    result = subprocess.run(command, **run, timeout=20)
    assert result.returncode == 2 and "split at blanks" in result.stderr


@pytest.mark.parametrize(
    "script, option",
    [
        ("units1/run.sh", "--reduced"),
        ("asr1/run.sh", "--reduced"),
        ("st1/run.sh", "--reduced"),
        ("units1/local/data.sh", "--reduced"),
        ("units1/local/data.sh", "--skip_checksums"),
    ],
)
def test_switches_are_true_or_false(tmp_path, script, option):
    # A copy alone: where it does not refuse, there is no recipe that it could start.
    (tmp_path / "script.sh").write_text((RECIPE / script).read_text())
    (tmp_path / "utils").symlink_to(RECIPE / "asr1/utils")
    result = subprocess.run(
        ["bash", "script.sh", "--data_dir", "none", option, "True"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert result.returncode == 2
    assert f"{option} is true or false, not 'True'" in result.stderr


@pytest.mark.parametrize("absolute", [False, True])
def test_data_are_linked_from_units1(tmp_path, absolute):
    for recipe in ("units1", "asr1"):
        (tmp_path / recipe / "local").mkdir(parents=True)
    data_sh = tmp_path / "units1/local/data.sh"
    data_sh.write_text('#!/bin/sh\nmkdir -p "$2" && if [ -n "$4" ]; then mkdir "$2/$4"; fi\n')
    data_sh.chmod(0o755)
    output = tmp_path / "elsewhere" if absolute else Path("data")
    for name in ("", "train_en"):
        command = ["bash", RECIPE / "asr1/local/data.sh", "--output", output, "--set", name]
        subprocess.run(command, cwd=tmp_path / "asr1", check=True)
        found = [p.name for p in tmp_path.rglob("*") if p.is_symlink()]
        assert found == ([name] if name and not absolute else [])


@pytest.fixture(scope="module")
def results():
    """The modules that write RESULTS.md, by name."""
    names = ("write_demo", "write_any_rate")
    sys.path.insert(0, str(RECIPE / "asr1/local"))
    yield {name: importlib.import_module(name) for name in names}
    sys.path.pop(0)
    for name in names:
        sys.modules.pop(name)


def add_model(expdir, system, seed, dev, test):
    """A trained and scored model, as far as the tables look at it."""
    model = expdir / f"asr_rates_{system}_seed{seed}"
    model.mkdir(parents=True)
    (model / "config.yaml").write_text(f"max_epoch: 8\nseed: {seed}\n")
    for name, percent in (("dev", dev), ("test", test)):
        rate = {"percent": percent, "low": percent - 3, "high": percent + 3}
        (model / f"decode_{name}").mkdir()
        score = json.dumps({"wer": rate, "cer": rate})
        (model / f"decode_{name}/score.json").write_text(score)
    return model


def test_table_of_one_model_for_many_rates(results, tmp_path):
    for seed, wer in enumerate([40, 42]):
        add_model(tmp_path, "dp15", seed, wer, wer + 1)
        model = add_model(tmp_path, "anyrate", seed, 0, 0)
        for name in ("dev", "test"):
            (model / f"decode_{name}").rename(model / f"decode_15hz_{name}")
    arguments = "--rates 15 7 --seeds 0 1 --sets dev test --command ./run_any_rate.sh".split()
    arguments += ["--expdir", str(tmp_path), "--output", str(tmp_path / "R.md")]
    results["write_any_rate"].main(arguments)
    text = (tmp_path / "R.md").read_text()
    assert "`./run_any_rate.sh`, commit " in text and "seeds 0 1, 8 epochs" in text
    own = "41.0 ± 1.4 | 41.0 ± 1.4 | 42.0 ± 1.4 | 42.0 ± 1.4"
    assert f"| 15 | one for this rate | 2 | {own} |" in text
    assert "| 15 | one for all rates | 2 | 0.0 ± 0.0 |" in text
    assert "| 7 | one for all rates | not run |" in text


SWEEP = RECIPE.parent / "TEMPLATE/utils/sweep.sh"


@pytest.mark.parametrize(
    "system, conf",
    [
        ("dp24", "segmenter=dp on_change=false rate=24"),
        ("uniform15", "segmenter=uniform on_change=false rate=15"),
        ("global7", "segmenter=global on_change=false rate=7"),
        ("onchange15", "segmenter=global on_change=true rate=15"),
        ("anyrate", "segmenter=dp on_change=false rate=15 rate_range=[7,50]"),
    ],
)
def test_systems_of_the_comparison(system, conf):
    command = ["bash", "-c", f'. {SWEEP}\nfrontend_conf "$1"', "x"]
    result = subprocess.run([*command, system], capture_output=True, text=True)
    assert result.stdout == conf + "\n"
    result = subprocess.run([*command, f"no{system}"], capture_output=True, text=True)
    assert result.returncode == 1 and f"no system 'no{system}'" in result.stderr


def test_changes_of_a_system_follow_its_name():
    command = ["bash", "-c", f'. {SWEEP}\nfrontend_conf "$1"', "x"]
    for change, conf in {
        "mean": "aggregator=mean aggregator_conf={}",
        "lead2+durations": "lead=2 durations=true",
    }.items():
        result = subprocess.run([*command, f"dp7+{change}"], capture_output=True, text=True)
        assert result.stdout.split() == f"segmenter=dp on_change=false rate=7 {conf}".split()
    result = subprocess.run([*command, "dp7+mean+lead"], capture_output=True, text=True)
    assert result.returncode == 1 and "no change 'lead' in system 'dp7+mean+lead'" in result.stderr


@pytest.mark.parametrize("system, aggregator", [("dp15", "cale"), ("dp15+mean", "mean")])
def test_systems_have_cale_where_their_name_says_nothing(tmp_path, system, aggregator):
    """Whatever conf/train_asr.yaml has; the last value of an option counts."""
    for name in ("run_rates.sh", "utils"):
        (tmp_path / name).symlink_to(RECIPE / "asr1" / name)
    (tmp_path / "run.sh").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "run.sh").chmod(0o755)
    command = ["bash", "run_rates.sh", "--job", "1", "--systems", system]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=20)
    lines = result.stdout.splitlines()
    args = lines[lines.index("--asr_args") + 1].split()
    values = [arg for arg in args if arg.startswith("aggregator=")]
    assert values[-1] == f"aggregator={aggregator}"
    layers = args.index("aggregator_conf.num_layers=2")
    assert ("aggregator_conf={}" in args[layers:]) == (aggregator == "mean")


SWEPT = f"""
. {SWEEP}
systems="dense dp15" seeds="0 1" parallel=1 expdir=exp report_only=false job=
while [ $# -gt 0 ]; do printf -v "${{1#--}}" %s "$2" && shift 2; done
sweep_times=2
first_job() {{ echo "first $*" >>ran; }}
run_job() {{ echo "job $*" >>ran; }}
run_sweep
echo after >>ran
"""


def test_each_system_runs_with_each_seed(tmp_path):
    (tmp_path / "utils").symlink_to(SWEEP.parent)
    (tmp_path / "path.sh").touch()
    (tmp_path / "run.sh").write_text(f"#!/usr/bin/env bash\nset -euo pipefail\n{SWEPT}")
    (tmp_path / "run.sh").chmod(0o755)
    subprocess.run(["./run.sh"], cwd=tmp_path, check=True, timeout=60)
    one_language = ["dense 0", "dp15 0", "dense 1", "dp15 1"]
    assert (tmp_path / "ran").read_text().splitlines() == [
        "first dense 0",
        *(f"job {run} {number}" for number, run in enumerate(2 * one_language, 1)),
        "after",
    ]


def test_a_command_is_told_as_it_was_typed():
    script = f'. {SWEEP}\ncommand_of ./run.sh "$@"'
    words = ["--seeds", "0 1", "--report_only", "true", "--parallel", "2"]
    result = subprocess.run(["bash", "-c", script, "x", *words], capture_output=True, text=True)
    assert result.stdout == './run.sh --seeds "0 1" --parallel 2\n'


def test_block_of_the_demo(results, monkeypatch, tmp_path):
    monkeypatch.setattr(results["write_demo"], "reached_rate_hz", lambda *_: 15.04)
    model = add_model(tmp_path, "dp15", 0, 40, 41)
    log = tmp_path / "units1.txt"
    log.write_text(
        "stage 1: data\nprepare_data.py: 4 utterances\nstage 1: data: done before, 9 s\n"
        "stage 2: codebook\nstage 2: codebook: 200 units: all, 2 min 3 s\n"
    )
    command = ["--model", str(model), "--logs", str(log), "--sets", "dev", "test"]
    command += ["--train_set", "train", "--output", str(tmp_path / "R.md")]
    results["write_demo"].main([*command, "--command", "egs2/core_sounds/demo.sh"])
    text = (tmp_path / "R.md").read_text()
    for line in (
        "| train |  |  | 15.04 |",
        "| test | 41.0 (38.0 to 44.0) | 41.0 (38.0 to 44.0) | 15.04 |",
        "| units1 1 data | 0 min 9 s |",
        "| units1 2 codebook | 2 min 3 s |",
        "| all | 2 min 12 s |",
    ):
        assert line in text
    assert "seed 0, 8 epochs" in text
