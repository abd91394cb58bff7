"""calibrate: writes what the function measures, and says what each method reaches."""

import tiny
from padded import load_padded_dump

from espnet_entropy.bin import calibrate as command
from espnet_entropy.data.origin import origin_of_dump
from espnet_entropy.segment.calibration import Calibration, calibrate


def test_calibrate(parts, tmp_path, capsys):
    path = tmp_path / "calibration.yaml"
    tiny.command(command, dump=parts.dump, num_units=tiny.NUM_UNITS, output=path)
    made = Calibration.load(path)
    hours = sum(tiny.SECONDS.values()) / 3600
    measured = dict(dump=str(parts.dump), utterances=5, hours=round(hours, 4))
    assert made.held_out == measured | origin_of_dump(parts.dump)._asdict()
    assert made == calibrate(
        [load_padded_dump(parts.dump)],
        num_units=tiny.NUM_UNITS,
        frame_rate_hz=50.0,
        held_out=made.held_out,
    )
    out = capsys.readouterr().out
    for method, grid in made.methods.items():
        line = next(line for line in out.splitlines() if line.split()[0] == method)
        assert f"to {grid['rate_hz'][-1]:.1f} Hz" in line


def test_gap_cost_is_kept(parts, tmp_path):
    path = tmp_path / "calibration.yaml"
    tiny.command(command, dump=parts.dump, num_units=tiny.NUM_UNITS, gap_cost=0.1, output=path)
    assert Calibration.load(path).gap_cost == 0.1
