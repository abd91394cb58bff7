"""Transcripts of recordings as lines of text or JSON, and what they depend on."""

import json
from dataclasses import asdict
from pathlib import Path

from espnet_entropy.bundle.bundle import identity
from espnet_entropy.data.kaldi import file_hash, read_yaml
from espnet_entropy.espnet.speech2text import Transcript
from espnet_entropy.espnet.trained import read_settings


def identity_of_models(
    files: dict[str, str | None], bundle: str | None, bpemodel: str | None
) -> dict:
    """Hashes of the models that transcripts depend on, for records of results.

    Args:
        files: files by name, among them `model_config`; None stands for a model that is not used.
        bundle, bpemodel: in place of those in the config.
    """
    bundle = bundle or read_settings(files["model_config"]).bundle
    hashes = {name: path and file_hash(path) for name, path in files.items()}
    bpemodel = bpemodel or read_yaml(files["model_config"]).get("bpemodel")
    if bpemodel and Path(bpemodel).is_file():
        hashes["bpemodel"] = file_hash(bpemodel)
    return identity(bundle) | hashes


def text_line(name: str, transcript: Transcript) -> str:
    """`name text`."""
    return f"{name} {transcript.text}".rstrip()


def json_line(name: str, transcript: Transcript) -> str:
    """One JSON object: text, rate, segments with times in seconds."""
    return json.dumps(
        dict(
            name=name,
            text=transcript.text,
            rate_hz=round(transcript.rate_hz, 3),
            segments=[
                asdict(segment)
                | dict(start_sec=round(segment.start_sec, 4), end_sec=round(segment.end_sec, 4))
                for segment in transcript.segments
            ],
        ),
        ensure_ascii=False,
    )


LINES = {"text": text_line, "json": json_line}
