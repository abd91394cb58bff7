"""Data of egs2/core_sounds: normaliser, committed split, preparation of a small made-up copy."""

import gzip
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from espnet_entropy.data.kaldi import read_table

soundfile = pytest.importorskip("soundfile")


@pytest.mark.parametrize(
    ("lang", "raw", "expected"),
    [
        ("en", "Press 1,  or 9 to   exit.", "press one or nine to exit"),
        ("en", "dial 500 with a 28.8", "dial five zero zero with a twenty eight point eight"),
        ("en", "your party's 'first' name; o'clock", "your party's first name o'clock"),
        ("en", 'a polite "don\'t call" menu', "a polite don't call menu"),
        ("en", "3D audio: an Inter-Asterisk Exchange", "three d audio an inter asterisk exchange"),
        ("en", "press * or #", "press star or pound"),
        ("en", "visit www.asterisk.org.", "visit www dot asterisk dot org"),
        ("en", 'IAX (note: does not say "2")', "iax"),
        ("en", "dash [-]", "dash"),
        ("en", "[ascending tones]", ""),
        ("en", "<beep ascending>", ""),
        ("en", " ... ", ""),
        ("es", "u 8. ¿Buzón?", "u ocho buzón"),
        ("fr", "appuyez sur 5.Pour l’aide, dossier…", "appuyez sur cinq pour l'aide dossier"),
        ("fr", "e\u0301coutez", "écoutez"),
        ("it", "componi l'1234", "componi l'uno due tre quattro"),
        ("it", "attivare/disattivare", "attivare disattivare"),
        ("ru", "Нажмите 1 - «решётку»", "нажмите один решетку"),
        ("ru", "первoe сообщение Asterisk", "первое сообщение asterisk"),
    ],
)
def test_normalize(local, lang, raw, expected):
    normalize = local["normalize"].normalize
    assert normalize(raw, lang) == expected
    assert normalize(expected, lang) == expected
    with pytest.raises(ValueError, match="'xx'.*en es fr it ru"):
        normalize(raw, "xx")


def test_strip_annotations_keeps_case_and_punctuation(local):
    strip = local["normalize"].strip_annotations
    assert strip("  Enter  4, (softly) please. [beep]") == "Enter 4, please."
    assert strip('suivi du dièse."') == "suivi du dièse."


def test_committed_split(local):
    split = local["prepare_data"].read_split(local["prepare_data"].HERE / "split.tsv")
    english = defaultdict(list)
    for name, (set_name, langs) in split.items():
        if "en" in langs:
            english[set_name].append(name)
        assert langs <= set(local["normalize"].LANGS)
    assert len(english["test"]) >= 105
    assert len(english["dev"]) >= 55
    assert len(english["train"]) >= 350
    assert list(split) == sorted(split)
    short = [n for n in split if n.startswith(("letters/", "digits/", "phonetic/"))]
    assert {split[n][0] for n in short if "en" in split[n][1]} == {"train"}
    non_speech = local["prepare_data"].NON_SPEECH
    assert not [name for name in split if non_speech.fullmatch(name)]


def test_split_keeps_equal_and_contained_texts_together(local):
    module, prompt = local["make_split"], local["prepare_data"].Prompt

    def prompts(**texts):
        return [prompt(name, Path(name), text, text) for name, text in texts.items()]

    filler = {f"f{i}": f"some words number{i} here" for i in range(20)}
    by_lang = {
        "en": prompts(
            a="one two three", b="four five six", c="say one two three now", d="hi", **filler
        ),
        "it": prompts(a="uno", b="due", d="due"),
    }  # b and d share an Italian text, a stands in c
    groups = module.make_groups(by_lang, near=True)
    assert ["a", "c"] in groups and ["b", "d"] in groups
    assert ["c"] in module.make_groups(by_lang, near=False)
    words = {p.name: len(p.text.split()) for p in by_lang["en"]}
    for seed in range(5):
        split = module.choose(groups, words, {"test": 12, "dev": 8}, seed)
        assert split == module.choose(groups, words, {"test": 12, "dev": 8}, seed)
        assert split["a"] == split["c"]
        assert split["b"] == split["d"] == "train"  # "hi" is too short to be held out
        assert module.near_leaks(by_lang["en"], split) == 0
    with pytest.raises(ValueError, match="English prompts"):
        module.choose(groups, words, {"test": 1000}, 0)


def refused(result, *said):
    assert result.returncode != 0
    assert all(part in result.stderr for part in said), result.stderr


def clip(copy, name):
    return copy["source"] / f"usr/share/asterisk/sounds/en_US_f_Nobody/{name}.g722"


def test_prepare_data(copy, prepare):
    result = prepare(copy)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("prepare_data.py: 4 utterances, 0.00 hours")
    for reason in ("non-speech", "empty text", "text without audio", "prompt not in split.tsv"):
        assert f"en: 1 x {reason}" in result.stderr
    train, audio = copy["output"] / "train_en", copy["output"] / "audio/en"
    for name, one, other in (
        ("wav.scp", f"{audio}/digits/1.flac", f"{audio}/greeting.flac"),
        ("text", "one", "hello caller"),
        ("text.tc", "one", "Hello, caller!"),
        ("utt2prompt", "digits/1", "greeting"),
        ("utt2dur", "0.640", "0.640"),
        ("utt2spk", "voice-a", "voice-a"),
    ):
        expected = {"voice-a-en-digits_1": one, "voice-a-en-greeting": other}
        assert read_table(train / name) == expected
    assert (train / "spk2utt").read_text() == "voice-a voice-a-en-digits_1 voice-a-en-greeting\n"
    assert "press one for help" in (copy["output"] / "dev_en/text").read_text()
    wave, rate = soundfile.read(audio / "menu.flac", dtype="int16")
    assert (rate, wave.shape) == (16000, (2 * clip(copy, "menu").stat().st_size,))
    assert np.abs(wave).max() > 1000
    assert not list(copy["output"].rglob("*.partial"))


def test_interrupted_work_resumes(copy, prepare):
    assert prepare(copy).returncode == 0
    audio = copy["output"] / "audio/en"
    whole = (audio / "menu.flac").read_bytes()
    (audio / "menu.flac").write_bytes(whole[: len(whole) // 2])
    kept = os.stat(audio / "agent.flac").st_mtime_ns
    assert prepare(copy).returncode == 0
    assert (audio / "menu.flac").read_bytes() == whole
    assert os.stat(audio / "agent.flac").st_mtime_ns == kept


def test_changed_content_is_refused(copy, prepare):
    clip(copy, "menu").write_bytes(clip(copy, "menu").read_bytes()[:-100])
    said = ("package asterisk-core-sounds-en-g722", "--data_dir", "--skip_checksums true")
    refused(prepare(copy), *said)
    assert not copy["output"].exists()
    assert prepare(copy, "--skip_checksums").returncode == 0


def test_changed_source_of_equal_length_is_decoded_again(copy, prepare):
    assert prepare(copy, "--skip_checksums").returncode == 0
    flac = copy["output"] / "audio/en/menu.flac"
    before, source = flac.read_bytes(), clip(copy, "menu")
    times = os.stat(source)
    source.write_bytes(source.read_bytes()[::-1])
    # Unpacking a package keeps its old times of modification.
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert prepare(copy, "--skip_checksums").returncode == 0
    assert flac.read_bytes() != before


def test_cut_off_transcript_is_refused(copy, prepare):
    path = next(copy["source"].rglob("*.txt.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    refused(prepare(copy, "--skip_checksums"), path.name, "fetch it again")


def test_cut_off_clip_and_missing_clips(copy, prepare):
    clip(copy, "agent").write_bytes(clip(copy, "agent").read_bytes()[:800])  # 0.1 s, 19 letters
    said = ("too short for its text", "1 of 4 split.tsv prompts are missing (agent", "--data_dir")
    refused(prepare(copy, "--skip_checksums"), *said)


def test_text_overlap_is_an_error(copy, prepare):
    copy["split"].write_text(copy["split"].read_text() + "unknown\ttest\ten\n")
    path = next(copy["source"].rglob("*.txt.gz"))
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace("Nobody split this.", "hello - CALLER").encode()))
    refused(prepare(copy, "--skip_checksums"), "text overlap", "'hello caller'")


def test_copy_in_the_tarballs_layout(copy, prepare, local):
    flat = copy["source"].parent / "flat"
    flat.mkdir()
    clip(copy, "menu").parent.rename(flat / "en")
    path = next(copy["source"].rglob("*.txt.gz"))
    (flat / "core-sounds-en.txt").write_bytes(gzip.decompress(path.read_bytes()))
    assert prepare(copy | {"source": flat}).returncode == 0
    (flat / "core-sounds-en.txt").unlink()
    with pytest.raises(ValueError, match="core-sounds-en.txt.*asterisk-core-sounds-en"):
        local["packages"].find_language(flat, "en")
    with pytest.raises(ValueError, match="'it'.*asterisk-core-sounds-it-g722"):
        local["packages"].find_language(flat, "it")
    with pytest.raises(ValueError, match="no such folder"):
        local["packages"].find_language(flat / "nowhere", "en")


def test_parse_transcript_repairs(local):
    lines = [
        "\ufeff; comment",
        "a: uno. b-c: due",
        "b-c: tre",
        "zero: 0",
        "zero: 10",
        "d: d-e: quattro",
        "sar: sar? la linea ? attiva. Buzon?",
    ]
    texts, faults = local["packages"].parse_transcript("\n".join(lines).encode(), "it")
    assert texts == {
        "a": "uno.",
        "b-c": "tre",
        "zero": "0",
        "d": "",
        "d-e": "quattro",
        "sar": "sarà la linea è attiva. Buzon?",
    }
    assert faults == {"records glued into one line": 2, "second transcript of one prompt": 1}


def test_reduced_sets_are_shared_and_deterministic(local, tmp_path):
    module = local["prepare_data"]
    audio = tmp_path / "a.g722"
    audio.write_bytes(b"\0" * 8000)
    make = {
        lang: [module.Prompt(f"p{i}", audio, "x", "x") for i in range(100) if i % skip]
        for lang, skip in (("en", 7), ("it", 5))
    }
    by_lang = {lang: {s: prompts for s in module.SETS} for lang, prompts in make.items()}
    reduced = module.reduce_sets(by_lang)
    for set_name, size in module.REDUCED.items():
        names = [[p.name for p in reduced[lang][set_name]] for lang in ("en", "it")]
        assert names[0] == names[1] and len(names[0]) == size
    assert reduced == module.reduce_sets(by_lang)


def test_what_whisper_hears_is_normalised_as_the_references_are(local, tmp_path, monkeypatch):
    module, heard = local["whisper_text"], {8000: "Press 1, or *!", 4000: "..."}
    monkeypatch.setattr(module, "whisper_judge", lambda model: lambda wave: heard[len(wave)])
    for name, samples in (("b", 8000), ("a", 4000)):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(samples), 16000)
    scp = "".join(f"{name} {tmp_path / name}.wav\n" for name in "ab")
    (tmp_path / "wav.scp").write_text(scp)
    words = ["--data", str(tmp_path), "--model", "none", "--output", str(tmp_path / "text")]
    module.main(words)
    assert read_table(tmp_path / "text") == {"a": "", "b": "press one or star"}
