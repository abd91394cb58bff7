"""Pictures of trained systems: what is where, and what is refused."""

from itertools import pairwise

import matplotlib.image
import pytest

from espnet_entropy.report.plot_systems import SAME_RATE, STEP, apart, plot_rates


def test_near_rates_are_drawn_side_by_side_in_their_order():
    drawn = apart([15.0, 50.0, 14.0, 15.0])
    assert drawn[1] == 50.0
    near = [drawn[0], drawn[2], drawn[3]]
    assert near[1] == pytest.approx(44.0 / 3)  # the middle one, at their mean
    assert [b / a for a, b in pairwise(near)] == pytest.approx([STEP, STEP])


def test_a_group_ends_at_its_first_rates_reach():
    low, far = 10.0, 10.0 * SAME_RATE
    assert apart([low, far]) == [low, far]
    assert apart([low, 0.99 * far]) != [low, 0.99 * far]


def test_pictures(tmp_path):
    few = {"dense": (50.0, [60.0, 61.0]), "dp15": (15.0, [59.0])}
    many = {f"system{n}": (10.0 + n, [50.0 + n, 52.0]) for n in range(20)}
    for name, systems in (("few", few), ("many", many)):
        plot_rates(tmp_path / f"{name}.png", {"dev": systems, "test": systems}, label="WER %")
    widths = [matplotlib.image.imread(tmp_path / f"{n}.png").shape[1] for n in ("few", "many")]
    assert widths[0] < widths[1]  # a second column of names
