"""Settings of a model, what it is given, and bundles."""

import re
from argparse import Namespace

import numpy as np
import tiny
import tiny_models
import torch
import yaml
from table import case, written

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.shards import read_codebook_hash, write_codebook_hash
from espnet_entropy.espnet.checks import check_source_tokens
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries

# Settings of a model

RATES = {
    "zero": 0, "negative": -3, "too high": 51, "a word": "15", "NaN": float("nan"),
    "infinite": float("inf"), "true": True, "a list": [15], "a mapping": {},
}  # fmt: skip
for _key in ("rate", "min_rate"):
    for _name, _value in RATES.items():

        @case(f"frontend: {_key} {_name}", f"{_key}")
        def _(folder, parts, key=_key, value=_value):
            settings = dict(num_units=tiny.NUM_UNITS, segmenter="uniform", rate=10)
            EntropyFrontend(**settings | {key: value})


SETTINGS = [
    (dict(segmenter="glbal"), "segmenter 'glbal' is none of global"),
    (dict(segmenter=None), "segmenter None"),
    (dict(on_change="true"), "on_change is 'true', but must be true or false"),
    (dict(on_change=True), "on_change works with"),
    (dict(max_segment=0), "max_segment is 0"),
    (dict(max_segment=-2), "max_segment is -2"),
    (dict(max_segment=2.5), "max_segment is 2.5"),
    (dict(max_segment="3"), "max_segment is '3'"),
    (dict(gap_cost=-1.0), "gap_cost is -1"),
    (dict(gap_cost=float("nan")), "gap_cost is nan"),
    (dict(gap_cost="0.3"), "gap_cost is '0.3'"),
    (dict(aggregator="cael"), "aggregator 'cael' is none of cale"),
    (dict(aggregator="cale", aggregator_conf=dict(layers=2)), "aggregator 'cale'.*layers"),
    (dict(aggregator="cale", aggregator_conf=dict(num_heads=5)), "num_heads 5"),
    (dict(aggregator_conf=dict(conv_kernel=4)), "conv_kernel.*4"),
    (dict(aggregator="cale", aggregator_conf=dict(position="rotary")), "rotary"),
    (dict(unit_init="zeros"), "unit_init is 'zeros'"),
    (dict(unit_mask=-0.1), "unit_mask -0.1"),
    (dict(unit_mask=1.0), "unit_mask 1.0"),
    (dict(mask_span=0), "mask_span 0"),
    (dict(threshold=1.0), "threshold works with global, relative, peaks, not with"),
    (dict(segmenter="global", threshold=1.0, rate=10), "one follows from the other"),
    (dict(segmenter="global", threshold="1", rate=None), "threshold is '1'"),
    (dict(segmenter="global", threshold=float("nan"), rate=None), "threshold is nan"),
    (dict(segmenter="combined", threshold=1.0, rate=None), "not with combined"),
    (dict(segmenter="dp", rate=None), "'dp' needs a rate"),
    (dict(rate_range="7-50"), "must be two rates"),
    (dict(fs=16000), "fs is 16000.*--fs 50"),
    (dict(fs="16k"), "fs is 16k"),
    (dict(fs=0), "fs is 0"),
    (dict(segmentr="dp", bundle_dir="x"), "has no setting bundle_dir, segmentr"),
]
for _settings, _message in SETTINGS:

    @case(f"frontend: {_settings}", _message)
    def _(folder, parts, settings=_settings):
        EntropyFrontend(**dict(num_units=tiny.NUM_UNITS, segmenter="uniform", rate=10) | settings)


@case("frontend: another number of units than the bundle's", "num_units is 13, but .* has 12")
def _(folder, parts):
    EntropyFrontend(num_units=13, bundle=str(parts.bundle), segmenter="uniform", rate=10)


@case("frontend: a rate that the bundle does not reach", "outside of what 'peaks' reached")
def _(folder, parts):
    EntropyFrontend(num_units=12, bundle=str(parts.bundle), segmenter="peaks", rate=1)


@case("frontend: no bundle and no checkpoint", "no bundle at .*give frontend_conf.bundle")
def _(folder, parts):
    frontend = EntropyFrontend(num_units=12, segmenter="peaks", rate=10)
    frontend(torch.ones(1, 5, 2), torch.tensor([5]))


# What a model is given


def frontend(parts, **settings):
    settings = dict(segmenter="uniform", rate=10, output_size=8) | settings
    return EntropyFrontend(num_units=12, bundle=str(parts.bundle), **settings).eval()


def batch(*changes):
    made = torch.ones(2, 5, 2)
    for place, value in changes:
        made[place] = value
    return made


LENGTHS = torch.tensor([5, 3])
BATCHES = {
    "a unit above K": (
        batch(((0, 1, 0), 12)),
        LENGTHS,
        "12 units; was this dump made with another",
    ),
    "a negative unit": (batch(((0, 1, 0), -1)), LENGTHS, r"\[-1, 1\]"),
    "half a unit": (batch(((0, 1, 0), 1.5)), LENGTHS, "not integers: was the dump changed"),
    "NaN": (batch(((0, 1, 1), np.nan)), LENGTHS, "NaN or infinite"),
    "infinite": (batch(((1, 0, 0), np.inf)), LENGTHS, "NaN or infinite"),
    "NaN on the padding": (batch(((1, 4, 1), np.nan)), LENGTHS, None),
    "units on the padding": (batch(((1, 4, 0), 99)), LENGTHS, None),
    "half precision": (batch().half(), LENGTHS, "float16.*use float32"),
    "bfloat16": (batch().bfloat16(), LENGTHS, "bfloat16.*use float32"),
    "integers": (batch().long(), LENGTHS, "use float32"),
    "one column": (torch.ones(2, 5, 1), LENGTHS, r"\(2, 5, 1\); expected"),
    "three columns": (torch.ones(2, 5, 3), LENGTHS, r"\(2, 5, 3\); expected"),
    "four dimensions": (torch.ones(2, 5, 2, 1), LENGTHS, "expected"),
    "a length of zero": (batch(), torch.tensor([5, 0]), r"lie in \[0, 5\]"),
    "a length beyond the end": (batch(), torch.tensor([6, 5]), r"lie in \[5, 6\]"),
    "a length too few": (batch(), torch.tensor([5]), r"a batch of 2, but its lengths are \(1,\)"),
    "no utterance": (torch.ones(0, 5, 2), torch.zeros(0, dtype=torch.long), "no utterance"),
    "one frame": (torch.ones(1, 1, 2), torch.tensor([1]), None),
    "float64": (batch().double(), LENGTHS, None),
}
for _name, (_batch, _lengths, _message) in BATCHES.items():

    @case(f"model: {_name}", _message)
    def _(folder, parts, given=_batch, lengths=_lengths):
        vectors, counts = frontend(parts)(given, lengths)
        assert vectors.isfinite().all() and (counts >= 1).all()


for _threshold, _segments in ((-1e9, 5), (1e9, 1)):

    @case(f"model: a threshold of {_threshold:g}, so {_segments} segments", None)
    def _(folder, parts, threshold=_threshold, segments=_segments):
        """All frames are boundaries, or none but the first."""
        model = frontend(parts, segmenter="global", rate=None, threshold=threshold)
        assert model(torch.ones(1, 5, 2), torch.tensor([5]))[1].tolist() == [segments]


@case("boundaries: no threshold yet", "has no threshold yet; give a calibrated bundle")
def _(folder, parts):
    units = torch.zeros(1, 4, dtype=torch.int64)
    config = SegmenterConfig("global", rate_hz=10.0)
    find_boundaries(units, torch.ones(1, 4), torch.tensor([4]), config)


# Bundles


def copied(folder, parts):
    bundle = folder / "bundle"
    bundle.mkdir()
    for path in parts.bundle.iterdir():
        (bundle / path.name).write_bytes(path.read_bytes())
    return bundle


SPOILED = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "cut off": lambda path: path.write_bytes(path.read_bytes()[:-5]),
    "one bit turned": lambda path: path.write_bytes(
        path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])
    ),
    "random bytes": lambda path: path.write_bytes(np.random.default_rng(1).bytes(500)),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}
for _file in ("codebook.safetensors", "unit_lm.safetensors", "calibration.yaml"):
    for _name, _spoil in SPOILED.items():

        @case(f"bundle: {_file} {_name}", re.escape(_file))
        def _(folder, parts, file=_file, spoil=_spoil):
            bundle = copied(folder, parts)
            spoil(bundle / file)
            Bundle.open(bundle).check_hashes()


for _key in ("format", "extractor", "num_units", "frame_shift_sec", "unit_lm", "files"):
    for _value in (None, "x", -1, []):

        @case(f"bundle: {_key} is {_value}", "bundle|config.yaml")
        def _(folder, parts, key=_key, value=_value):
            bundle = copied(folder, parts)
            config = yaml.safe_load((bundle / "config.yaml").read_text())
            (bundle / "config.yaml").write_text(yaml.safe_dump(config | {key: value}))
            opened = Bundle.open(bundle)
            opened.check_hashes()
            UnitTokenizer.from_bundle(bundle)
            assert opened.frame_rate_hz > 0 and opened.num_units == tiny.NUM_UNITS


@case("bundle: not there", "holds no bundle; run the stages of a units1 recipe")
def _(folder, parts):
    Bundle.open(folder / "none")


@case("bundle: a file", "holds no bundle")
def _(folder, parts):
    (folder / "bundle").write_text("x")
    Bundle.open(folder / "bundle")


@case("bundle: a dump of another codebook", "with the codebook 000000000000, but .*bundle has")
def _(folder, parts):
    write_codebook_hash(folder, 64 * "0")
    Bundle.open(parts.bundle).check_dump(folder)


@case("bundle: a dump of another unit LM", "with the unit LM 000000000000, but .*bundle has")
def _(folder, parts):
    written(folder / "unit_lm_sha256", 64 * "0")
    Bundle.open(parts.bundle).check_dump(folder)


@case("bundle: a dump of another unit LM, whose entropies nobody reads", None)
def _(folder, parts):
    written(folder / "unit_lm_sha256", 64 * "0")
    Bundle.open(parts.bundle).check_dump(folder, needs_unit_lm=False)


# A model and another bundle: (segmenter, part of the bundle that differs, message)
OTHERS = [
    ("global", "codebook", "trained with the codebook .*but .*bundle has 0000"),
    ("global", "unit_lm", "trained with the unit LM .*but .*bundle has 0000"),
    ("dense", "codebook", "trained with the codebook .*but .*bundle has 0000"),
    ("dense", "unit_lm", None),
]
for _segmenter, _part, _message in OTHERS:

    @case(f"model: {_segmenter}, a bundle with another {_part}", _message)
    def _(folder, parts, segmenter=_segmenter, part=_part):
        settings = dict(segmenter=segmenter, rate=10 if segmenter == "global" else None)
        trained = frontend(parts, **settings)
        bundle = copied(folder, parts)
        config = yaml.safe_load((bundle / "config.yaml").read_text())
        config["files"][f"{part}.safetensors"] = 64 * "0"
        (bundle / "config.yaml").write_text(yaml.safe_dump(config))
        trained.origin.check(bundle, Bundle.open(bundle).origin)


@case("model: a source token list that is shuffled", "tokens.txt has '1' at position 0 instead")
def _(folder, parts):
    tokens = [*map(str, range(12)), "<unk>", "<sos/eos>"]
    tokens[:2] = "1", "0"
    written(folder / "tokens.txt", "\n".join(tokens) + "\n")
    check_source_tokens(Namespace(frontend="entropy", src_token_list=str(folder / "tokens.txt")))


@case("model: a dump of units and entropies, flattened", r"a waveform: its 10 .* \(5, 2\) matrix")
def _(folder, parts):
    flat = torch.stack([torch.arange(5.0), torch.rand(5)], dim=1).reshape(1, 10)
    frontend(parts)(flat, torch.tensor([10]))


@case("bundle: its own dumps, and one that does not say", None)
def _(folder, parts):
    for dumped in (parts.dump, parts.units):
        assert read_codebook_hash(dumped)
        Bundle.open(parts.bundle).check_dump(dumped)
    Bundle.open(parts.bundle).check_dump(folder)


@case("bundle: a link to a folder whose extractor has weights", None)
def _(folder, parts):
    codebook = tiny_models.learn_tiny_codebook("whisper", folder)
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "link").symlink_to(codebook)
    UnitTokenizer.from_codebook(folder / "elsewhere" / "link")
