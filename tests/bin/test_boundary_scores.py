"""boundary_scores and unit_quality: from a dump and alignments to tables and pictures."""

import json

import matplotlib.image
import pytest
import tiny

from espnet_entropy.bin import boundary_scores, unit_quality
from espnet_entropy.bundle.segmented import Segmentation
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.textgrid import write_textgrid
from espnet_entropy.evaluate.alignment import Interval, write_ctm


@pytest.fixture(scope="module")
def phones(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("aligned") / "phones.ctm"
    write_ctm(path, tiny.phones_of(parts))
    return path


def run(module, parts, output, **options):
    given = dict(dump=parts.dump, bundle=parts.bundle, output=output)
    tiny.command(module, **given | options)


def boundaries_in(folder):
    return json.loads((folder / "all.json").read_text())["boundaries"]


def test_boundaries(parts, phones, tmp_path, capsys):
    run(
        boundary_scores,
        parts,
        tmp_path,
        phones=phones,
        words=phones,
        wav_scp=parts.wav_scp,
        methods=["dp", "uniform", "dedup"],
        rates=[8, 20],
    )
    text = (tmp_path / "all.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    assert text.startswith("all: phones of 5, words of 5 of 5 utterances\n")
    rows = boundaries_in(tmp_path)
    # dp, uniform and flux at two rates, and dedup; two levels, two tolerances.
    assert len(rows) == (3 * 2 + 1) * 2 * 2
    # The alignment is of the runs of units, which dedup finds.
    for row in rows:
        if row["method"] == "dedup":
            assert row["scores"]["f1"] == row["scores"]["r_value"] == 1
            assert row["interval"] == [1, 1] and row["offset_f1"][10] == 1
            assert all(value < 1 for value in row["chance_f1"].values())
        elif row["rate_hz"] == 8:
            assert row["speech_hz"] == pytest.approx(8, rel=0.06)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["all.json", "all.md", "all_20hz.png", "all_8hz.png"]
    picture = matplotlib.image.imread(tmp_path / "all_8hz.png")
    assert picture[..., :3].std() > 0.05
    # Grey alone.
    assert abs(picture[..., 0] - picture[..., 1]).max() == 0


def test_boundaries_in_pauses(parts, tmp_path):
    """Uniform steps, and an alignment in which nothing is said for the first half second."""
    late = {
        utt: [Interval(max(start, 0.5), end, label) for start, end, label in rows if end > 0.5]
        for utt, rows in tiny.phones_of(parts).items()
    }
    write_ctm(tmp_path / "late.ctm", late)
    options = dict(methods="uniform", rates=25, min_cover=0.1)
    run(boundary_scores, parts, tmp_path, phones=tmp_path / "late.ctm", **options)
    result = json.loads((tmp_path / "all.json").read_text())
    (row, _) = result["boundaries"]
    counts = {utt: len(units) / 50 for utt, units, _ in read_dump(parts.dump)}
    expected = 0.46 * len(counts) / sum(counts.values())
    assert result["pause_share"] == pytest.approx(expected)
    assert row["pause_share"] == pytest.approx(expected, abs=0.05)
    run(boundary_scores, parts, tmp_path, phones=tmp_path / "late.ctm", time_offset=0.6, **options)
    (row, _) = boundaries_in(tmp_path)
    assert row["pause_share"] < 0.02
    assert "| in pauses |" in (tmp_path / "all.md").read_text()
    assert f"Pauses take {100 * expected:.1f} %" in (tmp_path / "all.md").read_text()


def test_boundaries_are_those_that_models_segment_at(parts, phones, tmp_path):
    """Where everything is speech, matching the rate changes little of a method's own segments."""
    run(boundary_scores, parts, tmp_path, phones=phones, methods="uniform", rates=10)
    (row, _) = boundaries_in(tmp_path)
    segmented = Segmentation.from_bundle(parts.bundle, segmenter="uniform", rate_hz=10)
    assert row["overall_hz"] == pytest.approx(segmented(tiny.wave(0, 1.3)).rate_hz, abs=1)


def test_textgrids_give_what_ctm_gives(parts, phones, tmp_path):
    for utt, intervals in tiny.phones_of(parts).items():
        tiers = {"phones": intervals}
        write_textgrid(tmp_path / "grids" / f"{utt}.TextGrid", tiers, intervals[-1].end_sec)
    options = dict(methods="global", rates=10)
    run(boundary_scores, parts, tmp_path / "a", phones=phones, **options)
    run(boundary_scores, parts, tmp_path / "b", phones=tmp_path / "grids", **options)
    assert (tmp_path / "a/all.md").read_text() == (tmp_path / "b/all.md").read_text()


def test_time_offset_moves_the_boundaries(parts, phones, tmp_path):
    run(
        boundary_scores, parts, tmp_path, phones=phones, methods="dedup", rates=10, time_offset=0.03
    )
    (row, _) = boundaries_in(tmp_path)
    assert row["scores"]["f1"] < 1
    assert row["offsets_sec"][row["offset_f1"].index(1.0)] == pytest.approx(-0.03, abs=0.011)


def test_offsets_of_another_set(parts, phones, tmp_path):
    """Alignments that are 40 ms late are late in the other set too."""
    late = tmp_path / "late.ctm"
    moved = {
        utt: [i._replace(start_sec=i.start_sec + 0.04, end_sec=i.end_sec + 0.04) for i in intervals]
        for utt, intervals in tiny.phones_of(parts).items()
    }
    write_ctm(late, moved)
    options = dict(phones=late, methods="dedup", rates=10, tolerances=[0.005, 0.05])
    other = tmp_path / "other"
    other.symlink_to(parts.dump)
    given = options | dict(dump=other, wav_scp=parts.wav_scp)
    run(boundary_scores, parts, tmp_path / "dev", **given)
    first, _, flux, _ = json.loads((tmp_path / "dev/other.json").read_text())["boundaries"]
    best, offset_sec = first["best_offset"]
    assert first["scores"]["f1"] < 0.5 < 0.9 < best and offset_sec == pytest.approx(0.04)
    assert flux["speaker_f1"].keys() == {f"spk{letter}" for letter in "abcde"}
    options |= dict(offsets_of=tmp_path / "dev/other.json", methods=["dedup", "uniform"])
    with pytest.raises(SystemExit, match="is of this set; score another set"):
        run(boundary_scores, parts, tmp_path / "test", **options | dict(dump=other))
    run(boundary_scores, parts, tmp_path / "test", **options)
    again = options | dict(dump=other, offsets_of=tmp_path / "test/all.json")
    with pytest.raises(SystemExit, match="is of boundaries that had been moved; score another"):
        run(boundary_scores, parts, tmp_path / "again", **again)
    rows = boundaries_in(tmp_path / "test")
    # The other set was not scored with uniform.
    assert [(row["method"], row["moved_sec"]) for row in rows] == [
        *[("uniform", None)] * 2,
        *[("dedup", offset_sec)] * 2,
    ]
    assert rows[2]["scores"]["f1"] == best


def test_aligners_are_scored_like_methods(parts, phones, tmp_path):
    """On the utterances that both have, at the levels that both have."""
    other = {u: i for u, i in tiny.phones_of(parts).items() if u != "utt-b"}
    (tmp_path / "other").mkdir()
    write_ctm(tmp_path / "other/phones.ctm", other)
    options = dict(phones=phones, syllables=phones, methods="uniform", rates=10)
    run(boundary_scores, parts, tmp_path, aligners=f"second={tmp_path}/other", **options)
    rows = [row for row in boundaries_in(tmp_path) if row["method"] == "second"]
    assert [(row["level"], row["scores"]["f1"]) for row in rows] == [("phones", 1)] * 2
    assert "speaker_f1" in rows[0] and "spkb" not in rows[0]["speaker_f1"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(offsets_of="nowhere.json"), "nowhere.json is no SET.json of boundary_scores"),
        (dict(offsets_of="x", time_offset=0.1), "either --time_offset or --offsets_of"),
        (dict(tolerances=[0.02, -0.02]), "but must be positive and finite"),
        (dict(aligners="second"), "--aligners second=: the folder has no phones of this set"),
    ],
)
def test_offsets_and_aligners_refused(parts, phones, tmp_path, options, message):
    given = dict(phones=phones, methods="uniform", rates=10) | options
    assert message in fails(boundary_scores, parts, tmp_path / "out", **given)


def test_a_rate_out_of_reach_is_said_and_the_others_stay(parts, phones, tmp_path):
    options = dict(phones=phones, methods=["global+on_change", "uniform"], rates=49)
    run(boundary_scores, parts, tmp_path, **options)
    run(unit_quality, parts, tmp_path, **options)
    for name in ("all.md", "all_units.md"):
        text = (tmp_path / name).read_text()
        assert "Left out: global+on_change at 49 Hz: " in text and "| uniform 49 Hz |" in text


def fails(module, parts, output, **options) -> str:
    with pytest.raises(SystemExit) as end:
        run(module, parts, output, **options)
    assert not list(output.glob("*.md"))
    return str(end.value.code)


def test_flux_wants_all_recordings(parts, phones, tmp_path):
    (tmp_path / "wav.scp").write_text("utt-a nowhere.wav\n")
    options = dict(phones=phones, wav_scp=tmp_path / "wav.scp", methods="uniform", rates=10)
    said = fails(boundary_scores, parts, tmp_path / "out", **options)
    assert "lacks 4 utterances (utt-b, ...)" in said


def test_flux_is_scored_where_words_alone_are_aligned(parts, phones, tmp_path):
    path = tmp_path / "fewer.ctm"
    write_ctm(
        path, {u: intervals for u, intervals in tiny.phones_of(parts).items() if u != "utt-d"}
    )
    options = dict(phones=path, words=phones, wav_scp=parts.wav_scp, methods="uniform", rates=10)
    run(boundary_scores, parts, tmp_path, **options)
    rows = boundaries_in(tmp_path)
    speech_hz = [row["speech_hz"] for row in rows if row["method"] == boundary_scores.FLUX]
    assert speech_hz == pytest.approx([10] * 4, rel=0.1)


def test_units(parts, phones, tmp_path, capsys):
    run(unit_quality, parts, tmp_path, phones=phones, methods=["dense", "dedup", "dp"], rates=10)
    text = (tmp_path / "all_units.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    made = json.loads((tmp_path / "all_units.json").read_text())
    for frames in ("all frames", "speech"):
        # Phones that are named after the units.
        assert made["units"][frames]["phone_purity"] == 1
        assert made["units"][frames]["cluster_purity"] == 1
        assert made["units"][frames]["pnmi"] == pytest.approx(1)
        assert made["units"][frames]["num_units"] == tiny.NUM_UNITS
    dp, dense, dedup = made["rates"]
    assert dense["segments_hz"] == 50 and dense["rate_hz"] is None
    assert dense["uniform_bps"] == pytest.approx(50 * 3.585, abs=0.01)
    runs = sum(len(intervals) for intervals in tiny.phones_of(parts).values())
    seconds = sum(len(units) for _, units, _ in read_dump(parts.dump)) / 50
    assert dedup["segments_hz"] == pytest.approx(runs / seconds)
    assert dp["segments_hz"] == pytest.approx(10, abs=0.5)
    assert dp["entropy_bps"] < dp["uniform_bps"] < dp["uniform_durations_bps"]
