"""Tables of results, as they stand in JSON."""

from espnet_entropy.report.tables import rate_parts, rate_summary


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
