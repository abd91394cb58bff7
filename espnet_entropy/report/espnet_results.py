"""Results of trained models as ESPnet's recipes list them (`scripts/utils/show_asr_result.sh`)."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from espnet_entropy.data.kaldi import read_json
from espnet_entropy.report.render import render
from espnet_entropy.report.results_page import last_commit
from espnet_entropy.report.tables import SCORE_LABELS, written

GENERATOR = "espnet_entropy.bin.show_results"
ERROR_HEADER = ["dataset", "Snt", "Wrd", "Corr", "Sub", "Del", "Ins", "Err", "S.Err", "Err 95 %"]
TRANSLATION_HEADER = ["dataset", "score", "score 95 %", "verbose_score"]


def espnet_results(models: Sequence[Path]) -> str:
    """Markdown: the environment, and for each model WER, CER and TER, or BLEU and chrF.

    As sclite, Corr, Sub, Del, Ins and Err are percent of the reference's tokens (Wrd) and S.Err is
    percent of the sentences (Snt). The alignment is jiwer's, which has the fewest errors; sclite's
    weighs substitutions otherwise.

    Args:
        models: folders of trainings, with `DECODING/score.json` or `DECODING/SET/score.json`.

    Raises:
        ValueError: a model has no score.json, or a score.json cannot be read.
    """
    tables: dict[str, dict[str, list]] = {}
    signatures: dict[str, dict[str, dict]] = {}
    for model in models:
        paths = sorted([*model.glob("*/score.json"), *model.glob("*/*/score.json")])
        if not paths:
            raise ValueError(f"{model} has no */score.json; decode and score it first")
        scores = {str(path.parent.relative_to(model)): read_json(path) for path in paths}
        made, signed = tables.setdefault(str(model), {}), signatures.setdefault(str(model), {})
        for kind, label in SCORE_LABELS.items():
            found = {name: score for name, score in scores.items() if kind in score}
            signed[label] = dict.fromkeys(
                score[kind]["signature"] for score in found.values() if "signature" in score[kind]
            )
            is_rate = kind in ("wer", "cer", "ter")
            cells = _error_cells if is_rate else _translation_cells
            rows = [[name, *cells(score, score[kind])] for name, score in found.items()]
            if rows:
                made[label] = [ERROR_HEADER if is_rate else TRANSLATION_HEADER, *rows]
    return render(
        "results.md",
        generator=GENERATOR,
        environment=environment(),
        models=tables,
        signatures=signatures,
    )


def environment() -> list[tuple[str, str]]:
    """Date, versions and commit, by the names that ESPnet gives them."""
    import espnet2
    import torch

    commit, commit_date = last_commit()
    return [
        ("date", time.strftime("%a %b %e %H:%M:%S %Z %Y")),
        ("python version", sys.version.replace("\n", " ")),
        ("espnet version", f"espnet {espnet2.__version__}"),
        ("pytorch version", f"pytorch {torch.__version__}"),
        ("Git hash", commit),
        ("Commit date", commit_date),
    ]


def _error_cells(score: dict, rate: dict) -> list[str]:
    """Columns of ERROR_HEADER; `-` for what a score.json of an earlier version does not say."""
    tokens = rate.get("reference_tokens")
    kinds = [rate.get(kind) for kind in ("substitutions", "deletions", "insertions")]
    sentences = rate.get("sentences", score.get("utterances"))
    wrong = rate.get("sentence_errors", score.get("sentence_errors"))
    shares = [None] * 4
    if tokens and None not in kinds:
        hits = tokens - kinds[0] - kinds[1]
        shares = [100 * count / tokens for count in (hits, *kinds)]
    return [
        written(sentences, 0),
        written(tokens, 0),
        *(written(share, 1) for share in (*shares, rate.get("percent"))),
        "-" if None in (sentences, wrong) else f"{100 * wrong / sentences:.1f}",
        _interval(rate),
    ]


def _translation_cells(score: dict, found: dict) -> list[str]:
    interval = _interval(found)
    return [written(found.get("score"), 1), interval, found.get("verbose_score") or "-"]


def _interval(found: dict) -> str:
    return f"{found['low']:.1f} to {found['high']:.1f}" if "low" in found else "-"
