"""Preparations of the large corpora, on small trees with their layout, names and quirks."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.vc.pairs import read_pairs

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


def clip(path, seconds=0.5, rate=16000):
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = 0.1 * np.sin(np.arange(round(seconds * rate)) / 10)
    format = "OGG" if path.suffix == ".opus" else None
    soundfile.write(path, sound, rate, format=format, subtype="OPUS" if format else None)


def ran(command, cwd=ROOT, refused=None, code=1):
    """A finished command; where it is to be refused, it says this in a message."""
    words = list(map(str, command))
    done = subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, timeout=120, env=ENVIRONMENT
    )
    if refused is None:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == code and refused in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
    return done


def prepare(recipe, output, *words, **options):
    """local/data.sh of a recipe, run as units.sh and st.sh do."""
    command = ["bash", "local/data.sh", "--output", output, *words]
    return ran(command, cwd=ROOT / "egs2" / recipe, **options)


def stage_1(recipe, folder, *words):
    """The sizes of the sets that run.sh of a recipe prepares."""
    stages = ["--stage", "1", "--stop_stage", "1"]
    places = ["--datadir", folder / "data", "--expdir", folder / "exp"]
    ran([ROOT / "egs2" / recipe / "run.sh", *stages, *places, *words])
    return {p.parent.name: len(read_table(p)) for p in (folder / "data").glob("*/wav.scp")}


def change(root, files, content):
    """Give all files of a pattern this content; None removes them."""
    for path in list(root.glob(files)):
        if content is not None:
            path.write_text(content)
        else:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_sorted(folder):
    """Both columns of utt2spk, in the C locale, as ESPnet and Kaldi expect it."""
    table = read_table(folder / "utt2spk")
    utts, speakers = list(table), list(table.values())
    return utts == sorted(utts) and speakers == sorted(speakers)


# LibriSpeech

LIBRI = "librispeech/units1"
SETS = ("--sets", "train=train-clean-100,dev=dev-clean+dev-other")


@pytest.fixture
def librispeech(tmp_path):
    """Speakers whose numbers are beginnings of others', two chapters, a transcript with CRLF."""
    for part in ("train-clean-100", "dev-clean", "dev-other"):
        for speaker, chapter in (("103", "1240"), ("1034", "121119"), ("1034", "99")):
            folder = tmp_path / "LibriSpeech" / part / speaker / chapter
            ending = {"train-clean-100": "", "dev-clean": "1", "dev-other": "2"}[part]
            name = f"{speaker}{ending}-{chapter}"
            lines = [f"{name}-{n:04} IT'S NUMBER {'ONE' * (n + 1)}" for n in range(2)]
            folder.mkdir(parents=True)
            end = "\r\n" if chapter == "99" else "\n"
            (folder / f"{name}.trans.txt").write_text(end.join(lines) + end)
            for line in lines:
                clip(folder / f"{line.split()[0]}.flac")
    return tmp_path


def test_librispeech(librispeech, tmp_path):
    done = prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS)
    assert "train: 6 utterances, 0.00 hours, 2 speakers" in done.stdout
    assert "dev-clean has 6 utterances, the published one 2703" in done.stderr
    train = tmp_path / "data/train"
    assert read_table(train / "text")["103-1240-0000"] == "it's number one"
    assert read_table(train / "utt2dur")["103-1240-0000"] == "0.500"
    assert is_sorted(train) and is_sorted(tmp_path / "data/dev")
    assert len(read_table(tmp_path / "data/dev/wav.scp")) == 12
    assert len(read_audio(read_table(train / "wav.scp")["1034-99-0001"], 16000)) == 8000


def test_librispeech_without_the_upper_folder_and_with_faults(librispeech, tmp_path):
    folder = librispeech / "LibriSpeech/train-clean-100/103/1240"
    clip(folder / "103-1240-0009.flac")  # without a text
    with open(folder / "103-1240.trans.txt", "a") as file:
        file.write("103-1240-0008 \n")  # without words
    done = prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech / "LibriSpeech", *SETS)
    assert "train: 6 utterances" in done.stdout
    assert "1 clip without text, 1 empty text" in done.stdout


@pytest.mark.parametrize(
    "files, content, message",
    [
        ("dev-other", None, "has neither LibriSpeech/dev-other nor dev-other"),
        (
            "dev-clean/103/*/*.flac",
            None,
            "dev: 2 of 12 clips are missing (1031-1240-0000, ...); th",
        ),
        ("dev-clean/103/*/1031-1240-0000.flac", "fLaC", "utt 1031-1240-0000: "),
        ("dev-clean/*/*/*.txt", None, "has no SPEAKER/CHAPTER/*.trans.txt; is it LibriSpeech?"),
        ("dev-clean/103/*/*.txt", "common_voice_1 A", "expected 'SPEAKER-CHAPTER-NUMBER text': '"),
    ],
)
def test_librispeech_refused(librispeech, tmp_path, files, content, message):
    change(librispeech / "LibriSpeech", files, content)
    prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS, refused=message)
    assert not (tmp_path / "data/dev/wav.scp").exists()
    words = ("--data_dir", librispeech, "--sets", "train=train-clean-10")
    prepare(LIBRI, tmp_path / "data", *words, refused="no part 'train-clean-10'")


@pytest.mark.parametrize("corpus", ["librispeech", "librispeech_100"])
@pytest.mark.parametrize("recipe", ["units1", "asr1"])
def test_librispeech_recipes_prepare_all_their_sets(tmp_path, corpus, recipe):
    parts = ["train-clean-100", "train-clean-360", "train-other-500"]
    for number, part in enumerate([*parts, "dev-clean", "dev-other", "test-clean", "test-other"]):
        folder = tmp_path / "LibriSpeech" / part / f"{number}" / "1"
        clip(folder / f"{number}-1-0000.flac")
        (folder / f"{number}-1.trans.txt").write_text(f"{number}-1-0000 HELLO\n")
    train = {"train_960": 3} if corpus == "librispeech" else {"train_clean_100": 1}
    one = dict.fromkeys(["dev_clean", "dev_other", "test_clean", "test_other"], 1)
    made = stage_1(f"{corpus}/{recipe}", tmp_path, "--data_dir", tmp_path)
    assert made == one | train | {"dev": 2}


def test_librispeech_at_other_speeds(librispeech, tmp_path):
    """asr1's --model ebranchformer trains on copies, as ESPnet's asr2 does."""
    prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS)
    words = ["--data", tmp_path / "data/train", "--nj", "1", "--factors", "0.9,1.1"]
    script = ROOT / "egs2/librispeech/asr1/local/perturb_speed.py"
    ran([script, *words, "--output", tmp_path / "data/train_sp"])
    names = ("wav.scp", "text", "utt2spk", "utt2dur")
    copies, *tables = (read_table(tmp_path / "data/train_sp" / name) for name in names)
    assert len(copies) == 18 and is_sorted(tmp_path / "data/train_sp")
    utt, original = "sp0.9-1034-99-0001", "1034-99-0001"
    assert len(read_audio(copies[utt], 16000)) == 8889
    assert [table[utt] for table in tables] == ["it's number oneone", "sp0.9-1034", "0.556"]
    assert copies[original] == read_table(tmp_path / "data/train/wav.scp")[original]


# Multilingual LibriSpeech

MLS = "mls_english/units1"


@pytest.fixture(params=["flac", "opus"])
def mls(request, tmp_path):
    """Speakers whose numbers are beginnings of others'; both editions."""
    root = tmp_path / f"mls_english{'_opus' if request.param == 'opus' else ''}"
    for part in ("train", "dev", "test"):
        names = [f"480_10_{number:06}" for number in range(2)] + ["4800_10003_000000"]
        for name in names:
            speaker, book, _ = name.split("_")
            clip(root / part / "audio" / speaker / book / f"{name}.{request.param}", rate=48000)
        texts = "".join(f"{n}\tit's well-known\n" for n in names)
        (root / part / "transcripts.txt").write_text(texts)
        segments = "".join(f"{n}\thttp://x/{n}.mp3\t10.5\t11.0\n" for n in names)
        (root / part / "segments.txt").write_text(segments)
    return tmp_path


def test_mls(mls, tmp_path):
    prepare(MLS, tmp_path / "data", "--data_dir", mls)
    train = tmp_path / "data/train"
    assert list(read_table(train / "utt2spk").items()) == [
        ("480-10-000000", "480"),
        ("480-10-000001", "480"),
        ("4800-10003-000000", "4800"),
    ]
    assert is_sorted(train)
    assert read_table(train / "text")["480-10-000000"] == "it's well known"
    assert set(read_table(train / "utt2dur").values()) == {"0.500"}
    assert len(read_audio(read_table(train / "wav.scp")["480-10-000000"], 16000)) == 8000


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("dev/transcripts.txt", None, "has no {train,dev,test}/transcripts.txt"),
        ("dev/segments.txt", None, "segments.txt cannot be read"),
        ("dev/segments.txt", "480_10_000000\thttp://x\t10.5\n", "expected 'id, address, begin"),
        ("dev/transcripts.txt", "480-10-0 text\n", "expected 'SPEAKER_BOOK_NUMBER<TAB>text'"),
        ("dev/transcripts.txt", "480_10_000000\t \n", "dev: no clips"),
    ],
)
@pytest.mark.parametrize("mls", ["flac"], indirect=True)
def test_mls_refused(mls, tmp_path, file, content, message):
    change(mls, f"mls_english*/{file}", content)
    prepare(MLS, tmp_path / "data", "--data_dir", mls, refused=message)
    assert not (tmp_path / "data/dev/wav.scp").exists()


def test_mls_with_missing_clips(mls, tmp_path):
    """Also the first one, which might tell the edition."""
    change(mls, "**/480_10_000000.*", None)
    missing = "1 of 3 clips are missing (480-10-000000"
    done = prepare(MLS, tmp_path / "data", "--data_dir", mls, refused=missing)
    assert "train has 3 transcripts, the published one 10808037" in done.stderr
    made = stage_1(MLS, tmp_path, "--data_dir", mls, "--max_missing", "0.5")
    assert made == {"train": 2, "dev": 2, "test": 2}


@pytest.mark.parametrize("mls", ["opus"], indirect=True)
@pytest.mark.parametrize("refused", [None, "has no sum of mls_english_opus.tar.gz"])
def test_mls_is_checked_by_the_published_list(mls, tmp_path, refused):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    archive = tmp_path / "mls_english_opus.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", mls, "mls_english_opus"], check=True)
    listed = "mls_polish.tar.gz" if refused else archive.name
    sums = f"{hashlib.md5(archive.read_bytes()).hexdigest()}  {listed}\n"
    (tmp_path / "md5sum.txt").write_text(sums)
    words = ("--url", f"file://{tmp_path}", "--downloads", tmp_path / "downloads")
    done = prepare(MLS, tmp_path / "data", *words, refused=refused)
    assert refused or "train: 3 utterances" in done.stdout


# CVSS-C

CVSS = "cvss/st1"
HEADER = "client_id\tpath\tsentence\tup_votes\n"


@pytest.fixture
def cvss(tmp_path):
    """Three clips a set; a sentence with a quotation mark, one without a translation."""
    folder, rows = tmp_path / "cvss_c_fr_en_v1.0", HEADER
    for name in ("train", "dev", "test"):
        clips = [f"common_voice_fr_{name}{number}.mp3" for number in range(3)]
        for c in clips:
            clip(folder / name / f"{c}.wav", rate=24000)
        (folder / f"{name}.tsv").write_text("".join(f"{c}\tHe’s “here”, No. 5.\n" for c in clips))
        rows += f'x\t{clips[0]}\t"Il est là.\t2\nx\t{clips[1]}\t\t2\n'
    (tmp_path / "validated.tsv").write_text(rows)
    return tmp_path


def translate(cvss, output, **options):
    words = ("--data_dir", cvss, "--common_voice", cvss / "validated.tsv", "--tgt_lang", "fr")
    return prepare(CVSS, output, *words, **options)


def test_cvss(cvss, tmp_path):
    done = translate(cvss, tmp_path / "data")
    train = tmp_path / "data/train"
    assert "3 utterances" in done.stdout and "1 not in Common Voice's table" in done.stdout
    names = [f"cvss-common_voice_fr_train{number}" for number in range(3)]
    assert list(read_table(train / "wav.scp")) == names and is_sorted(train)
    assert read_table(train / "text")[names[0]] == "he's here no 5"
    # An empty one is left out, and named, when pairs are selected.
    assert read_table(train / "text.tc.fr") == {names[0]: '"Il est là.', names[1]: ""}
    assert len(read_audio(read_table(train / "wav.scp")[names[0]], 16000)) == 8000


@pytest.mark.parametrize(
    "file, content, message",
    [
        ("validated.tsv", "client_id\tclip\ttext\n", "but path and sentence are needed"),
        ("validated.tsv", HEADER + "x\tcommon_voice_fr_train0.mp3", "was the download cut off?"),
        ("validated.tsv", HEADER + "x\tcommon_voice_es_1.mp3\tHola\t2\n", "is it the same lang"),
        ("cvss_c_fr_en_v1.0/dev.tsv", None, "has no {train,dev,test}.tsv"),
        ("cvss_c_fr_en_v1.0/train.tsv", "a.mp3 text\n", "expected 'NAME.mp3<TAB>text'"),
    ],
)
def test_cvss_refused(cvss, tmp_path, file, content, message):
    change(cvss, file, content)
    translate(cvss, tmp_path / "data", refused=message)


def test_cvss_says_what_has_to_be_fetched_by_hand(tmp_path):
    prepare(CVSS, tmp_path, "--tgt_lang", "zh", refused="commonvoice.mozilla.org", code=2)


# LibriTTS

LIBRITTS = "libritts/vc1"


@pytest.fixture
def libritts(tmp_path):
    """A clip of 4 s of each speaker and part, one without a text and one of 1 s besides."""
    parts = ("train-clean-100", "train-clean-360", "dev-clean", "test-clean")
    for number, part in enumerate(parts):
        for speaker in (f"1{number}", f"1{number}3"):
            folder = tmp_path / "LibriTTS" / part / speaker / "7"
            folder.mkdir(parents=True)
            for sentence, seconds in enumerate((4.0, 4.0, 1.0)):
                name = f"{speaker}_7_000001_{sentence:06}"
                clip(folder / f"{name}.wav", seconds, rate=24000)
                if sentence != 1:
                    (folder / f"{name}.normalized.txt").write_text("“It’s Mr. Bell,” he said.\n")
    return tmp_path


def test_libritts(libritts, tmp_path):
    done = prepare(LIBRITTS, tmp_path / "data", "--data_dir", libritts)
    train = tmp_path / "data/train"
    assert "2 clips without text" in done.stdout
    assert len(read_table(train / "wav.scp")) == 8 and is_sorted(train)
    assert read_table(train / "text")["10-7-000001-000000"] == "it's mr bell he said"
    pairs = read_pairs(tmp_path / "data/pairs.tsv")
    assert [(p.source_speaker, p.target_speaker) for p in pairs] == [("13", "133"), ("133", "13")]
    assert pairs[0].text == "it's mr bell he said"
    assert pairs[0].source.endswith("13_7_000001_000000.wav")


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("train-clean-360", "holds no SPEAKER/CHAPTER/*.wav with texts"),
        ("test-clean/133", "has one speaker alone"),
    ],
)
def test_libritts_refused(libritts, tmp_path, lost, message):
    change(libritts / "LibriTTS", lost, None)
    prepare(LIBRITTS, tmp_path / "data", "--data_dir", libritts, refused=message)
