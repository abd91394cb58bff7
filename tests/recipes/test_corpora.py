"""Preparations of the large corpora, on small trees with their layout, names and quirks."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
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


def prepare(recipe, output, *words):
    """local/data.sh of a recipe, run as units.sh and st.sh do."""
    return subprocess.run(
        ["bash", "local/data.sh", "--output", str(output), *map(str, words)],
        cwd=ROOT / "egs2" / recipe,
        capture_output=True,
        text=True,
        timeout=120,
        env=ENVIRONMENT,
    )


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
            name = f"{speaker}-{chapter}"
            if part != "train-clean-100":
                name = f"{speaker}{'1' if part == 'dev-clean' else '2'}-{chapter}"
            lines = [
                f"{name}-{number:04} IT'S NUMBER {'ONE' * (number + 1)}" for number in range(2)
            ]
            folder.mkdir(parents=True)
            end = "\r\n" if chapter == "99" else "\n"
            (folder / f"{name}.trans.txt").write_text(end.join(lines) + end)
            for line in lines:
                clip(folder / f"{line.split()[0]}.flac")
    return tmp_path


def test_librispeech(librispeech, tmp_path):
    done = prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS)
    assert done.returncode == 0, done.stderr
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
    assert done.returncode == 0, done.stderr
    assert "train: 6 utterances" in done.stdout
    assert "1 clip without text, 1 empty text" in done.stdout


def lose_part(root):
    shutil.rmtree(root / "LibriSpeech/dev-other")


def lose_clips(root):
    for path in (root / "LibriSpeech/dev-clean/103").rglob("*.flac"):
        path.unlink()


def cut_clip(root):
    path = root / "LibriSpeech/dev-clean/103/1240/1031-1240-0000.flac"
    path.write_bytes(path.read_bytes()[:20])


def other_corpus(root):
    for path in (root / "LibriSpeech/dev-clean").rglob("*.trans.txt"):
        path.rename(path.with_suffix(".lab"))


def other_transcript(root):
    path = root / "LibriSpeech/dev-clean/103/1240/1031-1240.trans.txt"
    path.write_text("common_voice_1 HELLO\n")


@pytest.mark.parametrize(
    "damage, message",
    [
        (lose_part, "has neither LibriSpeech/dev-other nor dev-other"),
        (
            lose_clips,
            "dev: 2 of 12 clips are missing (1031-1240-0000, ...); the copy is incomplete",
        ),
        (cut_clip, "utt 1031-1240-0000: "),
        (other_corpus, "has no SPEAKER/CHAPTER/*.trans.txt; is it LibriSpeech?"),
        (other_transcript, "expected 'SPEAKER-CHAPTER-NUMBER text': 'common_voice_1 HELLO'"),
    ],
)
def test_librispeech_refused(librispeech, tmp_path, damage, message):
    damage(librispeech)
    done = prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/dev/wav.scp").exists()


def test_librispeech_unknown_part(librispeech, tmp_path):
    words = ("--data_dir", librispeech, "--sets", "train=train-clean-10")
    done = prepare(LIBRI, tmp_path / "data", *words)
    assert done.returncode == 1 and "no part 'train-clean-10'" in done.stderr


@pytest.mark.parametrize("corpus", ["librispeech", "librispeech_100"])
@pytest.mark.parametrize("recipe", ["units1", "asr1"])
def test_librispeech_recipes_prepare_all_their_sets(tmp_path, corpus, recipe):
    parts = ["train-clean-100", "train-clean-360", "train-other-500"]
    for number, part in enumerate([*parts, "dev-clean", "dev-other", "test-clean", "test-other"]):
        folder = tmp_path / "LibriSpeech" / part / f"{number}" / "1"
        clip(folder / f"{number}-1-0000.flac")
        (folder / f"{number}-1.trans.txt").write_text(f"{number}-1-0000 HELLO\n")
    command = [ROOT / f"egs2/{corpus}/{recipe}/run.sh", "--stage", "1", "--stop_stage", "1"]
    command += [
        "--data_dir",
        tmp_path,
        "--datadir",
        tmp_path / "data",
        "--expdir",
        tmp_path / "exp",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    train = "train_960" if corpus == "librispeech" else "train_clean_100"
    made = {p.parent.name: len(read_table(p)) for p in (tmp_path / "data").glob("*/wav.scp")}
    one = dict.fromkeys(["dev_clean", "dev_other", "test_clean", "test_other"], 1)
    assert made == one | {train: 3 if corpus == "librispeech" else 1, "dev": 2}


def test_librispeech_at_other_speeds(librispeech, tmp_path):
    """asr1's --model ebranchformer trains on copies, as ESPnet's asr2 does."""
    done = prepare(LIBRI, tmp_path / "data", "--data_dir", librispeech, *SETS)
    assert done.returncode == 0, done.stderr
    command = ["local/perturb_speed.py", "--data", tmp_path / "data/train", "--nj", "1"]
    command += ["--factors", "0.9,1.1", "--output", tmp_path / "data/train_sp"]
    folder = ROOT / "egs2/librispeech/asr1"
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    copies = read_table(tmp_path / "data/train_sp/wav.scp")
    assert len(copies) == 18 and is_sorted(tmp_path / "data/train_sp")
    assert len(read_audio(copies["sp0.9-1034-99-0001"], 16000)) == 8889


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
        (root / part / "transcripts.txt").write_text(
            "".join(f"{n}\tit's well-known\n" for n in names)
        )
        segments = "".join(f"{n}\thttp://x/{n}.mp3\t10.5\t11.0\n" for n in names)
        (root / part / "segments.txt").write_text(segments)
    return tmp_path


def test_mls(mls, tmp_path):
    done = prepare(MLS, tmp_path / "data", "--data_dir", mls)
    assert done.returncode == 0, done.stderr
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
        (
            "dev/segments.txt",
            "480_10_000000\thttp://x\t10.5\n",
            "expected 'id, address, begin, end'",
        ),
        ("dev/transcripts.txt", "480-10-0 text\n", "expected 'SPEAKER_BOOK_NUMBER<TAB>text'"),
        ("dev/transcripts.txt", "480_10_000000\t \n", "dev: no clips"),
        ("dev/transcripts.txt", "1_2_3\thello\n", "dev: no clips"),
    ],
)
def test_mls_refused(mls, tmp_path, file, content, message):
    path = next(mls.glob(f"mls_english*/{file}"))
    path.unlink() if content is None else path.write_text(content)
    done = prepare(MLS, tmp_path / "data", "--data_dir", mls)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "data/dev/wav.scp").exists()


def lose_one_clip(mls):
    next(mls.rglob("480_10_000000.*")).unlink()


def test_mls_with_missing_clips(mls, tmp_path):
    """Also the first one, which might tell the edition."""
    for path in mls.rglob("480_10_000000.*"):
        path.unlink()
    done = prepare(MLS, tmp_path / "data", "--data_dir", mls)
    assert done.returncode == 1 and "1 of 3 clips are missing (480-10-000000" in done.stderr
    assert "train has 3 transcripts, the published one 10808037" in done.stderr
    done = prepare(MLS, tmp_path / "data", "--data_dir", mls, "--max_missing", "0.5")
    assert done.returncode == 0, done.stderr
    assert "2 utterances" in done.stdout and "1 clip missing" in done.stdout


@pytest.mark.parametrize("mls", ["opus"], indirect=True)
@pytest.mark.parametrize("sum_is", ["right", "wrong", "not there"])
def test_mls_is_checked_by_the_published_list(mls, tmp_path, sum_is):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    archive = tmp_path / "mls_english_opus.tar.gz"
    subprocess.run(["tar", "-czf", archive, "-C", mls, "mls_english_opus"], check=True)
    listed = {"right": md5_of(archive), "wrong": "0" * 32}.get(sum_is)
    lines = f"{'1' * 32}  mls_polish.tar.gz\n"
    lines += f"{listed}  {archive.name}\n" if listed else ""
    (tmp_path / "md5sum.txt").write_text(lines)
    words = ("--url", f"file://{tmp_path}", "--downloads", tmp_path / "downloads")
    done = prepare(MLS, tmp_path / "data", *words)
    if sum_is == "right":
        assert done.returncode == 0, done.stderr
        assert "train: 3 utterances" in done.stdout
    else:
        said = {"wrong": "had another md5", "not there": "has no sum of mls_english_opus.tar.gz"}
        assert done.returncode == 1 and said[sum_is] in done.stderr


def test_mls_recipe_prepares_its_sets(mls, tmp_path):
    command = [ROOT / "egs2/mls_english/units1/run.sh", "--stage", "1", "--stop_stage", "1"]
    command += ["--data_dir", mls, "--max_missing", "0.5", "--datadir", tmp_path / "data"]
    command += ["--expdir", tmp_path / "exp"]
    lose_one_clip(mls)
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr
    made = [len(read_table(tmp_path / "data" / name / "wav.scp")) for name in ("train", "dev")]
    assert sum(made) + len(read_table(tmp_path / "data/test/wav.scp")) == 8


# CVSS-C

CVSS = "cvss/st1"
HEADER = "client_id\tpath\tsentence\tup_votes\n"


@pytest.fixture
def cvss(tmp_path):
    """Three clips a set; a sentence with a quotation mark, one without a translation."""
    for name in ("train", "dev", "test"):
        clips = [f"common_voice_fr_{name}{number}.mp3" for number in range(3)]
        (tmp_path / "cvss_c_fr_en_v1.0").mkdir(exist_ok=True)
        table = tmp_path / "cvss_c_fr_en_v1.0" / f"{name}.tsv"
        table.write_text("".join(f"{c}\tHe’s “here”, No. 5.\n" for c in clips))
        for c in clips:
            clip(tmp_path / "cvss_c_fr_en_v1.0" / name / f"{c}.wav", rate=24000)
    rows = [f'x\tcommon_voice_fr_{n}0.mp3\t"Il est là.\t2\n' for n in ("train", "dev", "test")]
    rows += [f"x\tcommon_voice_fr_{n}1.mp3\t\t2\n" for n in ("train", "dev", "test")]
    (tmp_path / "validated.tsv").write_text(HEADER + "".join(rows))
    return tmp_path


def translate(cvss, output, lang="fr"):
    words = ("--data_dir", cvss, "--common_voice", cvss / "validated.tsv", "--tgt_lang", lang)
    return prepare(CVSS, output, *words)


def test_cvss(cvss, tmp_path):
    done = translate(cvss, tmp_path / "data")
    assert done.returncode == 0, done.stderr
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
        (
            "validated.tsv",
            HEADER + "x\tcommon_voice_es_1.mp3\tHola\t2\n",
            "is it the same language",
        ),
        ("cvss_c_fr_en_v1.0/dev.tsv", None, "has no {train,dev,test}.tsv"),
        ("cvss_c_fr_en_v1.0/train.tsv", "a.mp3 text\n", "expected 'NAME.mp3<TAB>text'"),
    ],
)
def test_cvss_refused(cvss, tmp_path, file, content, message):
    (cvss / file).unlink() if content is None else (cvss / file).write_text(content)
    done = translate(cvss, tmp_path / "data")
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_cvss_says_what_has_to_be_fetched_by_hand(tmp_path):
    done = prepare(CVSS, tmp_path, "--tgt_lang", "zh")
    assert done.returncode == 2 and "commonvoice.mozilla.org" in done.stderr


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
    assert done.returncode == 0, done.stderr
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
    shutil.rmtree(libritts / "LibriTTS" / lost)
    done = prepare(LIBRITTS, tmp_path / "data", "--data_dir", libritts)
    assert done.returncode == 1 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


# Downloads

DOWNLOAD = ROOT / "egs2/TEMPLATE/utils/download.sh"


def download(url, folder, *md5):
    return subprocess.run(
        ["bash", DOWNLOAD, url, folder, *md5], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def archive(tmp_path):
    """A file that curl fetches by its address."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    (tmp_path / "inside").write_text("content " * 1000)
    command = ["tar", "-czf", tmp_path / "corpus.tar.gz", "-C", tmp_path, "inside"]
    subprocess.run(command, check=True)
    return tmp_path / "corpus.tar.gz"


def md5_of(path):
    return subprocess.check_output(["md5sum", path], text=True).split()[0]


def test_a_download_is_continued_checked_and_done_once(archive, tmp_path):
    folder = tmp_path / "downloads"
    folder.mkdir()
    half = archive.read_bytes()[: archive.stat().st_size // 2]
    (folder / "corpus.tar.gz.part").write_bytes(half)
    done = download(f"file://{archive}", folder, md5_of(archive))
    assert done.returncode == 0, done.stderr
    assert (folder / "inside").read_text() == (tmp_path / "inside").read_text()
    assert not (folder / "corpus.tar.gz").exists()
    assert "unpacked already" in download("file:///nothing/corpus.tar.gz", folder).stdout


class Ranges(http.server.BaseHTTPRequestHandler):
    """A server that gives the rest of a file, and 416 where nothing is left."""

    content = b""

    def do_GET(self):
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        rest = self.content[begin:]
        self.send_response(416 if not rest else 206 if begin else 200)
        if begin:
            what = f"{begin}-{begin + len(rest) - 1}" if rest else "*"
            self.send_header("Content-Range", f"bytes {what}/{len(self.content)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)

    def log_message(self, *words):
        pass


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_a_download_goes_on_over_http(archive, tmp_path, monkeypatch, share):
    """Also one that was whole when its run was killed, before it had its name."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    content = archive.read_bytes()
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "corpus.tar.gz.part").write_bytes(content[: round(share * len(content))])
    handler = type("Handler", (Ranges,), {"content": content})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/corpus.tar.gz"
        done = download(url, folder, md5_of(archive))
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert (folder / "inside").read_text() == (tmp_path / "inside").read_text()


def test_a_wrong_or_cut_off_archive_is_removed(archive, tmp_path):
    folder = tmp_path / "downloads"
    done = download(f"file://{archive}", folder, "0" * 32)
    assert done.returncode == 1 and "had another md5" in done.stderr
    archive.write_bytes(archive.read_bytes()[:100])
    done = download(f"file://{archive}", folder)
    assert done.returncode == 1 and "could not be unpacked and was removed" in done.stderr
    assert not list(folder.glob("corpus*"))


def test_a_missing_address_is_named(tmp_path):
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    done = download("file:///nothing/corpus.tar.gz", tmp_path)
    assert done.returncode == 1 and "could not be fetched" in done.stderr
