"""The modules of egs2/core_sounds and a made-up copy of its data."""

import gzip
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

LOCAL = Path(__file__).resolve().parents[2] / "egs2/core_sounds/units1/local"
MODULES = (
    "normalize",
    "packages",
    "flac",
    "prepare_data",
    "make_split",
    "perturb_speed",
    "whisper_text",
)


@pytest.fixture(scope="module")
def local():
    """The recipe's modules by name; other recipes have a `normalize` too, so none stays."""
    for name in ("av", "soundfile"):
        pytest.importorskip(name)
    sys.path.insert(0, str(LOCAL))
    saved = {name: sys.modules.pop(name, None) for name in MODULES}
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path.remove(str(LOCAL))
    for name, module in saved.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def write_g722(path: Path, seconds: float) -> None:
    """Noise, encoded as the real clips are: raw G.722, 8,000 bytes a second."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).normal(0, 3000, (1, int(16000 * seconds)))
    with av.open(str(path), "w", format="g722") as container:
        stream = container.add_stream("g722", rate=16000)
        stream.layout = "mono"
        for start in range(0, noise.shape[1], 320):
            frame = av.AudioFrame.from_ndarray(
                noise[:, start : start + 320].astype(np.int16), format="s16", layout="mono"
            )
            frame.sample_rate = 16000
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


TEXTS = {
    "digits/1": "one",
    "greeting": "Hello, caller!",
    "menu": "Press 1 for help.",
    "agent": "That agent is busy.",
    "beep": "[a beep]",
    "empty": "",
    "lost": "This clip is not there.",
    "unknown": "Nobody split this.",
}
SPLIT = {"digits/1": "train", "greeting": "train", "menu": "dev", "agent": "test"}


@pytest.fixture
def copy(tmp_path, local):
    """A made-up copy in the packages' layout, with its split and checksums: keyword options."""
    root = tmp_path / "copy"
    audio = root / "usr/share/asterisk/sounds/en_US_f_Nobody"
    for name in TEXTS:
        if name != "lost":
            write_g722(audio / f"{name}.g722", 0.64)
    lines = ["; Core sounds", "", *(f"{name}: {text}" for name, text in TEXTS.items())]
    transcript = root / "usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz"
    transcript.parent.mkdir(parents=True)
    transcript.write_bytes(gzip.compress("\n".join(lines).encode()))
    split = tmp_path / "split.tsv"
    split.write_text("".join(f"{name}\t{s}\ten\n" for name, s in SPLIT.items()))
    checksums = tmp_path / "checksums.sha256"
    digests = local["packages"].content_digests(audio, transcript, "en")
    checksums.write_text("".join(f"{digest}  {label}\n" for label, digest in digests.items()))
    return {"source": root, "split": split, "checksums": checksums, "output": tmp_path / "data"}


@pytest.fixture
def prepare():
    """Run prepare_data.py on `copy`."""

    def prepare(copy, *flags):
        options = [f"--{key}={value}" for key, value in copy.items()]
        command = [sys.executable, LOCAL / "prepare_data.py", *options, *flags, "--langs", "en"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return prepare
