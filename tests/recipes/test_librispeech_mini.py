"""librispeech_mini: its speakers, copies that are not whole, and what MP3 costs."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import sounds
import tiny

from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2/librispeech_mini/units1"
SPEAKERS = {"84": "test", "174": "dev", "1988": "train"}


def ran(*command):
    """Exit code, output and errors of a command in the recipe's folder."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        list(map(str, command)), cwd=RECIPE, capture_output=True, text=True, timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path},
    )  # fmt: skip


def test_the_committed_speakers():
    with open(RECIPE / "local/speakers.tsv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    sets = Counter((row["set"], row["sex"]) for row in rows)
    both = {("dev", "F"): 2, ("dev", "M"): 3, ("test", "F"): 2, ("test", "M"): 3}
    assert sets == both | {("train", "F"): 5, ("train", "M"): 5}
    assert len({row["speaker"] for row in rows}) == 20
    assert sum(int(row["utterances"]) for row in rows) == 1313


@pytest.fixture
def copy(tmp_path):
    """Two utterances a speaker; MP3 named .wav, but one speaker in FLAC; one who is not listed."""
    part = tmp_path / "LibriSpeech/dev-clean"
    wave = sounds.noise(1.0, 16000)
    for speaker in (*SPEAKERS, "3000"):
        folder = part / speaker / "7"
        folder.mkdir(parents=True)
        names = [f"{speaker}-7-{n:04}" for n in range(2)]
        (folder / f"{speaker}-7.trans.txt").write_text("".join(f"{n} IT'S ONE\n" for n in names))
        for name in names:
            if speaker == "174":
                sounds.write(folder / f"{name}.flac", wave, codec="flac", rate=16000)
            else:
                options = dict(codec="libmp3lame", bit_rate=24000, format="mp3")
                sounds.write(folder / f"{name}.wav", wave, rate=16000, **options)
    rows = "".join(f"{name}\t{where}\t2\n" for name, where in SPEAKERS.items())
    (tmp_path / "speakers.tsv").write_text(f"speaker\tset\tutterances\n{rows}")
    return tmp_path


def prepare(copy, *words):
    sets = "train=dev-clean,dev=dev-clean,test=dev-clean"
    options = ["--sets", sets, "--speakers", copy / "speakers.tsv", "--output", copy / "data"]
    return ran("local/prepare_data.py", "--data_dir", copy, *options, *words)


def test_sets_by_speaker(copy):
    done = prepare(copy)
    assert done.returncode == 0, done.stderr
    for speaker, name in SPEAKERS.items():
        assert set(read_table(copy / "data" / name / "utt2spk").values()) == {speaker}
        assert set(read_table(copy / "data" / name / "utt2dur").values()) == {"1.000"}
        assert len(read_recordings(copy / "data" / name / "wav.scp")) == 2
    paths = read_table(copy / "data/test/wav.scp")
    assert paths["84-7-0001"].endswith("84-7-0001.wav")
    assert len(read_audio(paths["84-7-0001"], 16000)) == 16000
    assert "published one 2703" not in done.stderr


def remove(path):
    path.unlink()


def truncate(path):
    sounds.cut(path, 0.6)


def shorten(path):
    path.write_text(path.read_text().splitlines(keepends=True)[0])


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("84/7/84-7.trans.txt", remove, "0 utterances of speaker 84, the published ones 2"),
        ("84/7/84-7.trans.txt", shorten, "1 utterances of speaker 84, the published ones 2"),
        ("84/7/84-7-0000.wav", remove, "1 of 2 clips are missing (84-7-0000, ...)"),
        ("84/7/84-7-0000.wav", truncate, "utt 84-7-0000: "),
        ("174/7/174-7-0000.flac", truncate, "174-7-0000.flac is truncated: its header states"),
        ("84/7/84-7-0001.wav", lambda path: path.write_bytes(b"RIFF"), "utt 84-7-0001: "),
    ],
)
def test_copies_that_are_not_whole(copy, file, damage, message):
    damage(copy / "LibriSpeech/dev-clean" / file)
    done = prepare(copy)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert message in done.stderr, done.stderr
    assert not (copy / "data/test/wav.scp").exists() or file.startswith("174")


def test_a_copy_or_a_download_is_asked_for(tmp_path):
    done = ran("local/data.sh", "--output", tmp_path / "data")
    assert done.returncode == 2 and "--data_dir DIR, or fetch 338 MB with" in done.stderr
    done = ran("local/data.sh", "--output", tmp_path / "data", "--data_dir", tmp_path)
    assert "neither LibriSpeech/dev-clean nor dev-clean" in done.stderr


def test_a_download_goes_to_the_published_address(tmp_path):
    """With a curl that fails, as where there is no network."""
    curl = tmp_path / "bin/curl"
    curl.parent.mkdir()
    curl.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/asked\nexit 6\n')
    curl.chmod(0o755)
    words = ["--download", "true", "--downloads", tmp_path / "downloads", "--output", tmp_path]
    done = ran("env", f"PATH={curl.parent}:{os.environ['PATH']}", "local/data.sh", *words)
    assert done.returncode != 0 and "could not be fetched" in done.stderr
    assert (
        "https://www.openslr.org/resources/12/dev-clean.tar.gz" in (tmp_path / "asked").read_text()
    )


def test_mp3_of_a_set(tmp_path):
    """Same length, same time, another sound; relative paths are those of the other recipe."""
    data = tiny.make_data(tmp_path / "units1/data/test_en", tiny.SECONDS)
    table = (data / "wav.scp").read_text().replace(f"{tmp_path}/units1/", "")
    (data / "wav.scp").write_text(table)
    words = ["--recipe", tmp_path / "units1", "--set", "test_en", "--output", tmp_path / "data"]
    done = ran("local/mp3.py", "encode", *words)
    assert done.returncode == 0, done.stderr
    original, mp3 = (
        read_recordings(tmp_path / "data" / f / "wav.scp") for f in ("original", "mp3")
    )
    for utt in tiny.SECONDS:
        one, other = original[utt].samples(16000), mp3[utt].samples(16000)
        assert len(one) == len(other) and sounds.lag(one, other) == 0
        assert 0.5 < np.corrcoef(one, other)[0, 1] < 0.9999
    size = (tmp_path / "data/mp3/audio/utt-d.mp3").stat().st_size
    assert 8 * size / tiny.SECONDS["utt-d"] == pytest.approx(24000, rel=0.2)


def test_units_that_mp3_changes(parts, tmp_path):
    for form in ("original", "mp3"):
        tiny.own_dump(parts, tmp_path / "dump" / form)
        scores = dict(method="dp", rate_hz=7.0, tolerance_sec=0.02, scores=dict(f1=0.5))
        (tmp_path / f"{form}.json").write_text(json.dumps(dict(boundaries=[scores])))
        units = dict.fromkeys(("all frames", "speech"), dict(pnmi=0.6 - 0.1 * (form == "mp3")))
        (tmp_path / f"{form}_units.json").write_text(json.dumps(dict(units=units)))
    done = ran("local/mp3.py", "compare", "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0.0 % of ")
    assert "| PNMI, all frames | 0.600 | 0.500 | -0.100 |" in done.stdout
    assert "| dp 7 Hz, phones, 20 ms, F1 | 0.500 | 0.500 | +0.000 |" in done.stdout
