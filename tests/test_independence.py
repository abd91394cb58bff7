"""Units, entropies and boundaries of an utterance do not depend on what it is computed with.

Five batchings: alone; in batches of similar length; in shuffled batches; in batches padded far
beyond their longest utterance, with garbage; and shard by shard, as a dump is made.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import tiny
import tiny_models
import torch

from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.shard_rows import shard_keys
from espnet_entropy.lm.entropy import predictive_entropies
from espnet_entropy.segment.boundaries import SegmenterConfig, find_boundaries
from espnet_entropy.segment.calibration import calibrate

SEGMENTERS = [
    SegmenterConfig("global", rate_hz=15.0),
    SegmenterConfig("relative", on_change=True, rate_hz=15.0),
    SegmenterConfig("combined", rate_hz=10.0, max_segment=20),
    SegmenterConfig("peaks", rate_hz=10.0, min_rate_hz=5.0),
    SegmenterConfig("dp", rate_hz=12.0),
    SegmenterConfig("dedup"),
    SegmenterConfig("uniform", rate_hz=15.0),
    SegmenterConfig("random", rate_hz=15.0),
]
UNITS1 = Path(
    os.environ.get("CORE_SOUNDS_UNITS1", Path(__file__).parents[1] / "egs2/core_sounds/units1")
)


def batchings(lengths: dict[str, int], batch: int) -> dict[str, list[list[str]]]:
    """The utterances in batches, five times; `padded` has the batches of `shuffled`."""
    keys = sorted(lengths)
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(0)).tolist()
    by_length, mixed = sorted(keys, key=lengths.get), [keys[i] for i in order]
    in_batches = [mixed[i : i + batch] for i in range(0, len(mixed), batch)]
    shards = [shard_keys(keys, shard, 7) for shard in range(1, 8)]
    return {
        "alone": [[key] for key in keys],
        "sorted": [by_length[i : i + batch] for i in range(0, len(keys), batch)],
        "shuffled": in_batches,
        "padded": in_batches,
        "shards": [shard[i : i + batch] for shard in shards for i in range(0, len(shard), batch)],
    }


def pad(arrays: list[torch.Tensor], *, garbage: float, surplus: int) -> tuple:
    """(B, longest + surplus), and lengths."""
    lengths = torch.tensor([len(a) for a in arrays])
    padded = arrays[0].new_full((len(arrays), int(lengths.max()) + surplus), garbage)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    return padded, lengths


def by_batches(utts: dict[str, torch.Tensor], batches, function, *, padded: bool) -> dict:
    """function(padded batch, lengths) -> rows; utterance -> row without its padding.

    The function gives tensors (B, T) and the lengths (B,) of its rows.
    """
    garbage, surplus = (7, 50) if padded else (0, 0)
    results = {}
    for keys in batches:
        batch = pad([utts[key] for key in keys], garbage=garbage, surplus=surplus)
        *tensors, lengths = function(*batch)
        for row, (key, length) in enumerate(zip(keys, lengths.tolist(), strict=True)):
            results[key] = tuple(t[row, :length] for t in tensors)
    return results


def thresholds_for(units: dict, entropies: dict, config: SegmenterConfig, num_units: int):
    """Calibrated on the first 200 utterances."""
    keys = sorted(units)[:200]
    batch, lengths = pad([units[k] for k in keys], garbage=0, surplus=0)
    heights, _ = pad([entropies[k] for k in keys], garbage=0, surplus=0)
    made = calibrate(
        [(batch, heights, lengths)],
        num_units=num_units,
        frame_rate_hz=50.0,
        held_out={},
        methods=((config.segmenter, config.on_change),),
    )
    return made.thresholds(config)


def count_differing_boundaries(units: dict, entropies: dict, num_units: int, batch: int) -> int:
    """Frames, over all segmenters and batchings, at which a boundary is not that of alone."""
    frames = {key: torch.stack([units[key].double(), entropies[key].double()], 1) for key in units}
    differing = 0
    for config in SEGMENTERS:
        thresholds = torch.zeros(2)
        if config.segmenter in ("global", "relative", "combined", "peaks", "dp"):
            thresholds = thresholds_for(units, entropies, config, num_units)

        def boundaries(keys, lengths, config=config, thresholds=thresholds):
            rows = [frames[f"{key:08d}"] for key in keys[:, 0].tolist()]
            units, entropies = torch.zeros(2, *keys.shape)
            for row, content in enumerate(rows):
                units[row, : len(content)], entropies[row, : len(content)] = content.T
                entropies[row, len(content) :] = 99.0
            found = find_boundaries(units.long(), entropies, lengths, config, thresholds)
            return found, lengths

        # Rows that name their utterance, so that one function serves all batchings.
        names = {key: torch.full((len(units[key]),), int(key)) for key in units}
        plans = batchings({key: len(u) for key, u in units.items()}, batch)
        alone = by_batches(names, plans.pop("alone"), boundaries, padded=False)
        assert 0 < sum(int(b[0].sum()) for b in alone.values()) < sum(map(len, names.values()))
        for name, batches in plans.items():
            found = by_batches(names, batches, boundaries, padded=name == "padded")
            differing += sum(int((found[key][0] != alone[key][0]).sum()) for key in alone)
    return differing


def largest_difference(units: dict, lm, batch: int) -> tuple[dict, float]:
    """Entropies computed alone, and by how much other batchings differ, in nats."""

    def entropies(rows, lengths):
        return predictive_entropies(lm, rows, lengths), lengths

    plans = batchings({key: len(u) for key, u in units.items()}, batch)
    alone = by_batches(units, plans.pop("alone"), entropies, padded=False)
    worst = 0.0
    for name, batches in plans.items():
        found = by_batches(units, batches, entropies, padded=name == "padded")
        worst = max(worst, *(float((found[k][0] - alone[k][0]).abs().max()) for k in alone))
    return {key: row for key, (row,) in alone.items()}, worst


def random_utterances(number: int, num_units: int, *, longest: int, seed: int = 0) -> dict:
    """Units that last for two frames on average; lengths from 1, most of them short."""
    rng, utts = np.random.default_rng(seed), {}
    for index in range(number):
        length = int(1 + (longest - 1) * rng.random() ** 2)
        changes = np.cumsum(rng.random(length) < 0.5)
        utts[f"{index:08d}"] = torch.from_numpy(rng.integers(0, num_units, length + 1)[changes])
    return utts


@pytest.mark.parametrize(
    "number, longest, context",
    [(400, 150, 32), pytest.param(10_000, 300, 64, marks=pytest.mark.long)],
)
def test_random_units(number, longest, context):
    units = random_utterances(number, tiny.NUM_UNITS, longest=longest)
    entropies, worst = largest_difference(units, tiny.unit_lm(context=context), context)
    assert torch.cat(list(entropies.values())).std() > 0.05  # not vacuous
    assert worst < 1e-5
    assert count_differing_boundaries(units, entropies, tiny.NUM_UNITS, context) == 0


def count_differing_tokens(tokenizer: UnitTokenizer, waves: dict, batch: int) -> tuple[int, float]:
    """Differing units over all batchings, and the largest difference of entropies in nats."""

    def tokens(rows, lengths):
        made = tokenizer(rows, lengths)
        return made.units, made.entropies, made.lengths

    plans = batchings({key: len(w) for key, w in waves.items()}, batch)
    alone = by_batches(waves, plans.pop("alone"), tokens, padded=False)
    assert len(torch.cat([units for units, _ in alone.values()]).unique()) > 2
    differing, worst = 0, 0.0
    for name, batches in plans.items():
        found = by_batches(waves, batches, tokens, padded=name == "padded")
        for key, (units, entropies) in alone.items():
            assert found[key][0].shape == units.shape
            differing += int((found[key][0] != units).sum())
            worst = max(worst, float((found[key][1] - entropies).abs().max()))
    return differing, worst


def synthetic_waves(number: int) -> dict:
    rng = np.random.default_rng(0)
    seconds = 0.1 + 2.9 * rng.random(number) ** 2
    return {
        f"{i:08d}": torch.from_numpy(tiny.wave(i, duration)) for i, duration in enumerate(seconds)
    }


@pytest.mark.parametrize("number, batch", [(12, 4), pytest.param(1000, 16, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", ["mfcc", "whisper", "s3prl"])
def test_waveforms(name, number, batch, tmp_path):
    tokenizer = tiny_models.tokenizer(name, tmp_path)
    assert count_differing_tokens(tokenizer, synthetic_waves(number), batch) == (0, 0.0)


needs_recipe = pytest.mark.skipif(
    not (UNITS1 / "exp/bundle/config.yaml").is_file(),
    reason=f"{UNITS1} has no bundle; run egs2/core_sounds/units1/run.sh, or name another recipe's "
    "folder as CORE_SOUNDS_UNITS1",
)


@pytest.mark.long
@needs_recipe
def test_real_units(monkeypatch):
    """All utterances of the recipe's dumps."""
    monkeypatch.chdir(UNITS1)
    tokenizer = UnitTokenizer.from_bundle("exp/bundle")
    units, dumped = {}, {}
    for folder in sorted(Path("dump/raw").glob("*/wav.scp")):
        for _, ids, entropies in read_dump(folder.parent):
            key = f"{len(units):08d}"
            units[key], dumped[key] = torch.from_numpy(ids), torch.from_numpy(entropies)
    entropies, worst = largest_difference(units, tokenizer.unit_lm, 64)
    stored = max(float((entropies[key] - dumped[key]).abs().max()) for key in dumped)
    assert len(units) > 100 and worst < 1e-5 and stored < 1e-5
    assert count_differing_boundaries(units, entropies, tokenizer.codebook.num_units, 64) == 0


@pytest.mark.long
@needs_recipe
def test_real_recordings(monkeypatch):
    """Recordings of the held-out sets through the bundle, and against the dump."""
    monkeypatch.chdir(UNITS1)
    tokenizer, waves, dumped = UnitTokenizer.from_bundle("exp/bundle"), {}, []
    for folder in sorted(Path("data").glob("*/wav.scp")):
        name = folder.parent.name
        if not name.startswith(("dev", "test")) or not Path("dump/raw", name, "wav.scp").exists():
            continue
        recordings = read_table(folder)
        for utt, ids, entropies in read_dump(Path("dump/raw", name)):
            wave = torch.from_numpy(read_audio(recordings[utt], tokenizer.sample_rate))
            waves[f"{len(waves):08d}"] = wave
            dumped.append((ids, entropies))
    differing, worst = count_differing_tokens(tokenizer, waves, 16)
    from_dump = 0
    for wave, (ids, _) in zip(waves.values(), dumped, strict=True):
        units = tokenizer(wave.unsqueeze(0), torch.tensor([len(wave)])).units[0].numpy()
        from_dump += int((units != ids).sum())
    assert (differing, worst, from_dump) == (0, 0.0, 0)
