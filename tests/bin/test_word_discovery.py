"""word_discovery: from dumps and alignments to the tables."""

import json

import pytest
import tiny

from espnet_entropy.bin import word_discovery
from espnet_entropy.evaluate.alignment import write_ctm


@pytest.fixture(scope="module")
def aligned(parts, tmp_path_factory):
    """Phones are the runs of units; words are the same."""
    path = tmp_path_factory.mktemp("words") / "phones.ctm"
    write_ctm(path, tiny.phones_of(parts))
    return path


def run(parts, aligned, output, **options):
    given = dict(dump=parts.dump, words=aligned, phones=aligned, bundle=parts.bundle)
    given |= dict(choose_on="all", output=output, methods=["uniform", "dedup"], rates=[8])
    given |= dict(merge=[])
    tiny.command(word_discovery, **given | options)
    return json.loads((output / "words.json").read_text())


def test_tables(parts, aligned, tmp_path, capsys):
    limit = 0.1
    found = run(
        parts, aligned, tmp_path, max_phone_sec=limit, merge="dedup", classes=4, bpe_sizes=9
    )
    text = (tmp_path / "words.md").read_text()
    assert capsys.readouterr().out.strip() == text.strip()
    assert "all: 5 utterances; time offsets chosen on all" in text
    phones = tiny.phones_of(parts)
    kept = [utt for utt, row in phones.items() if max(b - a for a, b, _ in row) <= limit]
    assert 0 < found["filtered"] == len(kept) < 5
    uniform, dedup, merged, nothing = found["rows"]
    assert dedup["offset_sec"] == 0 and dedup["chosen_f1"] == 1
    for scores in (*dedup["all"].values(), *dedup["filtered"].values()):
        assert scores["f1"] == scores["token_f1"] == scores["r_value"] == 1
    assert dedup["all"]["time"]["num_words"] == sum(map(len, phones.values()))
    assert dedup["filtered"]["time"]["num_words"] == sum(len(phones[utt]) for utt in kept)
    assert uniform["overall_hz"] == pytest.approx(8, abs=0.8)
    # Start and end of each of five utterances, which are one stretch of speech.
    counts = [nothing["all"]["time"][key] for key in ("right", "num_hypothesis")]
    assert counts == [10, 10] and nothing["all"]["inner"]["recall"] == 0
    # Runs of units, merged: each of their boundaries is one of a unit.
    assert merged["method"] == "dedup, 4 classes, BPE 9"
    assert merged["all"]["inner"]["precision"] == 1 > merged["all"]["inner"]["recall"]


def test_refused(parts, aligned, tmp_path):
    with pytest.raises(SystemExit, match="--choose_on dev is none of the dumps all"):
        run(parts, aligned, tmp_path, choose_on="dev")
    with pytest.raises(SystemExit, match="2 dumps, 1 files of words and 1 of phones"):
        run(parts, aligned, tmp_path, dump=[parts.dump, parts.dump])


def test_a_rate_out_of_reach_is_told(parts, aligned, tmp_path):
    found = run(parts, aligned, tmp_path, methods=["dp", "uniform"], rates=[3])
    assert [row["method"] for row in found["rows"]] == ["uniform", "no boundaries"]
    assert found["left_out"][0].startswith("dp 3 Hz: ")
