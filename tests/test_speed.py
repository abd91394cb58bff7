"""benchmarks/speed: what is timed computes the right thing, and the report says what was not run.

No timing is asserted here.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.speed import __main__ as speed
from benchmarks.speed.measure import Row, largest_difference

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("part", sorted(speed.PARTS))
def test_what_is_timed_is_right(part):
    lines = speed.PARTS[part][0].quick("cpu")
    assert lines and all(isinstance(line, str) for line in lines)


def test_a_wrong_result_is_no_row(monkeypatch):
    right = speed.cale.attend
    monkeypatch.setattr(speed.cale, "attend", lambda *args, **kw: 1.01 * right(*args, **kw))
    with pytest.raises(ValueError, match="differs from the reference by"):
        speed.cale.check("cpu", 100)


def test_differences():
    one = torch.tensor([100.0, 1.0])
    assert largest_difference(one + 0.01, one, at_most=1e-3) == pytest.approx(1e-4, rel=1e-3)
    for wrong in (one + 1, one * float("nan"), one[:1]):
        with pytest.raises(ValueError, match="differ"):
            largest_difference(wrong, one, at_most=1e-3)


@pytest.mark.parametrize(
    "ratio, limit, at_least, verdict",
    [
        (0.6, 0.7, False, "reached"),
        (1.4, 0.7, False, "short by a factor of 2.00"),
        (120.0, 100, True, "reached"),
        (50.0, 100, True, "short by a factor of 2.00"),
        (3.0, None, False, "reported"),
        (None, 0.7, False, "not run"),
    ],
)
def test_verdicts(ratio, limit, at_least, verdict):
    assert Row("a", "b", ratio, limit, at_least).verdict == verdict


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_every_row_says_so(tmp_path):
    output = tmp_path / "RESULTS.md"
    output.write_text("# Speed\n\n<!-- cpu-cale: begin -->\nkept\n<!-- cpu-cale: end -->\n")
    speed.main(["--device", "cuda", "--output", str(output)])
    text = output.read_text()
    assert text.count("not run: no GPU here") == len(speed.PARTS)
    assert "kept" in text


def test_the_command(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", "--quick", "--only", "segmentation"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("segmentation: ") == 2


def test_a_part_is_reported(tmp_path, monkeypatch):
    """A whole run of the smallest part, with a thousandth of its units."""
    small = speed.segmentation.units_and_entropies(10, 100, "cpu")
    monkeypatch.setattr(speed.segmentation, "units_and_entropies", lambda *_: small)
    output = tmp_path / "RESULTS.md"
    speed.main(["--only", "segmentation", "--output", str(output)])
    text = output.read_text()
    assert "`python -m benchmarks.speed --only segmentation`, commit " in text
    places = [text.index(f"<!-- cpu-{name}: begin -->") for name in speed.PARTS]
    assert places == sorted(places)
    assert text.count("not run: `python -m benchmarks.speed --only") == len(speed.PARTS) - 1
    assert text.count("a Python loop over ") == 5
