"""The unit LM as ESPnet's LM task: memory, padding, perplexity."""

import json
import math
import tracemalloc

import numpy as np
import pytest
import torch
from espnet2.samplers.build_batch_sampler import build_batch_sampler
from espnet2.train.dataset import ESPnetDataset
from launching import LAUNCHER, SEVERAL, execute, write_config

from espnet_entropy.bundle.build import load_trained_lm
from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.shards import write_shard


def test_train_on_splits_and_measure_perplexity(parts, tmp_path):
    """`split_scps` and `--multiple_iterator`: one split's tables are in memory at a time."""
    conf = dict(hidden_size=16, num_layers=1, num_heads=2, context=16)
    write_config(tmp_path / "lm.yaml", lm="llama", lm_conf=conf, use_preprocessor=False)
    scp, shape = parts.units / "units.scp", parts.units / "text_shape"
    data = "data_path_and_name_and_type"
    commands = [
        ["-m", "espnet2.bin.split_scps", "--scps", scp, shape]
        + ["--num_splits", 2, "--output_dir", "splits"],
        ["-m", "espnet2.bin.lm_train", "--config", "lm.yaml", "--ngpu", 0, "--output_dir", "lm"]
        + ["--token_list", parts.codebook / "tokens.txt", "--multiple_iterator", "true"]
        + [f"--train_{data}", "splits/units.scp,text,kaldi_ark"]
        + ["--train_shape_file", "splits/text_shape"]
        + [f"--valid_{data}", f"{scp},text,kaldi_ark", "--valid_shape_file", shape],
        ["-m", "espnet2.bin.lm_calc_perplexity", "--output_dir", "ppl", "--num_workers", 0]
        + ["--train_config", "lm/config.yaml", "--model_file", "lm/valid.loss.best.pth"]
        + ["--batch_size", 3, f"--{data}", f"{scp},text,kaldi_ark"],
    ]
    (tmp_path / "several.py").write_text(SEVERAL)
    words = json.dumps([[str(word) for word in command] for command in commands])
    done = execute(*LAUNCHER, "several.py", words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Building 1th iter-factory" in done.stderr and "Building 2th" not in done.stderr

    lm = load_trained_lm(tmp_path / "lm/valid.loss.best.pth")
    tokens = {utt: int(n) for utt, n in read_table(tmp_path / "ppl/utt2ntokens").items()}
    losses = {utt: loss(lm, units) for utt, units in read_units(scp)}
    assert tokens == {utt: int(n) + 1 for utt, n in read_table(shape).items()}
    for utt, perplexity in read_table(tmp_path / "ppl/utt2ppl").items():
        expected = math.exp(losses[utt] / tokens[utt])
        assert float(perplexity) == pytest.approx(expected, rel=1e-4), utt
    mean = sum(losses.values()) / sum(tokens.values())
    total = float((tmp_path / "ppl/ppl").read_text())
    assert total == pytest.approx(math.exp(mean), rel=1e-4)


@torch.no_grad()
def loss(lm, units):
    """Nats of one utterance and its end."""
    units = torch.from_numpy(units).long()
    end = torch.tensor([lm.sos])
    logits, _ = lm.eval()(torch.cat([end, units]).unsqueeze(0))
    target = torch.cat([units, end])
    return torch.nn.functional.cross_entropy(logits[0], target, reduction="sum").item()


UNITS = 2000  # of an utterance: 8,000 bytes as int32


def growth(folder, kind):
    """Bytes that reading a corpus once needs for each utterance more."""
    peaks = []
    for count in (20, 120):
        data = folder / f"{kind}{count}"
        rng = np.random.default_rng(count)
        arrays = [
            (f"utt{i:04}", rng.integers(500, 2000, UNITS).astype(np.int32)) for i in range(count)
        ]
        table = {utt: entry.where for utt, entry in write_shard(data, 1, arrays).items()}
        if kind == "text_int":
            table = {utt: " ".join(map(str, units)) for utt, units in arrays}
        write_table(data / "data", table)
        write_table(data / "shape", {utt: str(UNITS) for utt in table})
        del arrays, table
        tracemalloc.start()
        dataset = ESPnetDataset([(str(data / "data"), "text", kind)])
        batches = build_batch_sampler("numel", 1, 8000, [str(data / "shape")])
        for batch in batches:
            for utt in batch:
                assert len(dataset[utt][1]["text"]) == UNITS
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    return (peaks[1] - peaks[0]) / 100


def test_memory_does_not_grow_with_the_units(tmp_path):
    """An utterance costs its key and its path, however long it is; as text, all its units."""
    assert growth(tmp_path, "kaldi_ark") < 1500
    assert growth(tmp_path, "text_int") > 8 * UNITS


def waste(batches, lengths):
    """Share of the padded batches that is padding."""
    padded = sum(len(batch) * max(lengths[utt] for utt in batch) for batch in batches)
    return 1 - sum(lengths.values()) / padded


def test_padding_is_little(tmp_path):
    """Batches of similar lengths, as the recipe's `batch_type: numel` makes them."""
    rng = np.random.default_rng(0)
    drawn = np.clip(rng.lognormal(5, 0.6, 2000), 10, 1000).astype(int)
    lengths = {f"utt{i:04}": int(n) for i, n in enumerate(drawn)}
    write_table(tmp_path / "shape", {utt: str(n) for utt, n in lengths.items()})
    shape = [str(tmp_path / "shape")]
    by_length = build_batch_sampler("numel", 1, 4000, shape)
    at_random = build_batch_sampler("unsorted", 20, 1, shape)
    assert sum(map(len, by_length)) == len(lengths)
    assert waste(by_length, lengths) < 0.02
    assert waste(at_random, lengths) > 0.4
