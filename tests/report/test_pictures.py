"""Numbers in the pictures against loops over the segments; the pictures are grey PNGs."""

import matplotlib.image
import numpy as np
import pytest

from espnet_entropy.evaluate.training_log import Epoch
from espnet_entropy.report import pictures
from espnet_entropy.segment.calibration import Calibration


def test_shares_are_those_of_a_loop():
    lengths = np.random.default_rng(0).integers(1, 9, size=200)
    slow = [0.0] * 6
    for length in lengths:
        slow[min(length, 6) - 1] += 1 / 200
    assert pictures.length_shares(lengths, 5) == pytest.approx(slow)
    assert pictures.length_shares(np.array([1, 1, 3, 7]), 3).tolist() == [0.5, 0, 0.25, 0.25]
    assert pictures.length_shares(np.array([9]), 3).tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize("lengths", [[], [1, 0]])
def test_segments_have_frames(lengths):
    with pytest.raises(ValueError, match=f"{len(lengths)} segments, shortest 0 frames"):
        pictures.length_shares(np.array(lengths, dtype=int))


@pytest.fixture
def axes(monkeypatch):
    """The figure's panels, as they were when it was saved."""
    kept = []
    save = pictures.save_figure

    def keep(figure, output):
        kept.extend(figure.axes)
        save(figure, output)

    monkeypatch.setattr(pictures, "save_figure", keep)
    return kept


def grey(path):
    pixels = matplotlib.image.imread(path)[..., :3]
    assert np.ptp(pixels, axis=2).max() == 0 and pixels.std() > 0.02
    assert path.stat().st_size < 100_000


@pytest.mark.parametrize("count", [1, 4, 5])
def test_a_panel_a_method(tmp_path, axes, count):
    lengths = {f"method{n}": np.array([1, 1, 2, 30 + n]) for n in range(count)}
    output = tmp_path / "lengths.png"
    pictures.plot_segment_lengths(output, lengths=lengths, frame_rate_hz=50.0, title="dev")
    grey(output)
    shown = [panel for panel in axes if panel.get_visible()]
    assert len(shown) == count
    heights = [bar.get_height() for bar in shown[0].patches]
    assert heights == [50, 25, *[0] * 10, 25]
    assert max(heights) < shown[0].get_ylim()[1]  # no bar is cut off
    # 4 segments in 34 frames of 20 ms.
    assert shown[0].get_title() == f"method0, {4 / (34 * 0.02):.1f} segments/s"
    assert shown[0].texts[0].get_text() == "one frame long: 50 %\nlongest: 0.60 s"


def test_no_method_is_no_picture(tmp_path):
    with pytest.raises(ValueError, match="no method"):
        pictures.plot_segment_lengths(
            tmp_path / "a.png", lengths={}, frame_rate_hz=50.0, title="dev"
        )


def test_a_curve_a_method(tmp_path, axes):
    methods = {
        "global": {"rate_hz": [2.0, 10.0], "global_nats": [3.0, 2.0]},
        "relative": {"rate_hz": [2.0, 10.0], "relative_nats": [1.0, 0.5]},
        "peaks": {"rate_hz": [5.0, 9.0, 15.0], "global_nats": [2.5, 1.0, -17.5]},
        "dp+on_change": {"rate_hz": [5.0], "global_nats": [1.5]},
        "combined": {"rate_hz": [], "global_nats": [], "relative_nats": []},
    }
    calibration = Calibration(4, 50.0, {}, methods)
    pictures.plot_thresholds(tmp_path / "thresholds.png", calibration, title="dev")
    grey(tmp_path / "thresholds.png")
    curves = [
        [(line.get_label(), *map(list, line.get_data())) for line in panel.lines] for panel in axes
    ]
    # Where peaks counts from -20, what is shown is the entropy itself.
    assert curves[0] == [
        ("global", [2, 10], [3, 2]),
        ("peaks", [5, 9], [2.5, 1]),
        ("peaks", [15], [2.5]),
    ]
    assert curves[1] == [("dp+on_change", [5], [1.5])]
    assert curves[2] == [("relative", [2, 10], [1, 0.5])]


def test_losses_by_epoch(tmp_path, axes):
    epochs = [
        Epoch(1, {"loss": 4.0}, {"loss": 5.0, "acc": 0.2, "cer": float("nan")}),
        Epoch(2, {"loss": 3.0}, {"loss": 4.5, "acc": 0.4, "cer": float("nan")}),
    ]
    pictures.plot_training(tmp_path / "a.png", epochs, title="lm")
    grey(tmp_path / "a.png")
    left, right = axes
    assert [list(line.get_ydata()) for line in left.lines] == [[4, 3], [5, 4.5]]
    assert [line.get_label() for line in right.lines] == ["validation acc"]
    assert list(right.lines[0].get_ydata()) == [0.2, 0.4]


def test_one_epoch_without_a_measure_is_one_panel(tmp_path, axes):
    pictures.plot_training(tmp_path / "a.png", [Epoch(1, {"loss": 4.0}, {})], title="lm")
    assert len(axes) == 1 and list(axes[0].lines[0].get_ydata()) == [4]
