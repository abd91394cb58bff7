"""Syllables: phones and words that are told apart by hand."""

import pytest

from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.evaluate.syllables import syllables_of


def phones(text: str, start: float = 0.0) -> list[Interval]:
    """A tenth of a second for each label."""
    labels = text.split()
    return [Interval(start + n / 10, start + (n + 1) / 10, x) for n, x in enumerate(labels)]


@pytest.mark.parametrize(
    ("spoken", "syllables"),
    [
        ("AH G EH N S T", "AH G-EH-N-S-T"),
        ("EH K S T R AH", "EH-K S-T-R-AH"),  # K S T R begins no word
        ("S IH NG ER", "S-IH-NG ER"),
        ("W IH N T ER", "W-IH-N T-ER"),
        ("P L EY IH NG", "P-L-EY IH-NG"),
        ("HH M", "HH-M"),
        ("AE1 K T ER0", "AE-K T-ER"),
    ],
)
def test_the_longest_onset(spoken, syllables):
    made = phones(spoken)
    word = Interval(made[0].start_sec, made[-1].end_sec, "word")
    found = syllables_of(made, [word])
    assert [syllable.label for syllable in found] == syllables.split()
    assert found[0].start_sec == 0 and found[-1].end_sec == made[-1].end_sec
    assert all(a.end_sec == b.start_sec for a, b in zip(found, found[1:], strict=False))


def test_syllables_stay_within_words_and_out_of_silences():
    made = [*phones("AE T"), Interval(0.2, 0.5, "SIL"), *phones("AO L", 0.5)]
    words = [Interval(0, 0.2, "at"), Interval(0.2, 0.5, "<sil>"), Interval(0.5, 0.7, "all")]
    assert syllables_of(made, words) == [Interval(0, 0.2, "AE-T"), Interval(0.5, 0.7, "AO-L")]
