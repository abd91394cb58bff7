"""Pictures come out as PNG files of a sensible size."""

import matplotlib.image
import numpy as np
import pytest
import tiny

from espnet_entropy.report.plot import plot_utterance


def draw(path, seconds=1.0, **options):
    frames = round(seconds * 50)
    plot_utterance(
        path,
        waveform=tiny.wave(0, seconds),
        sample_rate=tiny.SAMPLE_RATE,
        entropies=np.linspace(0, 3, frames, dtype=np.float32),
        boundaries=np.arange(frames) % 4 == 0,
        frame_rate_hz=50.0,
        title="utt-a",
        **options,
    )
    return matplotlib.image.imread(path)


@pytest.mark.parametrize("seconds", [0.06, 8.0], ids=["short", "long"])
def test_picture(tmp_path, seconds):
    picture = draw(tmp_path / "new" / "a.png", seconds, threshold_nats=1.5)
    height, width, _ = picture.shape
    assert height == 550 and width >= 880
    assert picture[..., :3].std() > 0.02  # not blank
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.png"]


def test_threshold_is_drawn(tmp_path):
    without = draw(tmp_path / "a.png")
    with_line = draw(tmp_path / "b.png", threshold_nats=1.5)
    assert without.shape != with_line.shape or (without != with_line).any()


@pytest.mark.parametrize("name", ["a", "a.pdf"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}: the picture is a PNG"):
        draw(tmp_path / name)
