"""Voice conversion: sets joined, pairs chosen, variants compared, and stages of vc.sh."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.vc.pairs import COLUMNS, read_pairs

EGS2 = Path(__file__).resolve().parents[2] / "egs2"
TEMPLATE, LOCAL = EGS2 / "TEMPLATE", EGS2 / "core_sounds/vc1/local"


def script(name, *words):
    return subprocess.run(
        [sys.executable, LOCAL / name, *map(str, words)], capture_output=True, text=True
    )


def make_set(folder, voice, utts):
    folder.mkdir(parents=True)
    for name, column in (("wav.scp", 0), ("text", 1), ("utt2dur", 2)):
        lines = [f"{voice}-{utt} {value[column]}\n" for utt, value in utts.items()]
        (folder / name).write_text("".join(lines))
    (folder / "utt2spk").write_text("".join(f"{voice}-{utt} {voice}\n" for utt in utts))


@pytest.fixture
def source(tmp_path):
    """Two languages with a voice each: prompts of several lengths."""
    utts = {
        "long": ("long.flac", "four words of speech", "3.0"),
        "short": ("short.flac", "three more words", "1.0"),
        "yes": ("yes.flac", "yes", "2.5"),
    }
    for part in ("train", "dev", "test"):
        make_set(tmp_path / f"source/{part}_en", "a", utts)
        make_set(tmp_path / f"source/{part}_it", "b", utts)
    return tmp_path / "source"


def test_sets_are_joined(source, tmp_path):
    done = script("join_sets.py", "--source", source, "--output", tmp_path / "data")
    assert done.returncode == 0 and "train: 6 utterances, 2 voices" in done.stdout
    table = read_table(tmp_path / "data/dev/utt2spk")
    assert list(table) == sorted(table) and set(table.values()) == {"a", "b"}


def test_no_sets(tmp_path):
    done = script("join_sets.py", "--source", tmp_path, "--output", tmp_path / "data")
    assert done.returncode == 1 and "run the data stage of units1" in done.stderr


@pytest.mark.parametrize("part", ["test", "dev"])
def test_pairs(source, tmp_path, part):
    table = tmp_path / "pairs.tsv"
    done = script("choose_pairs.py", "--source", source, "--output", table, "--part", part)
    assert done.returncode == 0 and "4 pairs, 2 of them English" in done.stdout
    pairs = read_pairs(table)
    # Three words and more, in either direction; prompts of 2 to 8 seconds, in turn.
    assert [pair.name for pair in pairs] == [
        "a-long_to_b", "a-short_to_b", "b-long_to_a", "b-short_to_a",
    ]  # fmt: skip
    assert [pair.target for pair in pairs] == ["long.flac", "yes.flac"] * 2
    assert [pair.text for pair in pairs] == ["four words of speech", "three more words", "", ""]


def test_a_voice_alone(source, tmp_path):
    make_set(tmp_path / "one/test_en", "a", {"x": ("x.flac", "three words here", "3.0")})
    words = ["--source", tmp_path / "one", "--output", tmp_path / "pairs.tsv"]
    done = script("choose_pairs.py", *words)
    assert done.returncode == 1 and "another voice" in done.stderr
    assert not (tmp_path / "pairs.tsv").exists()


def test_variants(source, tmp_path):
    table, exp = tmp_path / "pairs.tsv", tmp_path / "exp"
    script("choose_pairs.py", "--source", source, "--output", table)
    model = exp / "vc_variant_base_seed0"
    columns = "name whisper sphinx to_target to_source spectrum_to_target spectrum_to_source"
    header = "\t".join([*columns.split(), "pitch_correlation", "dnsmos"])
    numbers = "\t0.8\t0.6\t1\t2\t0.5\tnan"
    record = {"rate_hz": 15.0, "seconds": 1.0, "took_seconds": 1.0, "vocoder": "Griffin-Lim"}
    for system in ("source", "15", "7"):
        folder = model / "converted" / system
        folder.mkdir(parents=True)
        # A word of seven is missing.
        lines = [f"{p.name}\t{p.text.replace('more ', '')}\t-{numbers}" for p in read_pairs(table)]
        (folder / "scores.tsv").write_text("\n".join([header, *lines]) + "\n")
        for pair in read_pairs(table):
            (folder / f"{pair.name}.yaml").write_text(yaml.safe_dump(record))
    (model / "converted/listen.html").touch()
    (model / "config.yaml").write_text("max_epoch: 2\n")
    (model / "train.log").write_text("# Ended (code 0), elapsed time 90.0 seconds\n")
    output = tmp_path / "RESULTS.md"
    words = ["--expdir", exp, "--pairs", table, "--seeds", 0, "--systems", "base", "peaks"]
    done = script("write_variants.py", *words, "--command", "./run.sh", "--output", output)
    assert done.returncode == 0, done.stderr
    lines = output.read_text().splitlines()
    base = next(line for line in lines if line.startswith("| conf/train_vc.yaml"))
    assert base.startswith("| conf/train_vc.yaml | 1 | - | 14.3 | 14.3 | 100 | 0.50 |")
    assert any(line.startswith("| peaks | not run | - |") for line in lines)
    assert any(line.startswith("| source recordings | - | 14.3 |") for line in lines)
    assert "4 pairs of dev prompts, 2 of them judged" in output.read_text()


# A command or a job of vc.sh, which notes its name and leaves what the stages look for.
JOB = """#!/bin/sh
case "$*" in *espnet_entropy.bin.*) ;; *) exit ;; esac
for word; do case "$word" in espnet_entropy.bin.*) echo "${word##*.}" >>ran ;; esac; done
for system in source copy 15; do
    mkdir -p exp/vc_v/converted/$system && touch exp/vc_v/converted/$system/shard.1.yaml
done
touch exp/vc_v/converted/listen.html exp/vc_v/converted/report.html
"""


def test_a_recording_of_a_pair_that_is_replaced_in_place_is_converted_again(tmp_path):
    for name in ("local", "bundle", "judge", "conf", "data"):
        (tmp_path / name).mkdir()
    (tmp_path / "job").write_text(JOB)
    (tmp_path / "job").chmod(0o755)
    (tmp_path / "utils").symlink_to(TEMPLATE / "utils")
    (tmp_path / "path.sh").write_text("use_jobs() { OMP_NUM_THREADS=1; }\n")
    (tmp_path / "cmd.sh").write_text("train_cmd=true cuda_cmd=true decode_cmd=./job\n")
    for name in ("bundle/config.yaml", "judge/model.bin", "a.wav", "b.wav"):
        (tmp_path / name).write_text("a: 1\n")
    pair = "a_to_b\ta.wav\tb.wav\ta\tb\twords"
    (tmp_path / "data/pairs.tsv").write_text("\t".join(COLUMNS) + f"\n{pair}\n")

    def ran():
        (tmp_path / "ran").write_text("")
        words = ["--stage", "8", "--bundle", "bundle", "--judge", "judge", "--vc_tag", "v"]
        words += ["--rates", "15", "--python", "./job"]
        done = subprocess.run(
            ["bash", TEMPLATE / "vc1/vc.sh", *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return (tmp_path / "ran").read_text().split()

    everything = ["convert_pairs", "score_conversion", "report_conversion", "report"]
    assert ran() == everything
    assert ran() == []
    # What was finished before this was noted stays finished, and is watched from then on.
    (tmp_path / "exp/vc_v/converted/.recordings").unlink()
    for notes in (tmp_path / "exp/.stages").glob("*.contents"):
        notes.unlink()
    assert ran() == []
    for name in ("a.wav", "b.wav"):
        (tmp_path / name).write_text("b: 2\n")
        assert ran() == everything
        assert ran() == []
