"""Parsers, summary lines and errors of the commands."""

import argparse
import importlib
import logging
import warnings

import pytest
import torch

from espnet_entropy.bin import common
from espnet_entropy.data.kaldi import atomic_text

COMMANDS = [
    "bundle",
    "calibrate",
    "dump",
    "dump_entropies",
    "dump_units",
    "learn_codebook",
    "merge_shards",
    "plot_utterance",
    "report_segments",
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name, capsys):
    module = importlib.import_module(f"espnet_entropy.bin.{name}")
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"])
    assert ended.value.code == 0
    assert module.__doc__.split()[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    "text, expected",
    [("{path: a b, layer: 3}", {"path": "a b", "layer": 3}), ("{}", {})],
)
def test_mapping(text, expected):
    assert common.mapping(text) == expected


@pytest.mark.parametrize("text", ["3", "a, b", "{a: [", ""])
def test_what_is_no_mapping_is_a_usage_error(text, capsys):
    parser = argparse.ArgumentParser()
    parser.add_argument("--conf", type=common.mapping)
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--conf", text])
    assert ended.value.code == 2
    assert "invalid mapping value" in capsys.readouterr().err


def test_config_files_and_overrides(tmp_path):
    (tmp_path / "c.yaml").write_text("num_shards: 7\ndevice: cuda\n")
    parser = common.make_parser("x")
    common.add_shard_arguments(parser)
    args = parser.parse_args(["--config", str(tmp_path / "c.yaml"), "--device", "cpu"])
    assert (args.num_shards, args.shard, args.device) == (7, 1, "cpu")


def test_bad_input_ends_without_a_traceback():
    with pytest.raises(SystemExit) as ended, common.user_errors():
        raise ValueError("utt a: broken")
    assert ended.value.code == "error: utt a: broken"
    with pytest.raises(KeyError), common.user_errors():
        raise KeyError("a bug of ours keeps its traceback")


def test_files_that_cannot_be_opened_end_without_a_traceback(tmp_path):
    with pytest.raises(SystemExit, match="error: .*No such file or directory.*none"):
        with common.user_errors():
            open(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="error: .*file"), common.user_errors():
        with atomic_text(tmp_path / "file" / "below"):
            pass


def test_devices():
    assert common.usable_device("cpu") == "cpu"
    with pytest.raises(ValueError, match="device 'foo' cannot be used: .*; try --device cpu") as it:
        common.usable_device("foo")
    assert "\n" not in str(it.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ValueError, match="device 'cuda' cannot be used"):
        common.usable_device("cuda")


def warn(category, module):
    warnings.warn_explicit(module, category, "f.py", 1, module=module)


def test_known_warnings_of_libraries_are_ignored(recwarn, caplog):
    with common.user_errors():
        for category, module in (
            (FutureWarning, "espnet2.enh.layers.uses2_swin"),
            (FutureWarning, "torch.nn.utils.weight_norm"),
            (UserWarning, "pyworld"),
        ):
            warn(category, module)
        logging.warning("Set decoder to none as ctc_weight==1.0")
    assert not recwarn.list and not caplog.records


def test_all_other_warnings_are_shown(caplog):
    shown = [
        (UserWarning, "espnet2.enh.layers.uses2_swin"),
        (FutureWarning, "espnet_entropy.data.audio"),
        (UserWarning, "torch.nn.utils.weight_norm"),
        (RuntimeWarning, "pyworld"),
    ]
    with pytest.warns() as caught:
        with common.user_errors():
            for category, module in shown:
                warn(category, module)
            logging.warning("the loss is not finite")
    assert [(w.category, str(w.message)) for w in caught] == shown
    assert [record.getMessage() for record in caplog.records] == ["the loss is not finite"]
    # The filters from before are there again.
    with pytest.warns(FutureWarning):
        warn(FutureWarning, "espnet2.train.trainer")
    logging.warning("Set decoder to none as ctc_weight==1.0")
    assert len(caplog.records) == 2
