"""Traps of a call of ESPnet's asr.sh or st.sh that would let a training on units go wrong."""

import argparse
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str_or_none

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, read_yaml
from espnet_entropy.espnet.settings import Settings

LAUNCHER = "espnet_entropy.run"
SETTINGS = ("spk2utt", "feats_type", "audio_format")  # files that are no tables of utterances
TABLES = ("wav.scp", "utt2spk", "utt2num_samples", *SETTINGS)
# Options of ESPnet's trainer that decide what becomes of the units.
TRAINER_DICTS = ("frontend_conf", "encoder_conf")
AUGMENTING = ("noise_scp", "rir_scp", "speech_volume_normalize")
TRAINER = ("frontend", "normalize", "train_dtype", *AUGMENTING)
READ_UTTERANCES = 3  # of each set


@dataclass(frozen=True)
class Call:
    """Options of the recipes, with their defaults; `config` and `args` are those of the model."""

    config: str | None = None
    args: str = ""
    fs: str = "16k"
    feats_type: str = "raw"
    audio_format: str = "flac"
    feats_normalize: str = "global_mvn"
    python: str = "python3"
    dumpdir: str = "dump"
    train_set: str = ""
    valid_set: str = ""
    test_sets: str = ""
    speed_perturb_factors: str = ""
    # For st.sh only.
    tgt_lang: str | None = None
    src_lang: str = "es"
    src_case: str = "lc.rm"
    tgt_case: str = "tc"
    use_src_lang: bool = True


def problems(call: Call) -> Iterator[str]:
    """One line for each trap in a call, with its remedy.

    Raises:
        ValueError: the call lacks an option, or a file of the model or bundle cannot be read.
    """
    if call.config is None:
        raise ValueError("give the model's YAML: --asr_config (asr.sh) or --st_config (st.sh)")
    model = model_options(call.config, call.args, call.fs)
    yield from call_problems(call)
    yield from model_problems(model, call.config)
    yield from rate_problems(call, model)
    if call.feats_type == "raw":
        yield from dump_problems(call, model)


def model_options(config: str, overrides: str, fs: str) -> dict:
    """The trainer's options as ESPnet merges them: YAML, `--frontend_conf fs=FS`, overrides."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in TRAINER_DICTS:
        parser.add_argument(f"--{name}", action=NestedDictAction, default={})
    for name in TRAINER:
        parser.add_argument(f"--{name}", type=str_or_none)
    # ESPnet's default, which a YAML that says nothing leaves in place.
    given = read_yaml(config)
    parser.set_defaults(**{"normalize": "utterance_mvn", **{str(k): v for k, v in given.items()}})
    for name in TRAINER_DICTS:
        if not isinstance(given.get(name) or {}, dict):
            raise ValueError(f"{config}: {name} is no mapping, but {given[name]!r}")
    words = ["--frontend_conf", f"fs={fs}", *shlex.split(overrides)]
    options = vars(parser.parse_known_args(words)[0])
    return options | {name: options[name] or {} for name in TRAINER_DICTS}


def call_problems(call: Call) -> Iterator[str]:
    """Traps in the recipe's own options."""
    if call.feats_type != "raw":
        yield (
            f"--feats_type {call.feats_type} leaves the frontend out and trains on raw ids; "
            "use --feats_type raw"
        )
    if "ark" not in call.audio_format:
        yield (
            f"--audio_format {call.audio_format}: decoding would read arks as sound files, because "
            "it follows this option and not the dump's file; use --audio_format units.ark"
        )
    if call.feats_normalize == "global_mvn":
        yield (
            "--feats_normalize global_mvn (the recipes' default) normalises vectors that are "
            "learnt; use --feats_normalize none"
        )
    if call.speed_perturb_factors:
        yield (
            f"--speed_perturb_factors {call.speed_perturb_factors!r} changes recordings, and units "
            "are no recordings; perturb the data, dump the copy, and leave this option out"
        )
    words = shlex.split(call.python)
    if words[-2:] != ["-m", LAUNCHER]:
        yield (
            f"--python {call.python!r} does not know frontend: entropy, and one that imports "
            "ESPnet's tasks at its start writes to standard output, which the recipes score; "
            f'use --python "python3 -m {LAUNCHER}"'
        )


def model_problems(model: dict, config: str) -> Iterator[str]:
    """Traps in the model's YAML."""
    if model["frontend"] != "entropy":
        yield (
            f"{config}: frontend is {model['frontend'] or 'left out'}, which would take ids and "
            "entropies for sound; write frontend: entropy"
        )
    if model["normalize"] is not None:
        yield (
            f"{config}: normalize is {model['normalize']} (ESPnet's default is utterance_mvn); "
            "vectors are learnt and need none, write normalize: null"
        )
    layer = model["encoder_conf"].get("input_layer", "conv2d")
    if str(layer).startswith("conv2d"):
        yield (
            f"{config}: encoder_conf.input_layer is {layer} (ESPnet's default is conv2d), which "
            "drops most of the vectors and fails on fewer than seven; write input_layer: linear"
        )
    if model["train_dtype"] in ("float16", "bfloat16"):
        yield f"{config}: train_dtype {model['train_dtype']} breaks unit ids; use float32"
    for name in AUGMENTING:
        if model[name] is not None:
            yield f"{config}: {name} changes sound, and units are none; leave it out"


def rate_problems(call: Call, model: dict) -> Iterator[str]:
    """--fs against the bundle's frame rate, num_units against its codebook."""
    conf = model["frontend_conf"]
    if conf.get("bundle") is None:
        yield (
            f"{call.config}: frontend_conf names no bundle, from which embeddings and thresholds "
            "come; write bundle: FOLDER"
        )
        return
    bundle = Bundle.open(conf["bundle"])
    rate = bundle.frame_rate_hz
    if conf.get("num_units") not in (None, bundle.num_units):
        yield (
            f"{call.config}: num_units is {conf.get('num_units')}, but {bundle.folder} has "
            f"{bundle.num_units}; write num_units: {bundle.num_units}"
        )
    try:
        right = abs(float(call.fs) - rate) < 1e-6
    except ValueError:
        right = False
    if not right:
        yield (
            f"--fs {call.fs} is not the rate of the units; duration filters and real-time "
            f"factors go by it, and stage 4 would drop everything; use --fs {rate:g}"
        )


def dump_problems(call: Call, model: dict) -> Iterator[str]:
    """What asr.sh (st.sh, if --tgt_lang is given) reads from its stage 5 on."""
    raw = Path(call.dumpdir) / "raw"
    texts = ["text"]
    if call.tgt_lang:
        texts = [f"text.{call.tgt_case}.{call.tgt_lang}"]
        if call.use_src_lang:
            texts.append(f"text.{call.src_case}.{call.src_lang}")
    if not (call.train_set and call.valid_set):
        raise ValueError("give --train_set and --valid_set, as to the recipe")
    trained = [call.train_set, call.valid_set]
    sets = [*trained, *call.test_sets.split()]
    if not call.tgt_lang:
        sets += [f"org/{name}" for name in trained]
        if not (raw / "lm_train.txt").is_file():
            yield f"{raw}/lm_train.txt is missing; {way_to_make(raw)}"
    try:
        settings = Settings.resolve(model["frontend_conf"])
    except ValueError as error:
        yield f"{call.config}: {error}"
        return
    for name in sets:
        yield from set_problems(raw / name, [*TABLES, *texts], raw, settings.num_units)
        yield from bundle_problems(raw / name, settings)


def set_problems(folder: Path, needed: list, raw: Path, num_units: int | None) -> Iterator[str]:
    """What ESPnet would stumble over in one set."""
    lacking = [name for name in needed if not (folder / name).is_file()]
    if lacking:
        yield f"{folder} lacks {', '.join(lacking)}; {way_to_make(raw)}"
        return
    if (folder / "feats_type").read_text().strip() != "raw":
        yield f"{folder}/feats_type must say raw, or ESPnet reads feats.scp; {way_to_make(raw)}"
    if "ark" not in (folder / "audio_format").read_text():
        yield (
            f"{folder}/audio_format must say units.ark, or ESPnet takes the arks for sound files; "
            f"{way_to_make(raw)}"
        )
    keys = list(read_table(folder / "wav.scp"))
    if not keys or keys != sorted(keys):
        yield f"{folder}/wav.scp is empty or not sorted; {way_to_make(raw)}"
        return
    for name in needed:
        if name not in SETTINGS and list(read_table(folder / name)) != keys:
            yield f"{folder}/{name} has other utterances than wav.scp; {way_to_make(raw)}"
    yield from unit_problems(folder, keys[:READ_UTTERANCES], num_units)


def bundle_problems(folder: Path, settings: Settings) -> Iterator[str]:
    """Yield a problem if a dump was made with another codebook or unit LM than the model."""
    if settings.bundle is None:
        return
    try:
        bundle = Bundle.open(settings.bundle)
        bundle.check_dump(folder, needs_unit_lm=settings.reads_entropies)
    except ValueError as error:
        yield str(error)


def unit_problems(folder: Path, keys: list[str], num_units: int | None) -> Iterator[str]:
    """Arks that cannot be read or hold other units than the model's."""
    try:
        highest = max(units.max(initial=0) for _, units, _ in read_dump(folder, keys))
    except ValueError as error:
        yield str(error)
        return
    # Any other type is told by rate_problems.
    if type(num_units) is int and highest >= num_units:
        yield (
            f"{folder}: unit {highest} stands there, but num_units is {num_units}; this dump was "
            "made with another bundle"
        )


def way_to_make(raw: Path) -> str:
    """The command that makes the layout."""
    return (
        "make it with python -m espnet_entropy.bin.link_dump --dump RECIPE/dump/raw "
        f"--train_set ... --output {raw}"
    )
