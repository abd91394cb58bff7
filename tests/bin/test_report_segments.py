"""report_segments: times of the segments, and the rates they come at."""

import json
import re

import pytest
import tiny

from espnet_entropy.bin import calibrate, report_segments
from espnet_entropy.data.dump import read_dump


def test_segments_and_rates(parts, tmp_path, capsys):
    tiny.command(
        report_segments,
        dump=parts.dump,
        calibration=parts.calibration,
        segmenter=["global", "uniform", "peaks"],
        rates=[10, 5, 49.9],
        output=tmp_path,
    )
    table = (tmp_path / "rates.md").read_text()
    assert capsys.readouterr().out == table
    made = json.loads((tmp_path / "rates.json").read_text())["rates"]
    nothing = dict(thresholds_nats=None, reached_hz=None, one_frame_share=None)
    assert made[-1] == dict(set="all", segmenter="peaks", rate_hz=49.9) | nothing
    assert made[0]["reached_hz"] == pytest.approx(10, abs=0.5)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert [row[:3] for row in rows] == [
        ["all", segmenter, rate]
        for segmenter in ("global", "uniform", "peaks")
        for rate in ("10", "5", "49.9")
    ]
    reached = {(row[1], row[2]): row[4] for row in rows}
    assert float(reached["global", "10"]) == pytest.approx(10, abs=0.5)
    assert float(reached["uniform", "5"]) == pytest.approx(5, abs=0.5)
    assert rows[-1][3] == "out of reach"
    assert not (tmp_path / "all_peaks_49.9hz.segments").exists()

    lines = (tmp_path / "all_global_10hz.segments").read_text().splitlines()
    assert len(lines) == round(float(reached["global", "10"]) * sum(tiny.SECONDS.values()))
    lengths = {utt: len(units) for utt, units, _ in read_dump(parts.dump)}
    end_before = {}
    for line in lines:
        assert re.fullmatch(r"utt-[a-e] \d\.\d\d \d\.\d\d", line)
        utt, start, end = line.split()
        assert float(start) == end_before.get(utt, 0.0) < float(end)
        end_before[utt] = float(end)
    assert end_before == pytest.approx({utt: n / 50 for utt, n in lengths.items()})


def test_dp_takes_the_gap_cost_of_its_calibration(parts, tmp_path):
    path = tmp_path / "calibration.yaml"
    tiny.command(calibrate, dump=parts.dump, num_units=tiny.NUM_UNITS, gap_cost=0.1, output=path)
    arguments = dict(dump=parts.dump, calibration=path, segmenter="dp", rates=7, output=tmp_path)
    tiny.command(report_segments, **arguments)
    assert (tmp_path / "all_dp_7hz.segments").exists()


def test_content_takes_the_points_of_the_codebook(parts, tmp_path):
    path, codebook = tmp_path / "calibration.yaml", parts.bundle
    made = dict(dump=parts.dump, num_units=tiny.NUM_UNITS, codebook=codebook, output=path)
    tiny.command(calibrate, **made)
    arguments = dict(dump=parts.dump, calibration=path, segmenter="content", rates=[7, 15])
    tiny.command(report_segments, codebook=codebook, output=tmp_path, **arguments)
    seconds = sum(tiny.SECONDS.values())
    for rate in (7, 15):
        lines = (tmp_path / f"all_content_{rate}hz.segments").read_text().splitlines()
        assert len(lines) / seconds == pytest.approx(rate, abs=1)
    with pytest.raises(SystemExit):
        tiny.command(report_segments, output=tmp_path, **arguments)


def test_on_change_is_for_methods_that_know_it(parts, tmp_path):
    tiny.command(
        report_segments,
        dump=[parts.dump],
        calibration=parts.calibration,
        segmenter=["peaks", "uniform"],
        on_change="true",
        rates=4,
        output=tmp_path,
    )
    names = sorted(path.name for path in tmp_path.glob("*.segments"))
    assert names == ["all_peaks+on_change_4hz.segments", "all_uniform_4hz.segments"]
