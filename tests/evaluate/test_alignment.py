"""Alignments: what is read, what is refused, and what becomes of them."""

import numpy as np
import pytest

from espnet_entropy.data.textgrid import read_textgrid, write_textgrid
from espnet_entropy.evaluate.alignment import (
    Interval,
    boundary_times,
    check_alignments,
    frame_labels,
    pauses_of,
    read_alignments,
    read_ctm,
    speech_span,
    write_ctm,
)

HELLO = [
    Interval(0.0, 0.1, "SIL"),
    Interval(0.1, 0.25, "HH"),
    Interval(0.25, 0.5, "AH"),
    Interval(0.5, 0.7, ""),
    Interval(0.7, 0.9, "L"),
]

SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
0.9
<exists>
2
"IntervalTier"
"words"
0
0.9
2
0
0.4
"say ""hi"""
0.4
0.9
""
"TextTier"
"points"
0
0.9
1
0.3
"click"
'''


def test_pauses_by_hand():
    """0.5 to 0.7 s, the start of 0.1 s and the end; each less the margin, where there is speech."""
    found = pauses_of(HELLO, 1.2, shortest_sec=0.1, margin_sec=0.03)
    np.testing.assert_allclose(found, [[0.0, 0.07], [0.53, 0.67], [0.93, 1.2]], atol=1e-9)
    found = pauses_of(HELLO, 0.95, shortest_sec=0.15, margin_sec=0.04)
    np.testing.assert_allclose(found, [[0.54, 0.66]])
    assert pauses_of(HELLO, 0.9, shortest_sec=0.1, margin_sec=0.1).tolist() == []
    tenths = [Interval(i / 10, i / 10 + 0.02, "A") for i in (1, 4)]
    found = pauses_of(tenths, 0.42, shortest_sec=0.28, margin_sec=0.0)
    np.testing.assert_allclose(found, [[0.12, 0.4]])
    assert pauses_of([], 0.5, shortest_sec=0.1, margin_sec=0.1).tolist() == [[0.0, 0.5]]


def test_ctm_round_trip(tmp_path):
    write_ctm(tmp_path / "a.ctm", {"b": HELLO[1:3], "a": HELLO[4:]})
    lines = (tmp_path / "a.ctm").read_text().splitlines()
    assert lines == ["a 1 0.700 0.200 L", "b 1 0.100 0.150 HH", "b 1 0.250 0.250 AH"]
    made = read_ctm(tmp_path / "a.ctm")
    assert [i.label for i in made["b"]] == ["HH", "AH"]
    np.testing.assert_allclose([i[:2] for i in made["b"]], [i[:2] for i in HELLO[1:3]])


def test_ctm_with_comments_and_confidence(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_text(";; made by hand\nutt A 0.5 0.25 two 0.9\n\nutt A 0.0 0.5 one 1.0\n")
    assert read_ctm(path) == {"utt": [Interval(0.0, 0.5, "one"), Interval(0.5, 0.75, "two")]}


def test_ctm_of_a_windows_editor(tmp_path):
    path = tmp_path / "a.ctm"
    path.write_bytes("\ufeffgrüß A 0.0 0.5 a\r\n\r\nb A 0.0 0.5 c\r\n".encode())
    assert list(read_ctm(path)) == ["grüß", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("utt 1 0.0 0.1\n", "line 1: .*is not `utterance channel"),
        ("utt 1 0.0 0.1 a\nutt 1 x 0.1 b\n", "line 2"),
        ("utt A 0.0 0.1 a\nutt B 0.1 0.1 b\n", "line 2: utt has intervals of the channels A and B"),
        (";; nothing\n", "holds no intervals"),
        (b"\xff\xfe\xff", "cannot be read"),
    ],
)
def test_broken_ctm(tmp_path, content, message):
    path = tmp_path / "a.ctm"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        read_ctm(path)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
def test_short_textgrid_and_its_encodings(tmp_path, coding):
    (tmp_path / "a.TextGrid").write_bytes(SHORT.replace("say", "grüß").encode(coding))
    assert read_textgrid(tmp_path / "a.TextGrid") == {
        "words": [(0.0, 0.4, 'grüß "hi"'), (0.4, 0.9, "")]
    }


def test_long_textgrid_is_what_we_write(tmp_path):
    tiers = {
        "phones 2 <exists> 7": [(0.0, 0.25, 'a "3" = 4'), (0.25, 0.9, "")],
        "words": [(0.0, 0.9, "x [1]: 5")],
    }
    write_textgrid(tmp_path / "a.TextGrid", tiers, 0.9)
    assert read_textgrid(tmp_path / "a.TextGrid") == tiers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SHORT.replace('"IntervalTier"', "3"), "a.TextGrid has fewer or more intervals"),
        (SHORT.replace("TextGrid", "Pitch"), "a.TextGrid is no TextGrid"),
        ("", "is no TextGrid"),
        (None, "cannot be read"),
    ],
)
def test_broken_textgrid(tmp_path, content, message):
    path = tmp_path / "a.TextGrid"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_textgrid(path)


@pytest.mark.parametrize("form", ["short", "long"])
def test_no_cut_off_textgrid_is_read(tmp_path, form):
    path, content = tmp_path / "a.TextGrid", SHORT
    if form == "long":
        write_textgrid(path, {"a": [(0.0, 0.9, "")], "b": [(0.0, 0.4, "x"), (0.4, 0.9, "y")]}, 0.9)
        content = path.read_text()
    for length in range(len(content.rstrip())):
        path.write_text(content[:length])
        with pytest.raises(ValueError, match="a.TextGrid "):
            read_textgrid(path)


def test_times_near_zero_and_before_it(tmp_path):
    path = tmp_path / "a.TextGrid"
    write_textgrid(path, {"a": [(0.0, 0.25, "x"), (0.25, 0.9, "y")]}, 0.9)
    content = path.read_text()
    path.write_text(content.replace("= 0.25", "= 2.5e-05"))
    assert read_textgrid(path) == {"a": [(0.0, 2.5e-05, "x"), (2.5e-05, 0.9, "y")]}
    path.write_text(content.replace("= 0.25", "= -0.25"))
    with pytest.raises(ValueError, match="a.TextGrid .* -0.25 s is before the start"):
        read_textgrid(path)


def test_gaps_are_written_as_empty_intervals(tmp_path):
    write_textgrid(tmp_path / "a.TextGrid", {"words": [(0.1, 0.4, "x"), (0.5, 0.9, "y")]}, 1.0)
    gaps = [(0.0, 0.1, ""), (0.4, 0.5, ""), (0.9, 1.0, "")]
    made = read_textgrid(tmp_path / "a.TextGrid")["words"]
    assert made == sorted([*gaps, (0.1, 0.4, "x"), (0.5, 0.9, "y")])


def test_two_tiers_of_one_name(tmp_path):
    tier = SHORT[SHORT.index('"IntervalTier"') : SHORT.index('"TextTier"')]
    head = SHORT[: SHORT.index('"IntervalTier"')]
    (tmp_path / "a.TextGrid").write_text(head + tier + tier)
    with pytest.raises(ValueError, match="two tiers are called 'words'"):
        read_textgrid(tmp_path / "a.TextGrid")


def test_folder_of_textgrids(tmp_path):
    for speaker, utt in (("s1", "a"), ("s2", "b")):
        (tmp_path / speaker).mkdir()
        (tmp_path / speaker / f"{utt}.TextGrid").write_text(SHORT)
    made = read_alignments(tmp_path, "words")
    assert set(made) == {"a", "b"} and made["a"][1] == Interval(0.4, 0.9, "")
    with pytest.raises(ValueError, match="no tier 'phones'; it has words"):
        read_alignments(tmp_path, "phones")
    with pytest.raises(ValueError, match="name the tier"):
        read_alignments(tmp_path)
    (tmp_path / "s2" / "a.TextGrid").write_text(SHORT)
    with pytest.raises(ValueError, match="utt a has two TextGrids"):
        read_alignments(tmp_path, "words")


def test_neither_folder_nor_ctm(tmp_path):
    with pytest.raises(ValueError, match=r"holds no \*\.TextGrid"):
        read_alignments(tmp_path, "words")
    write_ctm(tmp_path / "a.ctm", {"a": HELLO})
    with pytest.raises(ValueError, match="a CTM file has no tier 'words'"):
        read_alignments(tmp_path / "a.ctm", "words")


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([], "utt a: its alignment is empty"),
        ([(0.0, 0.9, "x"), (0.9, 1.2, "y")], "ends at 1.200 s, but its units at 0.900 s"),
        ([(-0.1, 0.9, "x")], "is no interval"),
        ([(0.5, 0.5, "x")], "is no interval"),
        ([(float("nan"), 0.9, "x")], "is no interval"),
        ([(0.0, float("nan"), "x")], "is no interval"),
        ([(0.0, float("inf"), "x")], "ends at inf s"),
    ],
)
def test_intervals_that_cannot_be_of_this_recording(intervals, message):
    made = {"a": [Interval(*interval) for interval in intervals]}
    with pytest.raises(ValueError, match=message):
        check_alignments(made, {"a": 0.9})


def test_other_utterances_and_missing_ones():
    with pytest.raises(ValueError, match=r"1 aligned utterances are not in the set \(b\)"):
        check_alignments({"a": HELLO, "b": HELLO}, {"a": 0.9})
    durations = dict.fromkeys("abcd", 0.9)
    with pytest.raises(ValueError, match=r"3 of 4 utterances have no alignment \(b, c, d\)"):
        check_alignments({"a": HELLO}, durations, max_missing_share=0.5)
    assert set(check_alignments({"a": HELLO}, durations, max_missing_share=0.75)) == {"a"}
    with pytest.raises(ValueError, match="4 of 4 utterances have no alignment"):
        check_alignments({}, durations, max_missing_share=1.0)


def test_an_end_within_a_frame_behind_the_audio_is_cut():
    made = check_alignments({"a": HELLO}, {"a": 0.88})
    assert made["a"][-1] == Interval(0.7, 0.88, "L")
    # What lies behind it altogether is left out.
    made = check_alignments({"a": [*HELLO, Interval(0.9, 0.92, "sp")]}, {"a": 0.9})
    assert made["a"] == HELLO


def test_boundaries_are_the_edges_of_what_is_said():
    np.testing.assert_array_equal(boundary_times(HELLO), [0.1, 0.25, 0.5, 0.7, 0.9])
    assert speech_span(HELLO) == (0.1, 0.9)
    silent = [Interval(0.0, 0.5, "SIL"), Interval(0.5, 0.9, "<eps>")]
    assert speech_span(silent) is None and len(boundary_times(silent)) == 0


@pytest.mark.parametrize("frame_msec", [10, 12.5, 20])
def test_where_two_intervals_meet_is_one_boundary(tmp_path, frame_msec):
    frames = np.arange(200) * frame_msec / 1000
    lines = (f"a 1 {at:.4f} {frame_msec / 1000:.4f} x\n" for at in frames)
    (tmp_path / "a.ctm").write_text("".join(lines))
    assert len(boundary_times(read_ctm(tmp_path / "a.ctm")["a"])) == 201
    rounded = [Interval(0.0, 0.0625, "a"), Interval(0.063, 0.1, "b"), Interval(0.102, 0.2, "c")]
    assert len(boundary_times(rounded)) == 5


@pytest.mark.parametrize("label", ["SIL", "sp", "<eps>", "NSN", "!SIL", "[NOISE]"])
def test_silences_of_the_known_aligners(label):
    assert Interval(0.0, 1.0, label).is_silence and not Interval(0.0, 1.0, "a").is_silence


def test_frame_labels_take_the_middle_of_a_frame():
    # Middles at 0.05, 0.15, ...; between intervals and behind them is silence.
    intervals = [Interval(0.1, 0.25, "a"), Interval(0.25, 0.4, "b"), Interval(0.6, 0.7, "SP")]
    assert frame_labels(intervals, 9, 10.0) == ["sil", "a", "b", "b", *["sil"] * 5]
    assert frame_labels(intervals, 4, 10.0, offset_sec=0.1) == ["a", "b", "b", "sil"]
    # Half open: an interval's end does not belong to it.
    assert frame_labels([Interval(0.0, 0.05, "a")], 1, 10.0) == ["sil"]
