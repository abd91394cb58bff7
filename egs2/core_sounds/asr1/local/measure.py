"""What a trained model of this recipe reached: error rates, segments per second, times."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path

import torch

from espnet_entropy.data import read_matrix, read_table, read_yaml

EPOCH = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) .*\d+epoch (started|results)")
TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \(asr_inference:\d+\)")


def parse_time(text: str) -> datetime:
    """A time stamp of Python's logging."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f")


def load_score(model: Path, set_name: str, decoding: str = "decode") -> dict:
    """The numbers written by `espnet_entropy.bin.score` for a decoded set."""
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


def decoding_seconds(model: Path) -> float:
    """Seconds from the first utterance to the end, over all jobs; loading is left out."""
    total = 0.0
    for log in sorted((model / "decode_log").glob("inference.*.log")):
        times, begun = [], False
        for line in log.read_text(encoding="utf-8").splitlines():
            begun = begun or "speech length:" in line
            found = TIMESTAMP.search(line)
            if begun and found:
                times.append(parse_time(found[1]))
        if times:
            total += (times[-1] - times[0]).total_seconds()
    return total


def reached_rate_hz(model: Path, model_file: str, dump: Path) -> float:
    """Segments per second that the model's own frontend makes of a dumped set."""
    # ESPnet's modules print notes about optional packages while they are imported.
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        from espnet2.tasks.asr import ASRTask

        import espnet_entropy  # noqa: F401  (registers the frontend)

        config = model / "config.yaml"
        asr, args = ASRTask.build_model_from_file(config, model / model_file, "cpu")
    asr.eval()
    bundle = read_yaml(Path(args.frontend_conf["bundle"]) / "config.yaml")
    frames = segments = 0
    with torch.no_grad():
        for entry in read_table(dump / "wav.scp").values():
            speech = torch.tensor(read_matrix(entry))[None]
            _, lengths = asr.frontend(speech, torch.tensor([speech.shape[1]]))
            frames += speech.shape[1]
            segments += int(lengths)
    return segments / (frames * bundle["frame_shift_sec"])
