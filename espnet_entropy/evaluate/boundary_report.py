"""Boundaries of several methods scored on one set: all figures of a method in one row."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from espnet_entropy.evaluate.alignment import Alignments
from espnet_entropy.evaluate.boundary_scores import (
    CHANCES,
    MARGIN_SEC,
    TOLERANCES_SEC,
    BoundaryScores,
    Reference,
    bootstrap_f1,
    chance_counts,
    count_set,
    offset_scan,
    reference_of,
    scores_of,
)

OFFSETS_SEC = np.arange(-10, 11) / 100


@dataclass(frozen=True)
class ScoredMethod:
    """One method at one rate against one level of a set's alignments.

    Attributes:
        set_name: of the set.
        method: its name.
        level: `phones`, `syllables` or `words`.
        rate_hz: aimed at inside speech; None if the method has none.
        overall_hz: segments per second over everything.
        speech_hz: boundaries per second inside speech.
        tolerance_sec: of a match.
        scores: of the set.
        interval: 95 % of F1 over utterances; None for a single one.
        chance_f1: of as many boundaries an utterance, by the names of CHANCES.
        offsets_sec, offset_f1: F1 after all boundaries were moved, hypothesis later for positive.
        moved_sec: by how much all boundaries had been moved before; None if by nothing.
        pause_share: of all boundaries, those inside pauses; None if that is not known.
        speaker_f1: F1 of each speaker; empty unless there are several.
    """

    set_name: str
    method: str
    level: str
    rate_hz: float | None
    overall_hz: float | None
    speech_hz: float
    tolerance_sec: float
    scores: BoundaryScores
    interval: tuple[float, float] | None
    chance_f1: dict[str, float]
    offsets_sec: list[float]
    offset_f1: list[float]
    moved_sec: float | None = None
    pause_share: float | None = None
    speaker_f1: dict[str, float] = field(default_factory=dict)

    @property
    def best_offset(self) -> tuple[float, float]:
        """(F1, offset in seconds) where F1 is highest, the smallest such move."""
        best = max(self.offset_f1)
        places = [o for o, f1 in zip(self.offsets_sec, self.offset_f1, strict=True) if f1 == best]
        return best, min(places, key=abs)

    def as_json(self) -> dict:
        """Plain values, the derived ones among them."""
        derived = ("precision", "recall", "f1", "over_segmentation", "r_value")
        values = asdict(self) | dict(best_offset=self.best_offset)
        values["scores"] |= {name: getattr(self.scores, name) for name in derived}
        return values


def references_of(
    alignments: Alignments, durations_sec: Mapping[str, float], margin_sec: float = MARGIN_SEC
) -> dict[str, Reference]:
    """References of the utterances in which somebody speaks, in the order of the alignments.

    Raises:
        ValueError: nobody speaks in any.
    """
    made = {
        u: reference_of(intervals, durations_sec[u], margin_sec)
        for u, intervals in alignments.items()
    }
    spoken = {utt: reference for utt, reference in made.items() if reference is not None}
    if not spoken:
        raise ValueError(
            f"{len(made)} aligned utterances hold silence alone: the references are empty; give "
            "alignments of speech"
        )
    return spoken


def score_method(
    references: Mapping[str, Reference],
    times: Mapping[str, np.ndarray],
    *,
    frame_rate_hz: float,
    seed: int = 0,
    tolerances_sec: Sequence[float] = TOLERANCES_SEC,
    speakers: Mapping[str, str] | None = None,
    **names,
) -> list[ScoredMethod]:
    """Everything about one method's boundaries, a row a tolerance.

    Args:
        references: of the utterances to be scored.
        times: (n,) ascending seconds of each of them, and perhaps of others.
        frame_rate_hz: of the grid that the times are on.
        seed: of chance levels and interval.
        tolerances_sec: of a match.
        speakers: of the utterances; without them, or with one alone, no F1 by speaker is made.
        names: set_name, method, level, rate_hz, overall_hz, moved_sec, pause_share of the rows.

    Raises:
        ValueError: no reference has a boundary.
    """
    ordered = list(references.values())
    hypotheses = [times[utt] for utt in references]
    seconds = sum(reference.seconds for reference in ordered)
    rows = []
    for tolerance in tolerances_sec:
        counts = count_set(ordered, hypotheses, tolerance)
        chance_f1 = {}
        for chance in CHANCES:
            options = dict(chance=chance, frame_rate_hz=frame_rate_hz, seed=seed)
            chance_f1[chance] = scores_of(
                chance_counts(ordered, hypotheses, tolerance, **options)
            ).f1
        rows.append(
            ScoredMethod(
                **names,
                speech_hz=float(counts[:, 2].sum()) / seconds,
                tolerance_sec=tolerance,
                scores=scores_of(counts),
                interval=bootstrap_f1(counts, seed),
                chance_f1=chance_f1,
                offsets_sec=OFFSETS_SEC.tolist(),
                offset_f1=offset_scan(ordered, hypotheses, tolerance, OFFSETS_SEC).tolist(),
                speaker_f1=_by_speaker(counts, [speakers[utt] for utt in references])
                if speakers
                else {},
            )
        )
    return rows


def _by_speaker(counts: np.ndarray, speakers: list[str]) -> dict[str, float]:
    """F1 of each of several speakers who have boundaries, from the utterances' counts (U, 3)."""
    rows: dict[str, list[int]] = {}
    for place, speaker in enumerate(speakers):
        rows.setdefault(speaker, []).append(place)
    if len(rows) < 2:
        return {}
    of_speakers = {speaker: counts[places] for speaker, places in sorted(rows.items())}
    return {s: scores_of(part).f1 for s, part in of_speakers.items() if part[:, 1].any()}
