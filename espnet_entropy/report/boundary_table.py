"""The table of boundary scores."""

from espnet_entropy.evaluate.boundary_report import ScoredMethod
from espnet_entropy.evaluate.boundary_scores import CHANCES
from espnet_entropy.report.results_page import table

HEADER = (
    "method",
    "level",
    "tolerance ms",
    "segments/s",
    "in speech",
    "precision",
    "recall",
    "F1 (95 %)",
    "OS",
    "R-value",
    "random F1",
    "uniform F1",
    "shifted F1",
    "best F1 at offset ms",
)


def score_table(rows: list[ScoredMethod]) -> str:
    """Markdown, a line a row."""
    return table([list(HEADER), *map(_cells, rows)])


def _cells(row: ScoredMethod) -> list[str]:
    scores, (best, offset) = row.scores, row.best_offset
    interval = " (one utterance)"
    if row.interval is not None:
        interval = f" ({row.interval[0]:.2f}-{row.interval[1]:.2f})"
    return [
        row.method if row.rate_hz is None else f"{row.method} {row.rate_hz:g} Hz",
        row.level,
        f"{1000 * row.tolerance_sec:.0f}",
        "-" if row.overall_hz is None else f"{row.overall_hz:.1f}",
        f"{row.speech_hz:.1f}",
        f"{scores.precision:.2f}",
        f"{scores.recall:.2f}",
        f"{scores.f1:.2f}{interval}",
        f"{100 * scores.over_segmentation:.0f} %",
        f"{scores.r_value:.2f}",
        *(f"{row.chance_f1[chance]:.2f}" for chance in CHANCES),
        f"{best:.2f} at {1000 * offset:+.0f}",
    ]
