"""Claims about trained systems, from their decoded texts."""

import sys
from pathlib import Path

import pytest
import tiny
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "egs2/core_sounds/local"))

import judge_claims  # noqa: E402

LOG = """2026-11-25 10:00:00,000 (trainer:1) INFO: 1epoch started
2026-11-25 10:0{minutes}:00,000 (trainer:1) INFO: 1epoch results
"""
DECODING = """2026-11-25 11:00:00,000 (asr_inference:1) INFO: speech length: 100
2026-11-25 11:00:0{seconds},000 (asr_inference:1) INFO: end
"""


@pytest.fixture
def trained(tmp_path):
    """Three seeds of `good` and `bad`, one seed of `late`; texts of four words."""
    utts = [f"utt-{number}" for number in range(20)]
    (tmp_path / "text").write_text("".join(f"{utt} a b c d\n" for utt in utts))
    for system, seeds, words, minutes in (
        ("good", 3, "a b c d", 2),
        ("bad", 3, "a b x", 4),
        ("late", 1, "a", 6),
    ):
        for seed in range(seeds):
            folder = tmp_path / f"{system}_{seed}"
            (folder / "decode_test").mkdir(parents=True)
            text = "".join(f"{utt} {words}\n" for utt in utts)
            (folder / "decode_test/text").write_text(text)
            (folder / "train.log").write_text(LOG.format(minutes=minutes))
            (folder / "decode_log").mkdir()
            (folder / "decode_log/inference.1.log").write_text(DECODING.format(seconds=minutes))
    return tmp_path


def judge(folder, claims, seeds=(0, 1, 2), **options):
    (folder / "claims.yaml").write_text(yaml.safe_dump(claims))
    tiny.command(
        judge_claims,
        claims=folder / "claims.yaml",
        models=folder / "%system%_%seed%",
        set="test",
        reference=folder / "text",
        command="./run_claims.sh",
        seeds=list(seeds),
        output=folder / "RESULTS.md",
        **options,
    )
    lines = (folder / "RESULTS.md").read_text().splitlines()
    return [line for line in lines if line.startswith("| ")][1:]


def test_claims(trained):
    pairs = [("good", "bad"), ("bad", "good"), ("late", "bad"), ("good", "none")]
    claims = [{"claim": f"{a} beats {b}", "ours": a, "other": b} for a, b in pairs]
    rows = judge(trained, claims)[1:]
    # `bad` has a substitution and a deletion in four words.
    assert rows[0].startswith("| good beats bad | good, bad | 3 | -50.0 (-50.0 to -50.0) |")
    assert rows[0].endswith("| 0.50 | 0.50 | held |") and "-50.0 -50.0 -50.0" in rows[0]
    assert rows[1].endswith("| 2.00 | 2.00 | failed |")
    assert rows[2].endswith("| open: 1 of 3 seeds |") and "+25.0" in rows[2]
    assert rows[3].endswith("| not run |")


def test_the_picture_is_of_what_has_run(trained):
    claims = [{"claim": "better", "ours": "good", "other": "bad"}]
    missing = [{"claim": "missing", "ours": "good", "other": "none"}]
    picture = trained / "pictures/claims.png"
    judge(trained, missing, picture=picture)
    assert not picture.exists() and "claims.png" not in (trained / "RESULTS.md").read_text()
    judge(trained, claims + missing, picture=picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "![claims](claims.png)" in (trained / "RESULTS.md").read_text()


def test_a_seed_counts_once(trained):
    with pytest.raises(SystemExit, match="--seeds 0 0 1: each counts once"):
        judge(trained, [{"claim": "x", "ours": "good", "other": "bad"}], seeds=(0, 0, 1))


@pytest.mark.parametrize("claims", [[], "text", [{"claim": "x"}], [{"ours": "a", "other": "b"}]])
def test_claims_of_another_form(trained, claims):
    with pytest.raises(SystemExit, match="claims.yaml"):
        judge(trained, claims)
