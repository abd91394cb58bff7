#!/usr/bin/env python3
"""Print the versions of what was installed and import the parts the recipes rest on.

Exits with 1 and the list of what failed. Needs no network and a few seconds.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import platform
import socket
import sys
import warnings
from collections.abc import Callable
from importlib import metadata

DISTRIBUTIONS = (
    "torch torchaudio espnet espnet-s3prl transformers parallel-wavegan numpy scipy librosa "
    "kaldiio sentencepiece jiwer praatio sacrebleu safetensors av soundfile matplotlib "
    "lightning setuptools pip pytest ruff Resemblyzer faster-whisper pocketsphinx aiohttp"
).split()


def versions() -> tuple[dict[str, str], list[str]]:
    """The version of every distribution that is there, and the names of those that are not."""
    found, missing = {}, []
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return found, missing


def check_torch() -> str:
    import torch
    import torchaudio

    ones = torch.ones(2, 2)
    if (ones @ ones).sum().item() != 8:
        raise RuntimeError("a 2 x 2 matrix product is wrong")
    # Resampling is what s3prl and ESPnet ask of torchaudio; it must work without its C++ library.
    torchaudio.functional.resample(torch.zeros(1, 1600), 16000, 8000)
    cuda = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
    return f"{cuda}, {torch.cuda.device_count()} GPU(s) seen"


def check_imports(*modules: str) -> Callable[[], str]:
    def check() -> str:
        # ESPnet prints notes about optional parts (Flash Attention, ...), and g2p_en tries to
        # download its dictionaries when it is imported, which only English phonemes would need.
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for module in modules:
                importlib.import_module(module)
        return ", ".join(modules)

    return check


def check_vocoder() -> str:
    from espnet_entropy.vc.vocoder import mend_scipy

    mend_scipy()
    from parallel_wavegan.models import HiFiGANGenerator

    return f"parallel_wavegan.models.{HiFiGANGenerator.__name__}"


CHECKS: dict[str, Callable[[], str]] = {
    "torch": check_torch,
    "espnet": check_imports(
        "espnet2.tasks.asr",
        "espnet2.tasks.st",
        "espnet2.tasks.lm",
        "espnet2.tasks.tts",
        "espnet2.bin.asr_inference",
        "espnet2.bin.lm_train",
    ),
    "s3prl": check_imports("s3prl.nn", "s3prl.hub", "transformers.models.hubert.modeling_hubert"),
    "vocoder": check_vocoder,
    "data": check_imports("av", "kaldiio", "soundfile", "sentencepiece", "jiwer", "sacrebleu"),
    "voices": check_imports("resemblyzer", "speechmos", "faster_whisper", "pocketsphinx"),
    "page": check_imports("aiohttp.web"),
}


def main() -> int:
    warnings.simplefilter("ignore")
    socket.setdefaulttimeout(3)  # for g2p_en, on machines whose network swallows packets
    found, missing = versions()
    print(f"python {platform.python_version()} ({sys.executable})")
    print("  " + ", ".join(f"{name} {version}" for name, version in found.items()))
    failed = [f"not installed: {name}" for name in missing]
    for name, check in CHECKS.items():
        try:
            print(f"  {name}: {check()}")
        except Exception as error:  # every check is tried, so that one run names all faults
            failed.append(f"{name}: {type(error).__name__}: {error}")
    if failed:
        print("The environment is not usable:\n  " + "\n  ".join(failed), file=sys.stderr)
        print("`make clean && make setup` builds it anew.", file=sys.stderr)
        return 1
    print("The environment is complete.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
