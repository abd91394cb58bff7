"""`espnet-entropy tokenize`: every format says the same, and agrees with the dump."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import kaldiio
import numpy as np
import pytest
import soundfile
import tiny

from espnet_entropy.bin import tokenize_recordings
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.textgrid import read_textgrid

OPTIONS = dict(segmenter="peaks", rate=10)


@pytest.fixture
def tokenize(parts):
    def call(*words, **options):
        options = dict(bundle=parts.bundle) | OPTIONS | options
        tiny.command(tokenize_recordings, *words, **options)

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
    assert "4 TextGrids exist already" in capsys.readouterr().err
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
        ([], {}, "give one of these: sound files, --wav_scp, or --list"),
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


@pytest.fixture
def recordings(parts, tmp_path):
    """A table of copies; the third one is not a sound."""
    table = {}
    for utt, path in read_table(parts.wav_scp).items():
        table[utt] = shutil.copy(path, tmp_path)
    sound = Path(table["utt-c"]).read_bytes()
    Path(table["utt-c"]).write_bytes(b"no sound")
    write_table(tmp_path / "wav.scp", table)
    return SimpleNamespace(
        scp=tmp_path / "wav.scp",
        paths={utt: Path(path) for utt, path in table.items()},
        mend=lambda: Path(table["utt-c"]).write_bytes(sound),
    )


OUTPUTS = pytest.mark.parametrize(
    "form, name", [("text", "all.txt"), ("json", "all.json"), ("ark", "arks")]
)


def content(path):
    """Content of a file, or of all files in a folder whose names do not contain the folder's."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {p.name: p.read_bytes().replace(str(path).encode(), b"") for p in files}


@OUTPUTS
def test_an_error_loses_nothing_that_was_made(tokenize, recordings, tmp_path, form, name, capsys):
    given = dict(wav_scp=recordings.scp, format=form)
    message = "error: utt-c: .*cannot be decoded.* are kept in .*partial, and the same command"
    with pytest.raises(SystemExit, match=message):
        tokenize(**given, output=tmp_path / name)
    assert not (tmp_path / name).exists()
    recordings.mend()
    capsys.readouterr()
    tokenize(**given, output=tmp_path / name)
    said = capsys.readouterr().err
    assert f"{tmp_path / name}.partial has the results of 2 of 5 recordings" in said
    assert "tokenize: 3 utterances" in said
    assert not (tmp_path / f"{name}.partial").exists()
    (tmp_path / "fresh").mkdir()
    tokenize(**given, output=tmp_path / "fresh" / name)
    assert content(tmp_path / name) == content(tmp_path / "fresh" / name)


@OUTPUTS
def test_a_partial_file_of_other_options_or_recordings_is_not_continued(
    tokenize, recordings, tmp_path, form, name, capsys
):
    given = dict(wav_scp=recordings.scp, format=form, output=tmp_path / name)
    with pytest.raises(SystemExit, match="utt-c"):
        tokenize(**given)
    with pytest.raises(SystemExit, match="made with rate 10.0, not 12.0; choose another --output"):
        tokenize(**given, rate=12)
    recordings.mend()
    shutil.copy(recordings.paths["utt-e"], recordings.paths["utt-a"])
    capsys.readouterr()
    tokenize(**given)
    assert "has the results of 1 of 5 recordings" in capsys.readouterr().err
    tokenize(wav_scp=recordings.scp, format=form, output=tmp_path / "fresh")
    assert content(tmp_path / name).popitem()[1] == content(tmp_path / "fresh").popitem()[1]


@OUTPUTS
def test_some_recordings_may_fail(tokenize, recordings, tmp_path, form, name, capsys):
    given = dict(wav_scp=recordings.scp, format=form, max_failed_utts=1)
    tokenize(**given, output=tmp_path / name)
    said = capsys.readouterr().err
    assert "left out: utt-c: " in said and "; 1 left out" in said
    listed = tmp_path / name / "failed_utts" if form == "ark" else tmp_path / f"{name}.failed_utts"
    assert list(read_table(listed)) == ["utt-c"]
    made = tmp_path / name / "units.scp" if form == "ark" else tmp_path / name
    assert len(made.read_text().splitlines()) == 4
    recordings.mend()
    tokenize(**given, output=tmp_path / name)
    assert len(made.read_text().splitlines()) == 5 and not listed.exists()
    for path in recordings.paths.values():
        path.write_bytes(b"no sound")
    with pytest.raises(SystemExit, match="none of 5 recordings could be read"):
        tokenize(**given | dict(max_failed_utts=5), output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_some_recordings_may_fail_on_standard_output(tokenize, recordings, capsys):
    tokenize(wav_scp=recordings.scp, max_failed_utts=1)
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 4 and "left out: utt-c" in captured.err


def test_some_recordings_may_fail_for_textgrids(tokenize, recordings, tmp_path):
    tokenize(
        wav_scp=recordings.scp, format="textgrid", output=tmp_path / "grids", max_failed_utts=1
    )
    assert len(list((tmp_path / "grids").glob("*.TextGrid"))) == 4
    assert list(read_table(tmp_path / "grids/failed_utts")) == ["utt-c"]


def test_textgrids_of_other_options_bundles_or_recordings_are_refused(
    parts, tokenize, recordings, tmp_path
):
    recordings.mend()
    given = dict(wav_scp=recordings.scp, format="textgrid", output=tmp_path / "grids")
    tokenize(**given)
    before = content(tmp_path / "grids")
    with pytest.raises(SystemExit, match="made with segmenter peaks, not dp; choose another --out"):
        tokenize(**given, segmenter="dp")
    tiny.another_bundle(parts, tmp_path / "bundle", "unit_lm")
    with pytest.raises(SystemExit, match="made with another unit_lm.safetensors; choose another"):
        tokenize(**given, bundle=tmp_path / "bundle")
    # It has the same length as the former recording.
    samples = tiny.wave(9, tiny.SECONDS["utt-b"])
    soundfile.write(recordings.paths["utt-b"], samples, tiny.SAMPLE_RATE, subtype="FLOAT")
    message = "utt-b.TextGrid exists, but .* from the present .*utt-b.wav; remove it"
    with pytest.raises(SystemExit, match=message):
        tokenize(**given)
    assert content(tmp_path / "grids") == before
    (tmp_path / "grids/utt-b.TextGrid").unlink()
    tokenize(**given)
    tokenize(**given)
    # If no TextGrid is left, the record of former ones does not matter.
    for path in (tmp_path / "grids").glob("*.TextGrid"):
        path.unlink()
    tokenize(**given, segmenter="dp")


def test_a_textgrid_without_a_record_is_not_replaced(tokenize, recordings, tmp_path):
    recordings.mend()
    (tmp_path / "utt-d.TextGrid").write_text("by hand")
    with pytest.raises(SystemExit, match="utt-d.TextGrid exists, but .*remove it, or choose"):
        tokenize(wav_scp=recordings.scp, format="textgrid", output=tmp_path)
    assert [path.read_text() for path in tmp_path.glob("*.TextGrid")] == ["by hand"]


def test_a_moved_recording_keeps_its_textgrid(tokenize, recordings, tmp_path, capsys):
    recordings.mend()
    given = dict(format="textgrid", output=tmp_path / "grids")
    tokenize(wav_scp=recordings.scp, **given)
    (tmp_path / "moved").mkdir()
    table = {
        utt: path.rename(tmp_path / "moved" / path.name) for utt, path in recordings.paths.items()
    }
    write_table(recordings.scp, table)
    capsys.readouterr()
    tokenize(wav_scp=recordings.scp, **given)
    assert "5 TextGrids exist already" in capsys.readouterr().err


def test_a_recording_that_is_named_twice_is_refused(tokenize, recordings, tmp_path):
    one, two = (str(recordings.paths[utt]) for utt in ("utt-a", "utt-b"))
    (tmp_path / "list").write_text(f"{one}\n{two}\n{one}\n")
    for words, options in (([one, two, one], {}), ([], dict(list=tmp_path / "list"))):
        with pytest.raises(SystemExit, match="utt-a.wav is given twice; give each recording once"):
            tokenize(*words, **options)
