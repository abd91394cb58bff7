"""Forced alignment: sounds whose phones are known to the millisecond."""

import sys

import numpy as np
import pytest

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.force_align import compare_words, sphinx_aligner

pytest.importorskip("pocketsphinx")
RATE = 16000


@pytest.fixture(scope="module")
def align():
    return sphinx_aligner()


def hiss(seconds: float) -> np.ndarray:
    """SH: noise above 2 kHz."""
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft(rng.standard_normal(round(seconds * RATE)))
    frequencies = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    shaped = np.fft.irfft(spectrum * np.exp(-(((frequencies - 3500) / 1200) ** 2)))
    return 0.05 * shaped / shaped.std()


def vowel(seconds: float) -> np.ndarray:
    """IY: pulses of 200 Hz through resonances at 300, 2300 and 3000 Hz."""
    pulses = np.zeros(round(seconds * RATE))
    pulses[:: RATE // 200] = 1.0
    time = np.arange(800) / RATE
    response = sum(
        gain * np.exp(-60 * np.pi * time) * np.sin(2 * np.pi * pitch * time)
        for pitch, gain in ((300, 1.0), (2300, 0.4), (3000, 0.3))
    )
    wave = np.convolve(pulses, response)[: len(pulses)]
    return 0.1 * wave / wave.std()


def she(lead: float) -> np.ndarray:
    """`she`: quiet, SH of 150 ms, IY of 250 ms, quiet."""
    quiet = [
        0.0005 * np.random.default_rng(n).standard_normal(round(s * RATE))
        for n, s in enumerate((lead, 0.3))
    ]
    return np.concatenate([quiet[0], hiss(0.15), vowel(0.25), quiet[1]]).astype(np.float32)


@pytest.mark.parametrize("lead", [0.3, 0.52])
def test_phones_of_a_sound_whose_times_are_known(align, lead):
    made = align(she(lead), "she")
    phones = {interval.label: interval for interval in made.phones}
    # Frames of 25 ms, in steps of 10. The end of a vowel as steady as this one is lost on it.
    assert phones["SH"].start_sec == pytest.approx(lead, abs=0.05)
    assert phones["IY"].start_sec == pytest.approx(lead + 0.15, abs=0.03)
    (word,) = [interval for interval in made.words if not interval.is_silence]
    assert word == Interval(phones["SH"].start_sec, phones["IY"].end_sec, "she")


def test_intervals_go_from_the_beginning_to_the_end(align):
    wave = she(0.3)
    for tier in align(wave, "she"):
        assert tier[0].start_sec == 0 and tier[-1].end_sec == len(wave) / RATE
        for one, other in zip(tier, tier[1:], strict=False):
            assert one.end_sec == other.start_sec


def test_nothing_depends_on_what_was_aligned_before(align):
    alone = align(she(0.3), "she")
    align(0.1 * she(0.5), "see")
    with pytest.raises(ValueError, match="no path"):
        align(she(0.3), "she sells")
    assert align(she(0.3), "she") == alone == sphinx_aligner()(she(0.3), "she")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no text"), ("she xqzt wvvk xqzt", "not in the dictionary: wvvk xqzt")],
)
def test_text_that_cannot_be_aligned(align, text, message):
    with pytest.raises(ValueError, match=message):
        align(she(0.3), text)


def test_a_word_outside_the_dictionary_is_guessed():
    pytest.importorskip("g2p_en")
    made = sphinx_aligner(guess_words=True)(she(0.3), "shee")
    assert [phone.label for phone in made.phones if not phone.is_silence] == ["SH", "IY"]
    assert [word.label for word in made.words if not word.is_silence] == ["shee"]
    twice = np.concatenate([she(0.3), she(0.3)])
    made = sphinx_aligner(guess_words=True)(twice, "shee shee")
    assert [word.label for word in made.words if not word.is_silence] == ["shee", "shee"]


def test_no_pocketsphinx(monkeypatch):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(ValueError, match="PocketSphinx.*not installed: pip install pocketsphinx"):
        sphinx_aligner()


def test_agreement_by_hand():
    first = {
        "a": [Interval(0, 0.1, "SIL"), Interval(0.1, 0.3, "one"), Interval(0.3, 0.6, "two")],
        "b": [Interval(0.0, 0.5, "three")],
        "c": [Interval(0.0, 0.5, "alone")],
    }
    second = {
        "a": [Interval(0.12, 0.3, "one"), Interval(0.34, 0.5, "TWO")],
        "b": [Interval(0.0, 0.5, "three"), Interval(0.5, 0.6, "<sil>")],
    }
    made = compare_words(first, second)
    assert (made.num_words, made.num_left_out) == (3, 1)
    # starts: +20, +40, 0 ms; ends: 0, -100, 0 ms
    assert made.start_median_sec == pytest.approx(0.02)
    assert made.start_p90_sec == pytest.approx(0.036)
    assert made.start_bias_sec == pytest.approx(0.02)
    assert made.start_spread_sec == pytest.approx(0.02)
    assert made.end_median_sec == made.end_bias_sec == 0
    assert made.end_p90_sec == pytest.approx(0.08)


def test_alignments_that_do_not_compare():
    one, two = {"a": [Interval(0, 1, "one")]}, {"a": [Interval(0, 1, "two")]}
    with pytest.raises(ValueError, match="utt a: one alignment has 'one', the other 'two'"):
        compare_words(one, two)
    with pytest.raises(ValueError, match="no word in common"):
        compare_words(one, {"b": two["a"]})
