"""The preparation of speechocean762, on a tree of its layout and size that shares one sound."""

import os
import shutil

import pytest
import soundfile
from test_corpora import clip, is_sorted, prepare

from espnet_entropy.data.kaldi import read_table

RECIPE = "speechocean762/units1"


def write_part(corpus, part, first, said):
    """2,500 utterances of 125 speakers; the first of each two speakers is a child."""
    tables = {name: [] for name in ("wav.scp", "text", "utt2spk", "spk2age")}
    for number in range(125):
        speaker = f"{first + number:04}"
        folder = corpus / "WAVE" / f"SPEAKER{speaker}"
        folder.mkdir(parents=True)
        tables["spk2age"].append(f"{speaker}\t{(15, 19)[number % 2]}")
        for sentence in range(20):
            utt = f"0{speaker}{sentence:04}"
            os.link(corpus / "sound.wav", folder / f"{utt}.WAV")
            tables["wav.scp"].append(f"{utt}\tWAVE/SPEAKER{speaker}/{utt}.WAV")
            tables["text"].append(f"{utt}\t{said(number, sentence)}")
            tables["utt2spk"].append(f"{utt} {speaker}")
    (corpus / part).mkdir()
    for name, lines in tables.items():
        (corpus / part / name).write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Sentence 0 of the test speakers is in train; sentence 1 is one of a dev speaker alone."""
    corpus = tmp_path_factory.mktemp("tree") / "speechocean762"
    clip(corpus / "sound.wav", seconds=0.1)
    write_part(corpus, "train", 1, lambda n, k: f"IT'S  {'A' * (n + 1)} {'B' * (k + 1)}")
    sentences = {0: "IT'S AA B", 1: "IT'S A B"}
    write_part(corpus, "test", 1000, lambda n, k: sentences.get(k, "NOBODY SAID IT"))
    return corpus


@pytest.fixture
def corpus(tree, tmp_path):
    """A copy whose tables, and whose sounds of speaker 1000, may be changed."""
    copy = tmp_path / "speechocean762"
    (copy / "WAVE").mkdir(parents=True)
    for folder in (tree / "WAVE").iterdir():
        (copy / "WAVE" / folder.name).symlink_to(folder)
    (copy / "WAVE/SPEAKER1000").unlink()
    for name in ("train", "test", "WAVE/SPEAKER1000"):
        shutil.copytree(tree / name, copy / name)
    return copy


def test_sets_and_groups(corpus, tmp_path):
    model = tmp_path / "downloads/whisper-tiny.en"
    words = ["--data_dir", corpus.parent, "--downloads", model.parent, "--model_dir", tmp_path]
    done = prepare(RECIPE, tmp_path / "data", *words, refused="config.json is missing")
    assert "train: 2180 utterances" in done.stdout and "109 speakers" in done.stdout
    train, dev, test = (tmp_path / "data" / name for name in ("train", "dev", "test"))
    held_out = [f"{number:04}" for number in range(1, 126, 8)]
    assert list(read_table(dev / "spk2utt")) == held_out
    assert not set(held_out) & set(read_table(train / "spk2utt"))
    assert all(map(is_sorted, (train, dev, test)))
    assert read_table(train / "text")["0002-000020001"] == "it's aa bb"
    assert soundfile.info(read_table(test / "wav.scp")["1124-011240019"]).samplerate == 16000
    groups = read_table(test / "utt2groups")
    assert [groups[f"1000-01000000{k}"] for k in range(3)] == [
        "child seen",
        "child unseen",
        "child unseen",
    ]
    assert groups["1001-010010000"] == "adult seen"
    assert set(read_table(dev / "utt2groups").values()) == {"child unseen"}
    assert not (train / "utt2groups").exists()


def replaced(old, new):
    """A change of the first occurrence of some bytes."""
    return lambda content: content.replace(old, new, 1)


SOUND = "WAVE/SPEAKER1000/010000003.WAV"


@pytest.mark.parametrize(
    ("file", "changed", "message"),
    [
        ("test", None, "has no folders train and test, itself or in speechocean762; give"),
        ("train/text", None, "train lacks text; unpack the archive again"),
        ("test/spk2age", None, "test lacks spk2age"),
        # A download or a copy that was cut off.
        ("test/text", lambda c: c[:1000], "wav.scp and text differ in "),
        ("train/utt2spk", lambda c: c[:-15], "wav.scp and utt2spk differ in 1 utterances (001"),
        ("WAVE/SPEAKER1000", None, "test: 20 of 2500 clips are missing (1000-010000000, ...)"),
        (SOUND, None, "test: 1 of 2500 clips are missing (1000-010000003, ...)"),
        (SOUND, lambda c: c[:1000], "010000003.WAV is cut off: its header states 3200 bytes"),
        (SOUND, lambda c: c[:20], "010000003.WAV is no WAV file that can be read (it ends in"),
        (SOUND, lambda c: b"ID3" + c, "is no WAV file that can be read (file does not start with"),
        (SOUND, replaced(b"WAVE", b"AVI "), "is no WAV file that can be read (not a WAVE file)"),
        # Another edition.
        ("train/utt2spk", replaced(b" 0001", b" 9001"), "2500 utterances of 126 speakers"),
        ("test/text", replaced(b"IT'S", b"2"), "test/text, utt 010000000: expected words in cap"),
        ("test/text", replaced(b"IT'S AA B\n", b"\n"), "utt 010000000: expected words in capitals"),
        ("test/spk2age", replaced(b"\t15", b"\tsix"), "no age in years of 1 speakers (1000, ...)"),
    ],
)
def test_refused(corpus, tmp_path, file, changed, message):
    path = corpus / file
    if changed:
        path.write_bytes(changed(path.read_bytes()))
    else:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    words = ["--data_dir", corpus, "--downloads", tmp_path]
    prepare(RECIPE, tmp_path / "data", *words, refused=message)
    assert not (tmp_path / "data/test/wav.scp").exists()


def test_a_corpus_with_fewer_utterances(corpus, tmp_path):
    for path in corpus.glob("test/*"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: len(lines) // 5]))
    words = ["--data_dir", corpus, "--downloads", tmp_path]
    message = "test has 500 utterances of 25 speakers, the published test 2500 of 125"
    prepare(RECIPE, tmp_path / "data", *words, refused=message)


def test_a_source_has_to_be_named(tmp_path):
    message = "give a copy of speechocean762 with --data_dir DIR, or --download true"
    prepare(RECIPE, tmp_path / "data", refused=message, code=2)
