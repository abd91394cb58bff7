"""Word and character error rates: counts, interval, refusals."""

import json

import pytest

from espnet_entropy.bin import score
from espnet_entropy.evaluate import scoring


@pytest.mark.parametrize(
    "ref, hyp, characters, expected",
    [
        ("a b c", "a b c", False, (0, 0, 0, 3)),
        ("a b c", "a x c", False, (1, 0, 0, 3)),
        ("a b c", "a c", False, (0, 1, 0, 3)),
        ("a b c", "a b b c", False, (0, 0, 1, 3)),
        ("a b c", "", False, (0, 3, 0, 3)),
        ("", "a b", False, (0, 0, 2, 0)),
        ("", "", False, (0, 0, 0, 0)),
        ("ab c", "abc", True, (0, 1, 0, 4)),
        ("", "ab", True, (0, 0, 2, 0)),
        ("сообщение", "сообщения", True, (1, 0, 0, 9)),
    ],
)
def test_counts(ref, hyp, characters, expected):
    assert scoring.count_errors(ref, hyp, characters=characters) == expected


def test_rate_is_over_the_set_and_not_the_mean_of_utterances():
    refs = {"u1": "a", "u2": "a b c d e f g h i"}
    hyps = {"u1": "x", "u2": "a b c d e f g h i"}
    rate = scoring.error_rate(refs, hyps, characters=False)
    assert rate.percent == pytest.approx(10.0)
    assert (rate.errors, rate.reference_tokens) == (1, 10)
    assert rate.low <= rate.percent <= rate.high


def test_interval_is_seeded_and_narrows_with_more_utterances():
    def corpus(copies):
        return {f"u{i}": "a b" for i in range(copies)}

    def hypotheses(copies):
        return {f"u{i}": "a b" if i % 2 else "a x" for i in range(copies)}

    few = scoring.error_rate(corpus(10), hypotheses(10), characters=False, seed=3)
    assert few == scoring.error_rate(corpus(10), hypotheses(10), characters=False, seed=3)
    many = scoring.error_rate(corpus(1000), hypotheses(1000), characters=False, seed=3)
    assert many.high - many.low < (few.high - few.low) / 3


def test_different_ids_are_refused_by_name():
    with pytest.raises(ValueError, match=r"1 utterances without a hypothesis \(u2\)"):
        scoring.error_rate({"u1": "a", "u2": "b"}, {"u1": "a"}, characters=False)
    with pytest.raises(ValueError, match=r"1 utterances without a reference \(u3\)"):
        scoring.error_rate({"u1": "a"}, {"u1": "a", "u3": "b"}, characters=False)


def test_empty_references_alone_have_no_rate():
    with pytest.raises(ValueError, match="all references are empty"):
        scoring.error_rate({"u1": ""}, {"u1": "a"}, characters=False)


def test_command_writes_json_and_prints_a_line(tmp_path, capsys):
    ref, hyp, output = tmp_path / "ref", tmp_path / "hyp", tmp_path / "new" / "score.json"
    ref.write_text("u1 good day\nu2 hello\n")
    hyp.write_text("u1 good  day\nu2 \n")
    cmd = ["--ref", str(ref), "--hyp", str(hyp), "--output", str(output), "--name", "demo test"]
    score.main(cmd)
    result = json.loads(output.read_text())
    assert result["utterances"] == 2
    assert result["empty_hypotheses"] == 1
    assert result["sentence_errors"] == 1
    assert result["wer"]["deletions"] == 1
    assert result["wer"]["percent"] == pytest.approx(100 / 3)
    printed = capsys.readouterr().out
    assert printed.startswith("demo test: WER 33.33 %") and printed.count("\n") == 1


def test_non_linguistic_symbols_are_left_out(tmp_path):
    (tmp_path / "ref").write_text("a <noise> one two\nb three<noise-loud>\n")
    (tmp_path / "hyp").write_text("a one two <noise>\nb three\n")
    (tmp_path / "symbols").write_text("<noise>\n<noise-loud>\n")
    words = ["--ref", tmp_path / "ref", "--hyp", tmp_path / "hyp", "--output", tmp_path / "out"]
    score.main([*map(str, words), "--non_linguistic_symbols", str(tmp_path / "symbols")])
    made = json.loads((tmp_path / "out").read_text())
    assert made["wer"]["errors"] == made["cer"]["errors"] == 0
    assert made["wer"]["reference_tokens"] == 3


def test_groups_are_scored_apart(tmp_path, capsys):
    (tmp_path / "ref").write_text("a one two\nb three\nc four\n")
    (tmp_path / "hyp").write_text("a one two\nb tree\nc four\n")
    (tmp_path / "groups").write_text("a child unseen\nb adult unseen\nc child\nd seen\n")
    words = [
        "--ref",
        tmp_path / "ref",
        "--hyp",
        tmp_path / "hyp",
        "--output",
        tmp_path / "s/o.json",
    ]
    words = [*map(str, words), "--groups", str(tmp_path / "groups")]
    score.main([*words, "--name", "test"])
    made = {p.parent.name: json.loads(p.read_text()) for p in tmp_path.glob("s/**/o.json")}
    errors = {name: (m["wer"]["errors"], m["wer"]["reference_tokens"]) for name, m in made.items()}
    assert errors == {"s": (1, 4), "adult": (1, 1), "child": (0, 3), "unseen": (1, 3)}
    assert "\ntest child: WER 0.00 %" in capsys.readouterr().out
    (tmp_path / "groups").write_text("a child\nc adult\n")
    with pytest.raises(SystemExit, match=r"groups lacks 1 of 3 utterances \(b, ...\)"):
        score.main(words)
