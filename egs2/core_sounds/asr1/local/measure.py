"""What a trained model of this recipe reached: error rates, segments per second, times."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from datetime import datetime
from pathlib import Path

import kaldiio
import torch
import yaml

TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) \(asr_inference:\d+\)")


def load_score(model: Path, set_name: str) -> dict:
    """The numbers written by `espnet_entropy.bin.score` for a decoded set."""
    path = model / f"decode_{set_name}" / "score.json"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; run stages 5 to 7 for {model.name}")
    return json.loads(path.read_text(encoding="utf-8"))


def training_minutes(model: Path) -> float:
    """Training and validation time over all epochs, interruptions left out."""
    state = torch.load(model / "checkpoint.pth", map_location="cpu", weights_only=False)
    epochs = state["reporter"]["stats"].values()
    return sum(phase["time"].total_seconds() for e in epochs for phase in e.values()) / 60


def decoding_seconds(model: Path) -> float:
    """Seconds from the first utterance to the end, over all jobs; loading is left out."""
    total = 0.0
    for log in sorted((model / "decode_log").glob("inference.*.log")):
        times, begun = [], False
        for line in log.read_text(encoding="utf-8").splitlines():
            begun = begun or "speech length:" in line
            found = TIMESTAMP.search(line)
            if begun and found:
                times.append(datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f"))
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
    bundle = yaml.safe_load((Path(args.frontend_conf["bundle"]) / "config.yaml").read_text())
    frames = segments = 0
    with torch.no_grad():
        for matrix in kaldiio.load_scp(str(dump / "wav.scp")).values():
            speech = torch.tensor(matrix)[None]
            _, lengths = asr.frontend(speech, torch.tensor([speech.shape[1]]))
            frames += speech.shape[1]
            segments += int(lengths)
    return segments / (frames * bundle["frame_shift_sec"])
