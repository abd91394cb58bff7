"""Rows of the report, and the picture of them."""

from dataclasses import replace

import numpy as np
import pytest

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.boundary_report import references_of, score_method
from espnet_entropy.report.plot_boundaries import plot_boundary_scores
from espnet_entropy.report.render import write_result
from espnet_entropy.report.tables import boundary_parts


@pytest.fixture(scope="module")
def rows():
    """Two utterances of four phones, found one frame late."""
    alignments = {
        utt: [Interval(0.2 * n, 0.2 * (n + 1), "abcd"[n]) for n in range(4)] for utt in "xy"
    }
    references = references_of(alignments, dict.fromkeys("xy", 0.8))
    times = {utt: np.array([0.22, 0.42, 0.62]) + (utt == "y") * 0.02 for utt in "xyz"}
    names = dict(set_name="dev", method="dp", level="phones", rate_hz=4.0, overall_hz=5.0)
    return score_method(references, times, frame_rate_hz=50.0, **names)


def test_rows_by_hand(rows):
    narrow, wide = rows
    assert (narrow.tolerance_sec, wide.tolerance_sec) == (0.02, 0.04)
    # Of x all three are within 20 ms, of y within 40 ms.
    assert narrow.scores.f1 == 0.5 and wide.scores.f1 == 1
    assert narrow.interval == (0.0, 1.0)
    # The region is that of 0.02 to 0.78 s, six boundaries in two of them.
    assert narrow.speech_hz == pytest.approx(6 / 1.52)
    assert narrow.best_offset == (1.0, pytest.approx(-0.02))
    assert wide.best_offset == (1.0, 0.0)
    assert set(narrow.chance_f1) == {"random", "uniform", "shift"}
    assert narrow.as_json()["scores"]["recall"] == 0.5


def test_table(rows, tmp_path):
    scored = [rows[0], replace(rows[1], rate_hz=None, overall_hz=None, interval=None)]
    result = dict(set="dev", utterances=3, levels={"phones": 2}, left_out=["dp at 9 Hz"])
    result["boundaries"] = [row.as_json() for row in scored]
    text = write_result(tmp_path, "dev", result, boundary_parts)
    assert text.startswith("dev: phones of 2 of 3 utterances\n\n")
    assert text.endswith("\n\nLeft out: dp at 9 Hz")
    lines = text.splitlines()[2:6]
    assert {line.count("|") for line in lines} == {15}
    assert (
        "| dp 4 Hz | phones | 20 | 5.0 | 3.9 | 0.50 | 0.50 | 0.50 (0.00-1.00) | 0 % |" in lines[2]
    )
    assert lines[2].endswith("| 1.00 at -20 |")
    assert lines[3].startswith("| dp | phones | 40 | - |") and "1.00 (one utterance)" in lines[3]


def test_speakers_and_moves_are_columns_where_there_are_some(rows, tmp_path):
    intervals = [Interval(0.2 * n, 0.2 * (n + 1), "abcd"[n]) for n in range(4)]
    references = references_of(dict.fromkeys("xy", intervals), dict.fromkeys("xy", 0.8), 0.06)
    assert references["x"].region[0] == 0.02  # of the edge, not -0.06
    times = {utt: np.array([0.22, 0.42, 0.62]) + (utt == "y") * 0.02 for utt in "xy"}
    names = dict(set_name="dev", method="dp", level="phones", rate_hz=4.0, overall_hz=5.0)
    options = dict(frame_rate_hz=50.0, tolerances_sec=[0.02], moved_sec=-0.01)
    (row,) = score_method(references, times, speakers=dict(x="p", y="q"), **options, **names)
    assert row.speaker_f1 == {"p": 1.0, "q": 0.0}
    result = dict(set="dev", utterances=2, levels={"phones": 2}, left_out=[])
    result["boundaries"] = [row.as_json(), rows[1].as_json()]
    lines = write_result(tmp_path, "dev", result, boundary_parts).splitlines()[2:]
    assert lines[0].endswith("| moved ms | F1 of speakers |")
    assert lines[2].endswith("| -10 | 0.50 ± 0.71 |") and lines[3].endswith("| - | - |")
    # One speaker has no spread.
    (row,) = score_method(references, times, speakers=dict(x="p", y="p"), **options, **names)
    assert row.speaker_f1 == {}


def test_silence_alone_is_no_reference():
    with pytest.raises(ValueError, match="1 aligned utterances hold silence alone"):
        references_of({"x": [Interval(0.0, 1.0, "sil")]}, {"x": 1.0})
    # An utterance of silence among others is left out.
    spoken = {"x": [Interval(0.0, 1.0, "sil")], "y": [Interval(0.0, 1.0, "a")]}
    assert list(references_of(spoken, {"x": 1.0, "y": 1.0})) == ["y"]


def test_picture(rows, tmp_path):
    plot_boundary_scores(tmp_path / "new/a.png", rows, 4.0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.png"]
    with pytest.raises(ValueError, match="no method was scored at 5 Hz"):
        plot_boundary_scores(tmp_path / "b.png", rows, 5.0)
