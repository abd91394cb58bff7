"""BLEU and chrF: the numbers of sacrebleu, their signatures, refusals."""

import json

import pytest
import sacrebleu

from espnet_entropy.bin import score_translation

REFS = {f"u{n}": f"Pulse {word} para salir, por favor." for n, word in enumerate("uno dos".split())}
HYPS = {"u0": "Pulse uno para salir.", "u1": "Marque dos para salir, por favor."}


def write(path, texts):
    path.write_text("".join(f"{utt} {text}\n" for utt, text in texts.items()), encoding="utf-8")
    return str(path)


def test_the_scores_are_sacrebleus_and_case_counts():
    scores = score_translation.translation_scores(REFS, HYPS)
    texts, references = list(HYPS.values()), [list(REFS.values())]
    assert scores["bleu"]["score"] == sacrebleu.corpus_bleu(texts, references).score
    assert scores["chrf"]["score"] == sacrebleu.corpus_chrf(texts, references).score
    assert "case:mixed" in scores["bleu"]["signature"] and "tok:13a" in scores["bleu"]["signature"]
    for score in scores.values():
        assert score["low"] <= score["score"] <= score["high"]
    lower = score_translation.translation_scores(REFS, {u: t.lower() for u, t in HYPS.items()})
    assert lower["bleu"]["score"] < scores["bleu"]["score"]
    perfect = score_translation.translation_scores(REFS, REFS)
    assert perfect["bleu"]["score"] == pytest.approx(100)


@pytest.mark.parametrize(
    "options, tokenizer",
    [(dict(tgt_lang="zh"), "zh"), (dict(tgt_lang="zh", tokenize="char"), "char"), ({}, "13a")],
)
def test_chinese_has_its_tokenizer(options, tokenizer):
    texts = {"u1": "今天天气很好。"}
    scores = score_translation.translation_scores(texts, texts, **options)
    assert f"tok:{tokenizer}" in scores["bleu"]["signature"]


def test_nothing_right_has_a_score_without_an_interval():
    scores = score_translation.translation_scores({"a": "uno", "b": "dos"}, {"a": "dos", "b": ""})
    assert scores["chrf"]["score"] < 50 and scores["bleu"]["score"] == 0


def test_files(tmp_path, capsys):
    arguments = ["--ref", write(tmp_path / "ref", REFS), "--hyp", write(tmp_path / "hyp", HYPS)]
    output = tmp_path / "out" / "score.json"
    output.parent.mkdir()
    score_translation.main([*arguments, "--output", str(output), "--name", "en-es test"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("en-es test: BLEU ") and "2 utterances, 0 empty" in lines[0]
    result = json.loads(output.read_text())
    assert [line.strip() for line in lines[1:]] == [
        result[name]["signature"] for name in ("bleu", "chrf")
    ]
    assert result["utterances"] == 2


@pytest.mark.parametrize(
    "refs, hyps, message",
    [
        (REFS, {"u0": "x"}, "1 utterances without a hypothesis"),
        (dict.fromkeys(REFS, ""), HYPS, "all references are empty"),
        ({}, HYPS, "no utterances"),
    ],
)
def test_refused(tmp_path, refs, hyps, message):
    arguments = ["--ref", write(tmp_path / "ref", refs), "--hyp", write(tmp_path / "hyp", hyps)]
    with pytest.raises(SystemExit, match=message):
        score_translation.main([*arguments, "--output", str(tmp_path / "score.json")])
    assert not (tmp_path / "score.json").exists()
