"""Synthetic recordings, and a tiny bundle that the package's own commands make of them."""

import shutil
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile
import torch
import yaml
from safetensors.torch import load_file

from espnet_entropy.bin import (
    bundle,
    calibrate,
    dump_entropies,
    dump_units,
    learn_codebook,
    merge_shards,
)
from espnet_entropy.bundle.bundle import Bundle, file_hash
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_yaml, write_table, write_tensors, write_yaml
from espnet_entropy.evaluate.alignment import Interval
from espnet_entropy.lm.unit_lm import LlamaLM

NUM_UNITS = 12
SAMPLE_RATE = 16000
SECONDS = {"utt-a": 1.3, "utt-b": 0.7, "utt-c": 1.0, "utt-d": 1.62, "utt-e": 0.9}


def wave(seed: int, seconds: float, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """(N,) float32 in [-1, 1]: a few tones after each other, in faint noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = rng.uniform(100, 3000, size=16)[(time * 12).astype(int) % 16]
    tone = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.01 * rng.standard_normal(len(time))
    return tone.astype(np.float32)


def unit_lm(
    num_units: int = NUM_UNITS, *, context: int = 8, seed: int = 0, sharpness: float = 30.0
) -> LlamaLM:
    """An untrained unit LM in eval mode, whose predictions differ clearly between positions."""
    torch.manual_seed(seed)
    lm = LlamaLM(num_units + 2, hidden_size=16, num_layers=2, num_heads=2, context=context)
    with torch.no_grad():
        lm.llama.lm_head.weight.mul_(sharpness)
        lm.llama.model.embed_tokens.weight.mul_(sharpness)
    return lm.eval()


def save_as_espnet(lm: LlamaLM, folder: Path) -> Path:
    """What ESPnet's LM training leaves: `config.yaml` and a checkpoint, whose path is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    conf = {name: value for name, value in lm.conf.items() if name != "vocab_size"}
    tokens = [*map(str, range(lm.num_units)), "<unk>", "<sos/eos>"]
    config = dict(lm="llama", lm_conf=conf, token_list=tokens)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    state = {f"lm.{name}": value for name, value in lm.state_dict().items()}
    torch.save(state, folder / "valid.loss.best.pth")
    return folder / "valid.loss.best.pth"


def make_data(folder: Path, seconds: dict[str, float]) -> Path:
    """A Kaldi data folder of synthetic recordings."""
    folder.mkdir(parents=True)
    recordings = {}
    for seed, (utt, duration) in enumerate(seconds.items()):
        recordings[utt] = str(folder / f"{utt}.wav")
        soundfile.write(recordings[utt], wave(seed, duration), SAMPLE_RATE, subtype="FLOAT")
    write_table(folder / "wav.scp", recordings)
    words = ("one two", "two", "one one two", "three one", "two three")
    write_table(folder / "text", dict(zip(seconds, words, strict=False)))
    write_table(folder / "utt2spk", {utt: "spk" + utt[-1] for utt in seconds})
    return folder


def make_parts(root: Path, **learning: str) -> SimpleNamespace:
    """Everything a units1 recipe makes, in about two seconds; options of learn_codebook."""
    data = make_data(root / "data", SECONDS)
    made = SimpleNamespace(
        root=root,
        data=data,
        wav_scp=data / "wav.scp",
        codebook=root / "codebook",
        lm=unit_lm(),
        checkpoint=save_as_espnet(unit_lm(), root / "lm"),
        units=root / "dump" / "units" / "all",
        dump=root / "dump" / "raw" / "all",
        calibration=root / "calibration.yaml",
        bundle=root / "bundle",
    )
    command(
        learn_codebook,
        wav_scp=made.wav_scp,
        extractor="mfcc",
        extractor_conf="{num_mel: 20, num_ceps: 5, deltas: false}",
        num_units=NUM_UNITS,
        output=made.codebook,
        **learning,
    )
    for shard in (1, 2):
        command(
            dump_units,
            wav_scp=made.wav_scp,
            codebook=made.codebook,
            output=made.units,
            num_shards=2,
            shard=shard,
        )
    command(merge_shards, output=made.units, num_shards=2, expect=made.wav_scp)
    command(
        dump_entropies,
        units_scp=made.units / "units.scp",
        codebook=made.codebook,
        unit_lm=made.checkpoint,
        output=made.dump,
    )
    command(merge_shards, output=made.dump, expect=made.wav_scp, data=data)
    command(calibrate, dump=made.dump, num_units=NUM_UNITS, output=made.calibration)
    pack(made, made.bundle)
    return made


def phones_of(parts: SimpleNamespace) -> dict[str, list[Interval]]:
    """As many phones as units: intervals of the units themselves, so that they tell everything."""
    made = {}
    for utt, units, _ in read_dump(parts.dump):
        starts = [0, *(t for t in range(1, len(units)) if units[t] != units[t - 1]), len(units)]
        made[utt] = [Interval(a / 50, b / 50, f"p{units[a]}") for a, b in pairwise(starts)]
    return made


def pack(parts: SimpleNamespace, output: Path) -> None:
    """`bundle pack` of these parts."""
    command(
        bundle,
        "pack",
        codebook=parts.codebook,
        unit_lm=parts.checkpoint,
        calibration=parts.calibration,
        output=output,
    )


def own_dump(parts: SimpleNamespace, folder: Path) -> Path:
    """A copy of the dump whose tables name its own arks."""
    shutil.copytree(parts.dump, folder, dirs_exist_ok=True)
    entries = (folder / "wav.scp").read_text().replace(str(parts.dump), str(folder))
    (folder / "wav.scp").write_text(entries)
    return folder


def another_bundle(parts: SimpleNamespace, folder: Path, part: str) -> Path:
    """A bundle with another `codebook` or another `unit_lm` of the same size."""
    shutil.copytree(parts.bundle, folder)
    path = folder / f"{part}.safetensors"
    if part == "codebook":
        tensors = {"centroids": load_file(path)["centroids"].flip(0)}
    else:
        tensors = unit_lm(seed=1).state_dict()
    write_tensors(path, tensors)
    config = read_yaml(folder / "config.yaml")
    config["files"][path.name] = file_hash(path)
    write_yaml(folder / "config.yaml", config)
    Bundle.open(folder).check_hashes()
    return folder


def command(module, *words: str, **options) -> None:
    """Call a command's main() as its command line would."""
    arguments = list(words)
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        arguments += [f"--{name}", *map(str, values)]
    module.main(arguments)
