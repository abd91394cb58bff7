"""When the words of a text are spoken, or the reason why not."""

import os
from pathlib import Path

import numpy as np
import pytest

from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.evaluate.alignment import Interval

pytest.importorskip("pocketsphinx")
from espnet_entropy.evaluate.force_align import Aligned  # noqa: E402
from espnet_entropy.explore import words  # noqa: E402
from espnet_entropy.explore.words import align_words  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
UNITS1 = Path(os.environ.get("CORE_SOUNDS_UNITS1", ROOT / "egs2/core_sounds/units1"))
TEXT = "go forward ten meters"


@pytest.fixture(scope="module")
def speech():
    """Hummed, in faint noise."""
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
    with pytest.raises(ValueError, match="aligned|no path|fit"):
        align_words(speech[:3000], " ".join([TEXT] * 10))


def test_silences_are_dropped_and_all_that_is_said_must_be_there(monkeypatch, speech):
    found = [Interval(0, 0.1, "<sil>"), Interval(0.1, 0.3, "go"), Interval(0.3, 0.5, "[NOISE]")]
    monkeypatch.setattr(words, "sphinx_aligner", lambda: lambda *_: Aligned(found, []))
    assert align_words(speech, "Go!") == [(0.1, 0.3, "go")]
    with pytest.raises(ValueError, match="does not fit the sound"):
        align_words(speech, "go away")


@pytest.mark.skipif(
    not (UNITS1 / "data/dev_en/text").is_file(),
    reason=f"{UNITS1} has no recordings; run egs2/core_sounds/units1/run.sh --stop_stage 1, or "
    "name another recipe's folder as CORE_SOUNDS_UNITS1",
)
def test_words_of_real_recordings(monkeypatch):
    monkeypatch.chdir(UNITS1)
    texts, paths = (read_table(f"data/dev_en/{name}") for name in ("text", "wav.scp"))
    loud_words = 0
    for name in sorted(texts)[:8]:
        waveform = read_audio(paths[name], 16000)
        found = align_words(waveform, texts[name])
        times = [time for start, end, _ in found for time in (start, end)]
        assert times == sorted(times) and 0 <= times[0] and times[-1] <= len(waveform) / 16000
        assert [word for *_, word in found] == texts[name].split()
        # Each is louder than a tenth of the recording as a whole: it stands where there is speech.
        parts = [waveform[round(a * 16000) : round(b * 16000)] for a, b, _ in found]
        loud_words += sum(np.std(part) > 0.1 * np.std(waveform) for part in parts)
    assert loud_words > 30
