"""Tables of results, as they stand in JSON."""

from espnet_entropy.report.tables import conversion_parts, rate_parts, rate_summary, score_rows


def test_scores():
    wer = dict(percent=50.04, low=40, high=60.06, substitutions=3, deletions=2, insertions=1)
    score = dict(utterances=7, empty_hypotheses=1, wer=wer | dict(reference_tokens=12))
    score["cer"] = dict(percent=20.0)
    rows = score_rows({"dev": score, "test": None}, {"dev": 15.004})
    assert rows[1] == ["dev", "50.0 % [40.0, 60.1]", "20.0 %", "15.00", "7", "1", "3 + 2 + 1 of 12"]
    assert rows[2] == ["test", "not run", "not run", "-", "-", "-", "-"]
    # A set that was scored with a BPE model, beside one that was scored before.
    rows = score_rows({"dev": score | {"ter": {"percent": 30.0}}, "test": score}, {})
    assert [row[3] for row in rows] == ["TER", "30.0 %", "-"]
    bleu = {"utterances": 2, "bleu": {"score": 9.96, "low": 1, "high": 2}, "chrf": {"score": 3}}
    rows = score_rows({"dev": bleu}, {})
    assert rows[0][:3] == ["set", "BLEU", "chrF"]
    assert rows[1] == ["dev", "10.0 [1.0, 2.0]", "3.0", "-", "2", "-"]
    assert score_rows({"dev": None}, {})[1][1] == "not run"


def reached(name, segmenter, rate_hz, thresholds, reached_hz=None, share=None):
    made = dict(set=name, segmenter=segmenter, rate_hz=rate_hz, thresholds_nats=thresholds)
    return made | dict(reached_hz=reached_hz, one_frame_share=share)


def test_rates_have_a_column_a_set():
    result = {
        "rates": [
            reached("dev", "global", 15.0, {"global_nats": 1.9}, 15.0, 0.54),
            reached("dev", "peaks", 30.0, None),
            reached("test", "global", 15.0, {"global_nats": 1.9}, 13.73, 0.5),
            reached("test", "uniform", 15.0, {}, 15.0, 0.0),
        ]
    }
    _, rows, folded = rate_summary(result)
    assert rows == [
        ["segmenter", "aimed at [Hz]", "dev", "test"],
        ["global", "15", "15.00 (54 %)", "13.73 (50 %)"],
        ["peaks", "30", "out of reach", "-"],
        ["uniform", "15", "-", "15.00 (0 %)"],
    ]
    assert folded["folded"] == rate_parts(result)
    assert folded["folded"][0][1:4:2] == [
        ["dev", "global", "15", "1.900", "15.00", "54 %"],
        ["test", "global", "15", "1.900", "13.73", "50 %"],
    ]


def test_what_a_recording_does_not_have_is_a_line():
    numbers = ("to_target", "to_source", "closer", "spectrum_closer", "pitch_correlation", "dnsmos")
    heard = {"whisper": 2.93, "sphinx": None}
    system = dict(system="source", rate_hz=None, wer=heard, cer=heard, real_time_factor=None)
    rows, note = conversion_parts(
        {"systems": [system | dict.fromkeys(numbers, 0.5)], "notes": ["A note."]}
    )
    assert rows[1][:5] == ["source recordings", "-", "2.9", "2.9", "-"]
    assert len(rows[0]) == len(rows[1]) and note == {"note": "A note."}
