"""What a trained model has reached: scores, segments per second, time of decoding."""

import re
from pathlib import Path

import torch

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import read_json
from espnet_entropy.espnet.trained import load_frontend
from espnet_entropy.evaluate.training_log import parse_time

TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \((?:asr_inference|\w*beam_search):\d+\)"
)


def find_score(decoded: Path) -> dict | None:
    """What `bin/score` or `bin/score_translation` has written in a decoded set's folder, if any."""
    path = decoded / "score.json"
    return read_json(path) if path.is_file() else None


def load_score(model: Path, set_name: str, decoding: str = "decode") -> dict:
    """The scores of a decoded set of a model.

    Args:
        model: its folder, `exp/asr_TAG`.
        set_name: the decoded set.
        decoding: name of the decoding.

    Raises:
        ValueError: it has not been scored.
    """
    folder = model / f"{decoding}_{set_name}"
    score = find_score(folder)
    if score is None:
        raise ValueError(f"{folder}/score.json: no such file; run stages 11 to 13 for {model.name}")
    return score


def decoding_seconds(model: Path, decoding: str = "decode") -> float:
    """Seconds from the first utterance to the end, over all jobs; loading is left out."""
    total = 0.0
    for log in sorted((model / f"{decoding}_log").glob("inference.*.log")):
        times, begun = [], False
        for line in log.read_text(encoding="utf-8").splitlines():
            # asr_inference says the one, the beam search of all tasks the other.
            begun = begun or "speech length:" in line or "decoder input length:" in line
            found = TIMESTAMP.search(line)
            if begun and found:
                times.append(parse_time(found[1]))
        if times:
            total += (times[-1] - times[0]).total_seconds()
    return total


def reached_rate_hz(model: Path, model_file: str, dump: Path) -> float:
    """Segments per second that the model's own frontend makes of a dumped set.

    Args:
        model: its folder, with `config.yaml`.
        model_file: name of its checkpoint.
        dump: `dump/raw/SET`.
    """
    frontend = load_frontend(model / "config.yaml", model / model_file, [dump])
    return encoder_rate_hz(frontend.encoder, dump)


def encoder_rate_hz(encoder: SegmentEncoder, dump: Path, rate_hz: float | None = None) -> float:
    """Segments per second that a model's encoder makes of a dumped set.

    Args:
        encoder: of a trained model's frontend.
        dump: `dump/raw/SET`.
        rate_hz: that of the decoding, of a model of many rates; its own if None.
    """
    frames = segments = 0
    for _, *batch in padded_batches(dump):
        with torch.inference_mode():
            segments += int(encoder.find_boundaries(*batch, rate_hz=rate_hz).sum())
        frames += int(batch[-1].sum())
    return segments / frames * encoder.segmenter.frame_rate_hz
