"""plot_bundle: what is drawn, and what it says of what is not."""

import pytest
import tiny

from espnet_entropy.bin import plot_bundle


def test_pictures_of_a_bundle(parts, tmp_path, capsys):
    options = dict(bundle=parts.bundle, dump=parts.dump, output=tmp_path)
    tiny.command(plot_bundle, **options, rate=10, segmenters=["global", "dp", "uniform"])
    out = capsys.readouterr().out
    assert "segments of global, dp, uniform on all" in out and "left out" not in out
    for name in ("thresholds.png", "segment_lengths.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_methods_that_do_not_reach_the_rate_are_left_out(parts, tmp_path, capsys):
    options = dict(calibration=parts.calibration, dump=parts.dump, output=tmp_path)
    tiny.command(plot_bundle, **options, rate=49.9, segmenters=["peaks", "uniform"])
    out = capsys.readouterr().out
    assert "left out: rate 49.9 Hz is outside" in out and "segments of uniform on all" in out


def test_a_calibration_alone_has_thresholds_only(parts, tmp_path):
    tiny.command(plot_bundle, calibration=parts.calibration, output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thresholds.png"]


@pytest.mark.parametrize("both", [False, True])
def test_bundle_or_calibration(parts, tmp_path, both):
    options = dict(bundle=parts.bundle, calibration=parts.calibration) if both else {}
    with pytest.raises(SystemExit, match="error: give --bundle or --calibration, one of them"):
        tiny.command(plot_bundle, **options, output=tmp_path)
