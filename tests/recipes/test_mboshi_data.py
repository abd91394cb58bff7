"""Preparation of Mboshi-French on a small tree of the repository's layout."""

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import evil
import numpy as np
import pytest
import soundfile

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.evaluate.alignment import read_ctm

RECIPE = Path(__file__).resolve().parents[2] / "egs2/mboshi/units1"
MODULES = ("prepare_data", "normalize", "corpus")
SESSION = "2015-09-08-11-18-39_samsung-SM-T530_mdw_elicit_Dico18"
TEXTS, ALIGNED = "full_corpus_newsplit", "ZRC_scoring/mboshi/in"


@pytest.fixture
def recipe(monkeypatch):
    """The module, of a corpus of twelve and two utterances."""
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(RECIPE / "local")
    module = importlib.import_module("prepare_data")
    monkeypatch.setattr(module, "PUBLISHED", {"train": 12, "dev": 2})
    yield module
    for name in MODULES:
        sys.modules.pop(name, None)


def add(corpus, part, name, number):
    """An utterance of a second: two words between 0.1 and 0.7 s."""
    folder = corpus / TEXTS / part
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", 0.1 * np.sin(np.arange(16000) / 10), 16000)
    (folder / f"{name}.mb").write_text(f"Wa s' Éléngé{number}\n")
    (folder / f"{name}.fr").write_text(f"L’ami n° {number} - c’est lui !\r\n")
    start = 0.1 + number / 100
    rows = {
        "wrd": [f"{start:.4f} 0.3000 wa", "0.3000 0.7000 éléngé", "0.7000 1.0000 SIL"],
        "phn": [f"{start:.4f} 0.2500 W", "0.2500 0.3000 A", "0.3000 0.7000 É", "0.7000 1.0000 SIL"],
    }
    (corpus / ALIGNED).mkdir(parents=True, exist_ok=True)
    for ending, lines in rows.items():
        # As in the published files, lines of longer names are in the files of their beginnings.
        for length in range(len(f"abiayi_{SESSION}_1"), len(name) + 1):
            path = corpus / ALIGNED / f"{name[:length]}.{ending}_orig"
            if length == len(name) or path.exists():
                old = path.read_text() if path.exists() else ""
                path.write_text(old + "\n".join(sorted(lines)) + "\n")


@pytest.fixture
def corpus(tmp_path):
    """Twelve and two utterances; the first one's name is the beginning of three others."""
    folder = tmp_path / "mboshi-french-parallel-corpus-main"
    for number in range(1, 13):
        add(folder, "train", f"abiayi_{SESSION}_{number}", number)
    for number in (13, 14):
        add(folder, "dev", f"martial_{SESSION}_{number}", number)
    # Nothing but what is named is read; this one would write a file.
    (folder / "ZRC_scoring/units.pkl").write_bytes(pickle.dumps(evil.Evil(tmp_path / "opened")))
    return folder


def prepared(recipe, corpus, output):
    recipe.main(["--data_dir", str(corpus), "--output", str(output)])
    return {name: read_table(output / name / "text") for name in ("train", "dev", "test")}


def test_sets(recipe, corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "is_kept_back", lambda text: text.endswith(("3", "11")))
    found = prepared(recipe, corpus.parent, tmp_path / "data")
    assert {name: len(texts) for name, texts in found.items()} == dict(train=10, dev=2, test=2)
    utt = f"abiayi-{SESSION}_11"
    assert found["dev"][utt] == "wa s' éléngé11"
    assert read_table(tmp_path / "data/dev/text.tc.fr")[utt] == "l'ami n 11 c'est lui"
    assert read_table(tmp_path / "data/test/utt2spk") == {
        f"martial-{SESSION}_{number}": "martial" for number in (13, 14)
    }
    assert not (tmp_path / "opened").exists()


def test_alignments_are_those_of_the_utterance_alone(recipe, corpus, tmp_path, monkeypatch):
    polluted = (corpus / ALIGNED / f"abiayi_{SESSION}_1.wrd_orig").read_text().splitlines()
    assert len(polluted) == 4 * 3
    monkeypatch.setattr(recipe, "is_kept_back", lambda text: text.endswith("2"))
    prepared(recipe, corpus, tmp_path / "data")
    words = read_ctm(tmp_path / "data/train/words.ctm")[f"abiayi-{SESSION}_1"]
    assert [(round(w.start_sec, 2), round(w.end_sec, 2), w.label) for w in words] == [
        (0.11, 0.3, "wa"),
        (0.3, 0.7, "éléngé"),
        (0.7, 1.0, "SIL"),
    ]
    phones = read_ctm(tmp_path / "data/dev/phones.ctm")[f"abiayi-{SESSION}_12"]
    assert [p.label for p in phones] == ["W", "A", "É", "SIL"]


def test_the_same_text_is_always_in_the_same_set(recipe):
    kept = [recipe.is_kept_back(f"wa éléngé {number}") for number in range(1000)]
    assert 70 < sum(kept) < 130
    assert kept == [recipe.is_kept_back(f"wa éléngé {number}") for number in range(1000)]


def test_normalizer(recipe):
    normalize = recipe.normalize
    assert normalize("Là-bas, s’ il\tm' ECOUTE... (oui) - «5»!") == "là-bas s' il m' ecoute oui 5"
    assert normalize("e\u0301le\u0301ngé ώ") == "éléngé ώ"
    assert normalize(" -- ' ?") == ""


FIRST = f"{TEXTS}/train/abiayi_{SESSION}_1"


@pytest.mark.parametrize(
    ("path", "content", "message"),
    [
        (f"{TEXTS}/train", None, "train has 0 recordings, the published set 12; the copy is inc"),
        (f"{FIRST}.wav", None, "train has 11 recordings, the published set 12; the copy is inco"),
        (f"{FIRST}.mb", None, "_1.mb cannot be read"),
        (f"{FIRST}.fr", "?\n", "_1.fr has no words; the copy is incomplete"),
        (f"{FIRST}.fr", b"\xff", "_1.fr cannot be read"),
        (f"{FIRST}.wav", "RIFF", "_1.wav cannot be read"),
        (f"{FIRST}.mb", "Wa s' éléngé13", "1 texts of full_corpus_newsplit/dev are also in "),
        (ALIGNED, None, r"has no \*.wrd_orig; the copy is incomplete"),
        (f"{ALIGNED}/abiayi_{SESSION}_2.phn_orig", None, f"have no alignment .abiayi-{SESSION}_2"),
        (f"{ALIGNED}/abiayi_{SESSION}_2.wrd_orig", "0.1 0.9\n", "'0.1 0.9' is not `start end lab"),
        (f"{ALIGNED}/abiayi_{SESSION}_2.wrd_orig", "0.1 1.2 wa\n", "ends at 1.200 s, but its"),
        (f"{ALIGNED}/abiayi_{SESSION}_1.wrd_orig", "0.1 0.3 wa\n", "_1.wrd_orig lacks lines of th"),
    ],
)
def test_refused(recipe, corpus, tmp_path, path, content, message):
    if content is None and (corpus / path).is_dir():
        (corpus / path).rename(tmp_path / "elsewhere")
    elif content is None:
        (corpus / path).unlink()
    else:
        (corpus / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        prepared(recipe, corpus, tmp_path / "data")
    assert not (tmp_path / "data/train/wav.scp").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(samplerate=16000, format="MP3"), "is MP3 of 16000 Hz with 1 channels, the published"),
        (dict(samplerate=44100), "is WAV of 44100 Hz"),
    ],
)
def test_other_recordings_are_refused(recipe, corpus, tmp_path, options, message):
    with open(corpus / f"{FIRST}.wav", "wb") as file:
        soundfile.write(file, np.zeros(16000), **{"format": "WAV"} | options)
    with pytest.raises(ValueError, match=message):
        prepared(recipe, corpus, tmp_path / "data")


def test_a_recording_that_was_cut_off_is_refused(recipe, corpus, tmp_path):
    path = corpus / f"{FIRST}.wav"
    path.write_bytes(path.read_bytes()[:16000])
    with pytest.raises(ValueError, match="its alignment ends at 1.000 s, but its units at 0.499 s"):
        prepared(recipe, corpus, tmp_path / "data")


def test_the_corpus_must_be_there(recipe, tmp_path):
    with pytest.raises(ValueError, match="has no full_corpus_newsplit, itself or in mboshi"):
        prepared(recipe, tmp_path, tmp_path / "data")


def test_data_sh_asks_for_a_copy_or_the_download():
    command = ["bash", "local/data.sh", "--output", "data"]
    done = subprocess.run(command, cwd=RECIPE, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "or --download true" in done.stderr
