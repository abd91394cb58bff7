"""Results of trained models as ESPnet's recipes list them (`scripts/utils/show_asr_result.sh`)."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from espnet_entropy.data.kaldi import read_json
from espnet_entropy.report.render import render
from espnet_entropy.report.results_page import last_commit
from espnet_entropy.report.tables import score_tables

GENERATOR = "espnet_entropy.bin.show_results"


def espnet_results(models: Sequence[Path]) -> str:
    """Markdown: the environment, and for each model WER, CER and TER, or BLEU and chrF.

    Args:
        models: folders of trainings, with `DECODING/score.json` or `DECODING/SET/score.json`.

    Raises:
        ValueError: a model has no score.json, or a score.json cannot be read.
    """
    tables: dict[Path, list] = {}
    for model in models:
        paths = sorted([*model.glob("*/score.json"), *model.glob("*/*/score.json")])
        if not paths:
            raise ValueError(f"{model} has no */score.json; decode and score it first")
        scores = {str(path.parent.relative_to(model)): read_json(path) for path in paths}
        tables[model] = score_tables(scores)
    return render("results.md", generator=GENERATOR, environment=environment(), models=tables)


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
