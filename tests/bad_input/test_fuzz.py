"""Random bytes into the readers, random batches into the frontend: a result, or ValueError."""

import os
import subprocess
import sys
from pathlib import Path

import launching
import numpy as np
import pytest
import tiny
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from espnet_entropy.data import audio, dump, kaldi
from espnet_entropy.data.checkpoint import read_checkpoint
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.units.codebook import Codebook

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 40))
fuzz = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
READERS = {
    "table": kaldi.read_table,
    "yaml": kaldi.read_yaml,
    "units.scp": lambda path: list(dump.read_units(path)),
    "ark": lambda path: kaldi.read_matrix(f"{path}:0"),
    "audio": lambda path: audio.read_audio(path, 16000),
    "codebook": Codebook.load,
    "calibration": Calibration.load,
    "checkpoint": read_checkpoint,
}
# What real files begin with, so that not all fails at the first byte.
STARTS = [
    b"",
    b"\0BFM \4",
    b"\0B\4",
    b"RIFF\x24\0\0\0WAVEfmt ",
    b"fLaC",
    b"PK\3\4",
    b"a: ",
    b"utt some.file:0\n",
    b"\x80\2",
]


def is_read_or_named(name, path, content):
    path.write_bytes(content)
    try:
        READERS[name](path)
    except ValueError as error:
        assert path.name in str(error)


@pytest.mark.parametrize("name", READERS)
@fuzz
@given(start=st.sampled_from(STARTS), rest=st.binary(max_size=300))
def test_random_bytes(tmp_path, name, start, rest):
    is_read_or_named(name, tmp_path / "some.file", start + rest)


@pytest.fixture(scope="module")
def real_files(parts):
    """A file of each kind that is read well."""
    recording = kaldi.read_table(parts.wav_scp)["utt-a"]
    entry = kaldi.read_table(parts.dump / "wav.scp")["utt-a"]
    return {
        "table": parts.wav_scp,
        "units.scp": parts.units / "units.scp",
        "yaml": parts.calibration,
        "ark": Path(entry.rpartition(":")[0]),
        "audio": Path(recording),
        "codebook": parts.bundle / "codebook.safetensors",
        "calibration": parts.calibration,
        "checkpoint": parts.checkpoint,
    }


@pytest.mark.parametrize("name", READERS)
@fuzz
@given(choice=st.data())
def test_real_files_with_bytes_changed_or_lost(real_files, tmp_path, name, choice):
    content = bytearray(real_files[name].read_bytes())
    for _ in range(choice.draw(st.integers(1, 8))):
        # The beginning is where formats say what they are.
        place = choice.draw(st.integers(0, min(len(content), 400) - 1))
        content[place] = choice.draw(st.integers(0, 255))
    if choice.draw(st.booleans()):
        content = content[: choice.draw(st.integers(0, len(content)))]
    is_read_or_named(name, tmp_path / "some.file", content)


@pytest.fixture(scope="module")
def frontend(parts):
    return EntropyFrontend(
        num_units=tiny.NUM_UNITS,
        bundle=str(parts.bundle),
        segmenter="peaks",
        rate=10,
        output_size=8,
    ).eval()


SPECIAL = st.sampled_from([0.0, 1.0, 0.5, -1.0, 11.0, 12.0, 1e30, np.nan, np.inf, -np.inf])


@fuzz
@given(
    shape=st.lists(st.integers(0, 6), min_size=1, max_size=4),
    lengths=st.lists(st.integers(-1, 7), max_size=6),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int64, torch.bool]),
    values=st.lists(SPECIAL, min_size=1, max_size=20),
)
def test_random_batches(frontend, shape, lengths, dtype, values):
    size = int(np.prod(shape))
    batch = torch.tensor(np.resize(np.array(values), size)).reshape(shape)
    batch = batch.nan_to_num().to(dtype) if not dtype.is_floating_point else batch.to(dtype)
    try:
        vectors, counts = frontend(batch, torch.tensor(lengths, dtype=torch.int64))
    except ValueError:
        return
    assert vectors.isfinite().all() and (counts >= 1).all()


@pytest.mark.long
def test_more_examples():
    """The properties above once more, in a run of their own."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not long", __file__]
    environment = launching.environment() | dict(FUZZ_EXAMPLES="500")
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout[-3000:]
