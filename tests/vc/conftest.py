"""A voice conversion model of one epoch, which several test files use."""

from types import SimpleNamespace

import pytest
import tiny
import yaml

from espnet_entropy.bin import dump_acoustics, merge_shards, vc_train
from espnet_entropy.data.kaldi import read_table

CONFIG = {
    "frontend": "entropy",
    "frontend_conf": {
        "num_units": tiny.NUM_UNITS,
        "segmenter": "dp",
        "rate": 15,
        "rate_range": [7, 50],
        "aggregator": "mean",
        "output_size": 8,
    },
    "mel_conf": {"n_mels": 20},
    "model_conf": {
        "content_conf": {"dim": 16, "num_layers": 1},
        "dit_conf": {"dim": 16, "num_blocks": 1, "num_heads": 2},
    },
    "batch_type": "length",
    "batch_bins": 200,
    "max_epoch": 1,
    "num_workers": 0,
    "use_matplotlib": False,
    "best_model_criterion": [["valid", "loss", "min"]],
}


@pytest.fixture(scope="session")
def trained(parts, tmp_path_factory) -> SimpleNamespace:
    """A model that was trained for one epoch, as in the recipe."""
    root = tmp_path_factory.mktemp("vc")
    data = [f"{parts.dump}/wav.scp,units,kaldi_ark"]
    for what in ("mel", "pitch", "speaker"):
        folder = root / what
        for shard in (1, 2):
            tiny.command(
                dump_acoustics,
                what=what,
                wav_scp=parts.wav_scp,
                mel_conf="{n_mels: 20}",
                output=folder,
                num_shards=2,
                shard=shard,
            )
        tiny.command(merge_shards, output=folder, num_shards=2, expect=parts.wav_scp, name=what)
        data.append(f"{folder}/{what}.scp,{what},kaldi_ark")
    (root / "train.yaml").write_text(yaml.safe_dump(CONFIG))
    common = ["--config", str(root / "train.yaml"), "--frontend_conf", f"bundle={parts.bundle}"]
    for part in ("train", "valid"):
        for item in data:
            common += [f"--{part}_data_path_and_name_and_type", item]
    shapes = str(parts.dump / "utt2num_samples")
    stats = root / "stats"
    vc_train.main(
        [*common, "--collect_stats", "true", "--output_dir", str(stats)]
        + ["--train_shape_file", shapes, "--valid_shape_file", shapes]
    )
    model = root / "model"
    vc_train.main(
        [*common, "--model_conf", f"mel_stats={stats}/train/mel_stats.npz"]
        + ["--train_shape_file", str(stats / "train/units_shape")]
        + ["--valid_shape_file", str(stats / "valid/units_shape"), "--output_dir", str(model)]
    )
    return SimpleNamespace(root=root, model=model, recordings=read_table(parts.wav_scp))
