"""`espnet-entropy tokenize`: every format says the same, and agrees with the dump."""

import json
import re
import shutil

import kaldiio
import numpy as np
import pytest
import soundfile
import tiny

from espnet_entropy.bin import tokenize_recordings
from espnet_entropy.data import read_table, write_table
from espnet_entropy.dump import read_dump

OPTIONS = dict(segmenter="peaks", rate=10)


@pytest.fixture
def tokenize(parts):
    def call(*words, **options):
        tiny.command(tokenize_recordings, *words, bundle=parts.bundle, **(OPTIONS | options))

    return call


def read_json(text):
    return {made["name"]: made for made in map(json.loads, text.splitlines())}


def test_json_is_the_dump_with_times(parts, tokenize, capsys):
    tokenize(wav_scp=parts.wav_scp, format="json")
    captured = capsys.readouterr()
    assert re.search(r"tokenize: 5 utterances.* segments/s", captured.err)
    made = read_json(captured.out)
    assert list(made) == list(tiny.SECONDS)
    for utt, units, entropies in read_dump(parts.dump):
        one = made[utt]
        assert one["units"] == units.tolist()
        np.testing.assert_allclose(one["entropies"], entropies, atol=1e-4)
        assert one["duration_sec"] == pytest.approx(len(units) / 50)
        assert [u for s in one["segments"] for u in s["units"]] == one["units"]
        assert one["segments"][0]["start_sec"] == 0
        assert one["segments"][-1]["end_sec"] == pytest.approx(one["duration_sec"], abs=1e-4)
        for segment, after in zip(one["segments"], one["segments"][1:], strict=False):
            assert segment["end_sec"] == after["start_sec"]
        assert one["rate_hz"] == pytest.approx(len(one["segments"]) / one["duration_sec"], abs=1e-3)


def test_a_lead_moves_the_boundaries(parts, tokenize, capsys):
    starts = []
    for lead in (0, 2):
        tokenize(wav_scp=parts.wav_scp, format="json", lead=lead)
        segments = read_json(capsys.readouterr().out)["utt-a"]["segments"]
        starts.append([round(50 * segment["start_sec"]) for segment in segments])
    # Those that would lie at the start or before it are gone.
    assert starts[1] == [0, *(start - 2 for start in starts[0] if start > 2)]


def test_text_says_the_same(parts, tokenize, capsys, tmp_path):
    tokenize(wav_scp=parts.wav_scp, format="json")
    made = read_json(capsys.readouterr().out)
    tokenize(wav_scp=parts.wav_scp, output=tmp_path / "units.txt")
    for line in (tmp_path / "units.txt").read_text().splitlines():
        name, rest = line.split(" ", 1)
        segments = [
            [
                int(unit)
                for unit, n in (run.split(":") for run in part.split())
                for _ in range(int(n))
            ]
            for part in rest.split(" | ")
        ]
        assert segments == [segment["units"] for segment in made[name]["segments"]]
        assert not re.search(r"\b(\d+):\d+ \1:", rest), "a run in two parts"


def read_textgrid(path):
    """{tier: [(start, end, text)]}: a strict reader of Praat's long format."""
    lines = iter(path.read_text().splitlines())

    def expect(pattern):
        found = re.fullmatch(pattern, next(lines))
        assert found, pattern
        return found[1] if found.groups() else None

    expect('File type = "ooTextFile"')
    expect('Object class = "TextGrid"')
    expect("")
    assert expect(r"xmin = (\S+)") == "0"
    end = float(expect(r"xmax = (\S+)"))
    expect("tiers. <exists>")
    tiers = {}
    for number in range(1, int(expect(r"size = (\d+)")) + 1):
        if number == 1:
            expect(r"item \[\]:")
        expect(rf" {{4}}item \[{number}\]:")
        expect(' {8}class = "IntervalTier"')
        name = expect(' {8}name = "(.*)"')
        assert float(expect(r" {8}xmin = (\S+)")) == 0
        assert float(expect(r" {8}xmax = (\S+)")) == end
        tiers[name] = []
        for place in range(1, int(expect(r" {8}intervals: size = (\d+)")) + 1):
            expect(rf" {{8}}intervals \[{place}\]:")
            start, stop = (float(expect(rf" {{12}}{key} = (\S+)")) for key in ("xmin", "xmax"))
            tiers[name].append((start, stop, expect(' {12}text = "(.*)"')))
        assert tiers[name][-1][1] == end
    assert not list(lines)
    return tiers


def test_textgrids_say_the_same_and_are_not_made_twice(parts, tokenize, capsys, tmp_path):
    tokenize(wav_scp=parts.wav_scp, format="json")
    made = read_json(capsys.readouterr().out)
    tokenize(wav_scp=parts.wav_scp, format="textgrid", output=tmp_path)
    for name, one in made.items():
        tiers = read_textgrid(tmp_path / f"{name}.TextGrid")
        assert [[int(u) for u in text.split()] for *_, text in tiers["segments"]] == [
            segment["units"] for segment in one["segments"]
        ]
        units = [
            int(text)
            for start, end, text in tiers["units"]
            for _ in range(round((end - start) * 50))
        ]
        assert units == one["units"]
    before = (tmp_path / "utt-a.TextGrid").stat().st_mtime_ns
    (tmp_path / "utt-b.TextGrid").unlink()
    capsys.readouterr()
    tokenize(wav_scp=parts.wav_scp, format="textgrid", output=tmp_path)
    assert "4 are there already" in capsys.readouterr().err
    assert (tmp_path / "utt-a.TextGrid").stat().st_mtime_ns == before
    assert (tmp_path / "utt-b.TextGrid").exists()


def test_arks_say_the_same(parts, tokenize, capsys, tmp_path):
    tokenize(wav_scp=parts.wav_scp, format="json")
    made = read_json(capsys.readouterr().out)
    tokenize(wav_scp=parts.wav_scp, format="ark", output=tmp_path)
    units = kaldiio.load_scp(str(tmp_path / "units.scp"))
    lengths = kaldiio.load_scp(str(tmp_path / "segment_lengths.scp"))
    for name, one in made.items():
        assert units[name][:, 0].astype(int).tolist() == one["units"]
        assert lengths[name].tolist() == [len(segment["units"]) for segment in one["segments"]]


def test_files_and_lists_are_taken(parts, tokenize, capsys, tmp_path):
    path = read_table(parts.wav_scp)["utt-a"]
    odd = tmp_path / "é a (1).wav"
    shutil.copy(path, odd)
    tokenize(path, str(odd))
    first, second = capsys.readouterr().out.splitlines()
    assert first.removeprefix(path) == second.removeprefix(str(odd))
    (tmp_path / "list").write_text(f"{path}\n\n{odd}\n")
    tokenize(list=tmp_path / "list")
    assert capsys.readouterr().out.splitlines() == [first, second]


@pytest.mark.parametrize(
    "words, options, message",
    [
        ([], {}, "give sound files, or --wav_scp, or --list: one of them"),
        (["none.wav"], {}, "none.wav: there is no file none.wav"),
        ([__file__], {}, "error: [^ ]*test_tokenize_recordings.py cannot be decoded"),
        ([__file__], dict(format="textgrid"), "--format textgrid needs --output"),
        ([__file__], dict(rate=49.9), "outside of what 'peaks' reached"),
        ([__file__], dict(segmenter="bpe2"), "bpe2"),
        ([], dict(list="none"), "none cannot be read"),
    ],
)
def test_refusals(tokenize, words, options, message):
    with pytest.raises(SystemExit, match=message):
        tokenize(*words, **options)


def test_names_that_would_collide_are_refused(parts, tokenize, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(read_table(parts.wav_scp)["utt-a"], tmp_path / folder / "x y.wav")
    files = [str(tmp_path / folder / "x y.wav") for folder in ("a", "b")]
    with pytest.raises(SystemExit, match="two recordings have one file name"):
        tokenize(*files, format="textgrid", output=tmp_path / "out")
    with pytest.raises(SystemExit, match="has blanks"):
        tokenize(*files, format="ark", output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_short_file_is_named_once(tokenize, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, tiny.wave(0, 0.005), 16000)
    with pytest.raises(SystemExit, match=f"^error: {path}: 80 samples .* are too short"):
        tokenize(str(path))


def test_a_broken_recording_in_the_middle_is_named_and_leaves_no_file(parts, tokenize, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"no sound")
    table = read_table(parts.wav_scp) | {"utt-x": str(tmp_path / "broken.wav")}
    write_table(tmp_path / "wav.scp", table)
    with pytest.raises(SystemExit, match="utt-x: .*broken.wav cannot be decoded"):
        tokenize(wav_scp=tmp_path / "wav.scp", output=tmp_path / "units.txt")
    assert not (tmp_path / "units.txt").exists()
