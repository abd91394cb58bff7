"""Settings of a model, what it is given, and bundles."""

from argparse import Namespace

import numpy as np
import tiny
import torch
from table import case, cases, written

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.shards import read_codebook_hash, write_codebook_hash
from espnet_entropy.espnet.checks import check_source_tokens
from espnet_entropy.espnet.frontend import EntropyFrontend

# Settings of a model

# What a segmenter refuses is tested with the segmenters; here, that the frontend passes it on.
SETTINGS = [
    (dict(segmenter="glbal"), "segmenter 'glbal' is none of global"),
    (dict(rate="15"), "rate_hz is '15'"),
    (dict(min_rate="9"), "min_rate_hz is '9'"),
    (dict(on_change="true"), "on_change is 'true', but must be true or false"),
    (dict(max_segment=0), "max_segment is 0"),
    (dict(gap_cost=-1.0), "gap_cost is -1"),
    (dict(aggregator="cael"), "aggregator 'cael' is none of cale"),
    (dict(aggregator="cale", aggregator_conf=dict(layers=2)), "aggregator 'cale'.*layers"),
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
    (dict(segmentr="dp"), "segmentr"),
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


@cases(
    "model: ",
    ("a unit above K", batch(((0, 1, 0), 12)), LENGTHS, "12 units; was this dump made with"),
    ("a negative unit", batch(((0, 1, 0), -1)), LENGTHS, r"\[-1, 1\]"),
    ("half a unit", batch(((0, 1, 0), 1.5)), LENGTHS, "not integers: was the dump changed"),
    ("NaN", batch(((0, 1, 1), np.nan)), LENGTHS, "NaN or infinite"),
    ("NaN on the padding", batch(((1, 4, 1), np.nan)), LENGTHS, None),
    ("units on the padding", batch(((1, 4, 0), 99)), LENGTHS, None),
    ("half precision", batch().half(), LENGTHS, "float16.*use float32"),
    ("bfloat16", batch().bfloat16(), LENGTHS, "bfloat16.*use float32"),
    ("one column", torch.ones(2, 5, 1), LENGTHS, r"\(2, 5, 1\); expected"),
    ("a length of zero", batch(), torch.tensor([5, 0]), r"lie in \[0, 5\]"),
    ("a length too few", batch(), torch.tensor([5]), r"a batch of 2, but its lengths are \(1,\)"),
    ("no utterance", torch.ones(0, 5, 2), torch.zeros(0, dtype=torch.long), "no utterance"),
    ("one frame", torch.ones(1, 1, 2), torch.tensor([1]), None),
)
def _(folder, parts, given, lengths):
    vectors, counts = frontend(parts)(given, lengths)
    assert vectors.isfinite().all() and (counts >= 1).all()


for _threshold, _segments in ((-1e9, 5), (1e9, 1)):

    @case(f"model: a threshold of {_threshold:g}, so {_segments} segments", None)
    def _(folder, parts, threshold=_threshold, segments=_segments):
        """All frames are boundaries, or none but the first."""
        model = frontend(parts, segmenter="global", rate=None, threshold=threshold)
        assert model(torch.ones(1, 5, 2), torch.tensor([5]))[1].tolist() == [segments]


# Bundles and dumps


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
