"""What long runs tell."""

from espnet_entropy.data import running


def test_summary_line(monkeypatch):
    times = iter([100.0, 110.0])
    monkeypatch.setattr(running.time, "monotonic", lambda: next(times))
    line = running.Stopwatch().summary("shard 1", 3, 180_000, 0.02)
    assert line == (
        "shard 1: 3 utterances, 1.000 h, 180000 units in 10.0 s (18000 units/s, 360 x real time)"
    )


def test_progress_stays_off_standard_output(capsys):
    assert list(running.progress(iter([1, 2]), "things", total=2)) == [1, 2]
    captured = capsys.readouterr()
    assert captured.out == "" and "things" in captured.err
