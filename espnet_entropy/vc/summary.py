"""Scores of converted files, summed up by system."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.vc.judges import normalize
from espnet_entropy.vc.pairs import Pair

JUDGES = ("whisper", "sphinx")
# Where there is no such judge; what one writes down has no such sign.
NOT_HEARD = "-"


@dataclass(frozen=True)
class Summary:
    """One system over a table of pairs. Shares and rates in percent; NaN where nothing counts.

    Attributes:
        system: its name: `source`, `copy`, or the rate in Hz that was asked for.
        rate_hz: segments per second that were reached; NaN for recordings and copies.
        wer, cer: by judge.
        to_target, to_source: mean cosines of the speaker embeddings.
        closer: share of files whose embedding is closer to the target's than to the source's.
        spectrum_closer: the same by mean spectra.
        pitch_correlation: mean over files.
        dnsmos: mean over the files that it heard.
        num_judged, num_files: files with a text, and all.
        num_dnsmos: files that DNSMOS heard.
        real_time_factor: seconds of work a second of sound, on one job; NaN for recordings.
        vocoder: name, empty for recordings.
    """

    system: str
    rate_hz: float
    wer: dict[str, float]
    cer: dict[str, float]
    to_target: float
    to_source: float
    closer: float
    spectrum_closer: float
    pitch_correlation: float
    dnsmos: float
    num_judged: int
    num_files: int
    num_dnsmos: int
    real_time_factor: float
    vocoder: str


def read_scores(path: Path | str) -> dict[str, dict[str, str]]:
    """The table of `score_conversion` by file name; ValueError if there is none."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error}; score it first (stage 9)") from error


def summarize(folder: Path | str, system: str, pairs: Sequence[Pair]) -> Summary:
    """Read a system's scores.

    Args:
        folder: of the system, with `scores.tsv` and NAME.yaml of every pair.
        system: its name.
        pairs: what was scored.

    Raises:
        ValueError: a pair has no score.
    """
    scores = read_scores(Path(folder) / "scores.tsv")
    absent = [pair.name for pair in pairs if pair.name not in scores]
    if absent:
        raise ValueError(f"{folder}/scores.tsv lacks {absent[0]}; score it again (stage 9)")
    rows = [scores[pair.name] for pair in pairs]
    numbers = {
        name: np.array([float(row[name]) for row in rows])
        for name in rows[0]
        if name not in ("name", *JUDGES)
    }
    texts = ((normalize(pair.text), scores[pair.name]) for pair in pairs)
    judged = [(text, row) for text, row in texts if text]
    infos = [read_yaml(Path(folder) / f"{pair.name}.yaml") for pair in pairs]
    return Summary(
        system=system,
        rate_hz=_rate(infos),
        wer={judge: _errors(jiwer.wer, judged, judge) for judge in JUDGES},
        cer={judge: _errors(jiwer.cer, judged, judge) for judge in JUDGES},
        to_target=_mean(numbers["to_target"]),
        to_source=_mean(numbers["to_source"]),
        closer=100 * _mean(numbers["to_target"] > numbers["to_source"]),
        spectrum_closer=100 * _mean(numbers["spectrum_to_target"] < numbers["spectrum_to_source"]),
        pitch_correlation=_mean(numbers["pitch_correlation"]),
        dnsmos=_mean(numbers["dnsmos"]),
        num_judged=len(judged),
        num_files=len(rows),
        num_dnsmos=int((~np.isnan(numbers["dnsmos"])).sum()),
        real_time_factor=_real_time_factor(infos, system),
        vocoder=next((info["vocoder"] or "" for info in infos), ""),
    )


def _errors(rate, judged: list[tuple[str, dict]], judge: str) -> float:
    if not judged or judged[0][1][judge] == NOT_HEARD:
        return math.nan
    references, hypotheses = zip(*((text, row[judge]) for text, row in judged), strict=True)
    return 100 * rate(list(references), list(hypotheses))


def _mean(values: np.ndarray) -> float:
    """Of those that are no NaN."""
    values = np.asarray(values, dtype=float)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else math.nan


def _rate(infos: list[dict]) -> float:
    """Of all files, weighted by their seconds."""
    if any(info["rate_hz"] is None for info in infos):
        return math.nan
    seconds = sum(info["seconds"] for info in infos)
    return sum(info["rate_hz"] * info["seconds"] for info in infos) / seconds


def _real_time_factor(infos: list[dict], system: str) -> float:
    if system == "source":
        return math.nan
    return sum(info["took_seconds"] for info in infos) / sum(info["seconds"] for info in infos)
