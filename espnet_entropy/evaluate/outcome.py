"""What a trained model has reached: scores, segments per second, times."""

import json
import re
from datetime import datetime
from pathlib import Path

import torch

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.espnet.trained import load_frontend

EPOCH = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*\d+epoch (started|results)")
TIMESTAMP = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \((?:asr_inference|\w*beam_search):\d+\)"
)


def parse_time(text: str) -> datetime:
    """A time stamp of Python's logging."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f")


def load_score(model: Path, set_name: str, decoding: str = "decode") -> dict:
    """What `bin/score` or `bin/score_translation` has written for a decoded set.

    Args:
        model: its folder, `exp/asr_TAG`.
        set_name: the decoded set.
        decoding: name of the decoding.

    Raises:
        ValueError: it has not been scored.
    """
    path = model / f"{decoding}_{set_name}" / "score.json"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run stages 5 to 7 for {model.name}")
    return json.loads(path.read_text(encoding="utf-8"))


def training_minutes(model: Path) -> float:
    """Training and validation time over all finished epochs, interruptions left out.

    Read from the logs (an interrupted training keeps its earlier ones as train.N.log): the
    checkpoint has the times too, but is a pickle.
    """
    total = 0.0
    for log in sorted(model.glob("train*.log")):
        begun = None
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            found = EPOCH.search(line)
            if found and found[2] == "started":
                begun = parse_time(found[1])
            elif found and begun is not None:
                total += (parse_time(found[1]) - begun).total_seconds()
                begun = None
    return total / 60


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
