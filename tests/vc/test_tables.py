"""Pairs, and summaries of scores."""

import math

import pytest

from espnet_entropy.bin.score_conversion import COLUMNS as COLUMNS_OF_SCORES
from espnet_entropy.data.kaldi import write_yaml
from espnet_entropy.vc.judges import normalize
from espnet_entropy.vc.pairs import COLUMNS, Pair, read_pairs, write_pairs
from espnet_entropy.vc.summary import summarize

PAIRS = [
    Pair("a_to_x", "a.wav", "x.wav", "spk-a", "spk-x", "one two three"),
    Pair("b_to_x", "b.wav", "x.wav", "spk-b", "spk-x", ""),
]


def test_pairs_come_back(tmp_path):
    write_pairs(tmp_path / "pairs.tsv", PAIRS)
    assert read_pairs(tmp_path / "pairs.tsv") == PAIRS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must name the columns"),
        ("name\tsource\n", "must name the columns"),
        ("\t".join(COLUMNS) + "\n", "has no pairs"),
        ("\t".join(COLUMNS) + "\na\tb\n", "line 2: 2 columns, not 6"),
        ("\t".join(COLUMNS) + "\n../a\tb\tc\td\te\tf\n", "'../a' is no name"),
        ("\t".join(COLUMNS) + "\n" + "a\tb\tc\td\te\tf\n" * 2, "line 3: a occurs a second time"),
    ],
)
def test_refused_pairs(tmp_path, text, message):
    (tmp_path / "pairs.tsv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_pairs(tmp_path / "pairs.tsv")
    with pytest.raises(ValueError, match="cannot be read"):
        read_pairs(tmp_path / "none.tsv")


SCORES = (
    COLUMNS_OF_SCORES,
    ("a_to_x", "one two tree", "one", "0.8", "0.5", "3.0", "4.0", "0.5", "3.0"),
    ("b_to_x", "", "", "0.4", "0.5", "3.0", "2.0", "nan", "nan"),
)


def test_summary(tmp_path):
    (tmp_path / "scores.tsv").write_text("\n".join(map("\t".join, SCORES)))
    for pair, seconds, rate in zip(PAIRS, (10.0, 30.0), (14.0, 16.0), strict=True):
        info = {"seconds": seconds, "rate_hz": rate, "took_seconds": 4.0, "vocoder": "X"}
        write_yaml(tmp_path / f"{pair.name}.yaml", info)
    summary = summarize(tmp_path, "15", PAIRS)
    assert summary.wer["whisper"] == pytest.approx(100 / 3)
    assert summary.wer["sphinx"] == pytest.approx(200 / 3)
    assert summary.closer == 50 and summary.spectrum_closer == 50
    assert summary.rate_hz == 15.5 and summary.real_time_factor == pytest.approx(0.2)
    assert summary.pitch_correlation == 0.5 and summary.dnsmos == 3.0
    assert (summary.num_judged, summary.num_files, summary.vocoder) == (1, 2, "X")
    alone = summarize(tmp_path, "15", PAIRS[1:])
    assert math.isnan(alone.wer["whisper"]) and math.isnan(alone.dnsmos)
    with pytest.raises(ValueError, match="lacks c"):
        summarize(tmp_path, "15", [*PAIRS, Pair("c", "", "", "", "", "")])
    with pytest.raises(ValueError, match="score it first"):
        summarize(tmp_path / "none", "15", PAIRS)


def test_judges_words_are_made_alike():
    assert normalize("It's 42, O.K.!") == "it's four two o k"
