"""Words of a text in a real recording's sound, or the reason why not."""

import numpy as np
import pytest

pytest.importorskip("pocketsphinx")
from espnet_entropy.explore.words import align_words  # noqa: E402

TEXT = "go forward ten meters"


@pytest.fixture(scope="module")
def speech():
    """Pocketsphinx has no recording in its package, so this one is hummed: vowels and noise."""
    rng = np.random.default_rng(0)
    time = np.arange(16000 * 2) / 16000
    hum = np.sin(2 * np.pi * 120 * time) * (1 + np.sin(2 * np.pi * 3 * time))
    return (0.1 * hum + 0.01 * rng.standard_normal(len(time))).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "message"),
    [("...", "no words"), ("", "no words"), ("the qwxzy", "dictionary: qwxzy")],
)
def test_texts_that_are_refused(speech, text, message):
    with pytest.raises(ValueError, match=message):
        align_words(speech, text)


def test_a_sound_too_short_for_its_text(speech):
    with pytest.raises(ValueError, match="align|fit"):
        align_words(speech[:3000], " ".join([TEXT] * 10))


def test_words_are_in_order_and_inside(speech):
    words = align_words(speech, TEXT)
    assert [word for *_, word in words] == TEXT.split()
    times = [time for start, end, _ in words for time in (start, end)]
    assert times == sorted(times) and times[0] >= 0 and times[-1] <= 2.0
