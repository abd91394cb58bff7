"""force_align: a folder to two CTM files; what cannot be aligned is listed."""

import json

import numpy as np
import pytest
import soundfile
import tiny

from espnet_entropy.bin import force_align
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.evaluate import align_set
from espnet_entropy.evaluate.alignment import Interval, read_ctm, write_ctm
from espnet_entropy.evaluate.force_align import Aligned


def halves(waveform: np.ndarray, text: str) -> Aligned:
    """An aligner whose words are all equally long."""
    words = text.split()
    if "xqzt" in words:
        raise ValueError("not in the dictionary: xqzt")
    edges = np.linspace(0, len(waveform) / 16000, len(words) + 1)
    made = [Interval(a, b, w) for a, b, w in zip(edges, edges[1:], words, strict=False)]
    return Aligned(made, [Interval(a, b, w[0].upper()) for a, b, w in made])


@pytest.fixture
def data(tmp_path, monkeypatch):
    calls = []

    def aligner(waveform, text):
        calls.append(text)
        return halves(waveform, text)

    monkeypatch.setattr(align_set, "sphinx_aligner", lambda **_: aligner)
    monkeypatch.setattr(align_set, "PART_SIZE", 2)
    folder = tiny.make_data(tmp_path / "data", tiny.SECONDS)
    return folder, calls


def test_alignments_and_what_is_left_out(data, tmp_path, capsys):
    folder, _ = data
    write_table(folder / "text", read_table(folder / "text") | {"utt-b": "two xqzt"})
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    words = read_ctm(tmp_path / "out/words.ctm")
    assert sorted(words) == ["utt-a", "utt-c", "utt-d", "utt-e"]
    assert words["utt-a"] == [Interval(0.0, 0.65, "one"), Interval(0.65, 1.3, "two")]
    assert [i.label for i in read_ctm(tmp_path / "out/phones.ctm")["utt-d"]] == ["T", "O"]
    assert [i.label for i in read_ctm(tmp_path / "out/syllables.ctm")["utt-d"]] == ["T", "O"]
    assert read_table(tmp_path / "out/left_out") == {"utt-b": "not in the dictionary: xqzt"}
    assert "4 utterances aligned, 1 left out" in capsys.readouterr().out


def test_parts_are_made_once_and_other_texts_again(data, tmp_path):
    folder, calls = data
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert len(calls) == 5
    first = (tmp_path / "out/words.ctm").read_text()
    # What an interrupted run has left is completed.
    (tmp_path / "out/words.ctm").unlink()
    sorted((tmp_path / "out/parts").glob("*.json"))[0].unlink()
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert 6 <= len(calls) <= 7 and (tmp_path / "out/words.ctm").read_text() == first
    done = len(calls)
    write_table(folder / "text", read_table(folder / "text") | {"utt-e": "two"})
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert calls[done:] == ["two"]
    assert len(read_ctm(tmp_path / "out/words.ctm")["utt-e"]) == 1


def test_parts_of_other_recordings_are_made_again(data, tmp_path):
    folder, calls = data
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    calls.clear()
    # A longer recording under the same name.
    (folder / "utt-e.wav").write_bytes((folder / "utt-d.wav").read_bytes())
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert calls == ["two three"]
    assert read_ctm(tmp_path / "out/words.ctm")["utt-e"][-1].end_sec == pytest.approx(1.62)
    # Parts of an older version have no record.
    for record in (tmp_path / "out/parts").glob("*.made_from"):
        record.unlink()
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert len(calls) == 6


def test_phones_of_another_aligner_are_removed(data, tmp_path, monkeypatch):
    folder, _ = data
    model = tmp_path / "whisper"
    model.mkdir()
    (model / "model.bin").write_bytes(b"weights")

    def words_alone(waveform, text):
        return Aligned(halves(waveform, text).words, [])

    monkeypatch.setattr(align_set, "whisper_aligner", lambda path: words_alone)
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    assert (tmp_path / "out/phones.ctm").exists()
    tiny.command(force_align, data=folder, output=tmp_path / "out", whisper=model)
    assert not (tmp_path / "out/phones.ctm").exists()
    # Other weights under the same path.
    parts = set((tmp_path / "out/parts").glob("*.json"))
    before = {path: path.stat().st_mtime_ns for path in parts}
    (model / "model.bin").write_bytes(b"WEIGHTS")
    tiny.command(force_align, data=folder, output=tmp_path / "out", whisper=model)
    assert sum(path.stat().st_mtime_ns != before[path] for path in parts) == 3


def test_noise_and_guessed_words_have_parts_of_their_own(data, tmp_path, monkeypatch):
    folder, calls = data
    heard, guessed = [], []

    def aligner(*, guess_words):
        guessed.append(guess_words)
        return lambda waveform, text: heard.append(waveform) or halves(waveform, text)

    monkeypatch.setattr(align_set, "sphinx_aligner", aligner)
    tiny.command(force_align, data=folder, output=tmp_path / "out")
    clean = heard[0]
    tiny.command(force_align, data=folder, output=tmp_path / "out", snr_db=20)
    tiny.command(force_align, "--guess_words", data=folder, output=tmp_path / "out")
    assert len(heard) == 15 and guessed == [False, False, True]
    noise = heard[5] - clean
    assert np.mean(noise**2) == pytest.approx(0.01 * np.mean(clean**2), rel=0.05)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ({"utt-a": "xqzt", "utt-b": "xqzt"}, {}, "2 of 5 utterances could not be aligned, 0.2"),
        (dict.fromkeys(tiny.SECONDS, "xqzt"), dict(max_left_out_share=1), "5 of 5 utterances"),
        ({}, dict(nj=0), "--nj is 0"),
        ({"utt-c": None}, {}, "text lacks 1 utterances (utt-c"),
        ({}, dict(data="nowhere"), "nowhere/wav.scp cannot be read"),
        ({}, dict(whisper="nowhere"), "nowhere holds no model.bin"),
    ],
)
def test_refused(data, tmp_path, texts, options, message):
    folder, _ = data
    table = read_table(folder / "text") | texts
    write_table(folder / "text", {utt: text for utt, text in table.items() if text is not None})
    with pytest.raises(SystemExit) as end:
        tiny.command(force_align, **dict(data=folder, output=tmp_path / "out") | options)
    assert message in str(end.value.code)
    assert not (tmp_path / "out/words.ctm").exists()


def test_agreement_with_another_aligner(data, tmp_path, capsys):
    folder, _ = data
    tiny.command(force_align, data=folder, output=tmp_path / "one")
    words = read_ctm(tmp_path / "one/words.ctm")
    later = {u: [Interval(a + 0.02, b + 0.02, w) for a, b, w in v] for u, v in words.items()}
    write_ctm(tmp_path / "other.ctm", later)
    options = dict(compare_with=tmp_path / "other.ctm")
    tiny.command(force_align, data=folder, output=tmp_path / "one", **options)
    made = json.loads((tmp_path / "one/agreement.json").read_text())
    assert made["num_words"] == 10 and made["start_bias_sec"] == pytest.approx(-0.02)
    assert "this aligner later by -20 ms" in capsys.readouterr().out


def test_processes_give_what_one_gives(tmp_path):
    """With the real aligner, of sounds in which it finds no path or anything at all."""
    pytest.importorskip("pocketsphinx")
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(0)
    names = [f"u{n:03d}" for n in range(align_set.PART_SIZE + 1)]
    for name in names[:2]:
        soundfile.write(folder / f"{name}.wav", 0.05 * rng.standard_normal(6400), 16000)
    paths = {n: str(folder / f"{names[k % 2]}.wav") for k, n in enumerate(names)}
    write_table(folder / "wav.scp", paths)
    write_table(folder / "text", dict.fromkeys(names, "xqzt") | {names[-1]: "she", names[0]: "a"})
    options = dict(data=folder, max_left_out_share=1)
    tiny.command(force_align, output=tmp_path / "one", **options)
    tiny.command(force_align, output=tmp_path / "two", nj=2, **options)
    for file in ("words.ctm", "phones.ctm", "left_out"):
        assert (tmp_path / "one" / file).read_text() == (tmp_path / "two" / file).read_text()
