"""Models, bundles and dumps of different codebooks or unit LMs."""

import importlib
import logging
import shutil
from argparse import Namespace

import pytest
import tiny
import torch
from espnet2.main_funcs.average_nbest_models import average_nbest_models
from espnet2.tasks.asr import ASRTask
from espnet2.torch_utils.load_pretrained_model import load_pretrained_model
from espnet2.train.reporter import Reporter

from espnet_entropy.bin import (
    bundle,
    calibrate,
    check_ctc,
    export_vectors,
    link_dump,
    plot_utterance,
    report_segments,
)
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.data.shards import CODEBOOK_HASH, UNIT_LM_HASH
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.frontend_mt import UnitTextFrontend

CONF = dict(num_units=tiny.NUM_UNITS, segmenter="peaks", rate=10, aggregator="mean", output_size=8)
PARTS = dict(codebook="codebook", unit_lm="unit LM")


@pytest.fixture(scope="module")
def others(parts, tmp_path_factory):
    """Bundles with another codebook and with another unit LM."""
    folder = tmp_path_factory.mktemp("others")
    return {part: tiny.another_bundle(parts, folder / part, part) for part in PARTS}


class Model(torch.nn.Module):
    """The parts of an ESPnet model that its loaders use."""

    def __init__(self, bundle, **conf):
        super().__init__()
        self.frontend = EntropyFrontend(bundle=str(bundle), **CONF | conf)
        self.ctc = torch.nn.Linear(8, 3)


def saved(model, path):
    torch.save(model.state_dict(), path)
    return path


def older(state):
    """The state of an older model, which does not know its codebook."""
    return {name: value for name, value in state.items() if "origin" not in name}


@pytest.mark.parametrize("part", PARTS)
def test_a_model_and_another_bundle(parts, others, part):
    state = Model(parts.bundle).state_dict()
    Model(parts.bundle).load_state_dict(state)
    with pytest.raises(ValueError, match=f"trained with the {PARTS[part]} .*but .*{part} has"):
        Model(others[part]).load_state_dict(state)


def test_models_that_read_no_entropies_take_any_unit_lm(parts, others):
    conf = dict(segmenter="dense", rate=None)
    model = Model(others["unit_lm"], **conf)
    model.load_state_dict(Model(parts.bundle, **conf).state_dict())
    assert model.frontend.origin.known.unit_lm is None
    with pytest.raises(ValueError, match="trained with the codebook"):
        Model(others["codebook"], **conf).load_state_dict(model.state_dict())
    conf |= dict(segmenter="fixed", rate=10, min_rate=15)
    with pytest.raises(ValueError, match="trained with the unit LM"):
        Model(others["unit_lm"], **conf).load_state_dict(Model(parts.bundle, **conf).state_dict())


def test_mt_models_know_their_codebook(parts, others):
    def model(bundle):
        return UnitTextFrontend(tiny.NUM_UNITS + 2, bundle=str(bundle))

    model(others["unit_lm"]).load_state_dict(model(parts.bundle).state_dict())
    with pytest.raises(ValueError, match="trained with the codebook"):
        model(others["codebook"]).load_state_dict(model(parts.bundle).state_dict())


def test_averaged_cast_and_moved_models_hold_the_same_hashes(parts, tmp_path):
    model, reporter = Model(parts.bundle), Reporter()
    for epoch in (1, 2, 3):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as observed:
            observed.register({"loss": torch.tensor(float(epoch))})
            observed.next()
        saved(model, tmp_path / f"{epoch}epoch.pth")
    average_nbest_models(tmp_path, reporter, [["valid", "loss", "min"]], 3)
    state = torch.load(tmp_path / "valid.loss.ave_3best.pth", weights_only=True)
    made = Model(parts.bundle)
    made.load_state_dict(state)
    assert made.frontend.origin.known == Bundle.open(parts.bundle).origin
    for dtype in (torch.float16, torch.bfloat16):
        assert Model(parts.bundle).to(dtype).frontend.origin.known == made.frontend.origin.known


def test_an_older_model_is_accepted_with_a_warning(parts, others, caplog):
    state = older(Model(parts.bundle).state_dict())
    model = Model(others["codebook"])
    with caplog.at_level(logging.WARNING):
        model.load_state_dict(state)
    assert "the model does not say which codebook it was trained with" in caplog.text
    # After more training it still does not know its codebook.
    assert model.frontend.origin.known == Origin()


def test_a_model_that_starts_from_anothers_parameters(parts, others, tmp_path):
    path, model = saved(Model(parts.bundle), tmp_path / "model.pth"), Model(others["codebook"])
    with pytest.raises(ValueError, match="--init_param MODEL.pth:::frontend$"):
        load_pretrained_model(str(path), model, ignore_init_mismatch=False)
    model = Model(others["codebook"])
    load_pretrained_model(f"{path}:::frontend", model, ignore_init_mismatch=False)
    assert model.frontend.origin.known == Bundle.open(others["codebook"]).origin


# Dumps


@pytest.fixture
def dumps(parts, others, tmp_path):
    """Copies of the dump with the hashes of its bundle and of others."""
    made = {}
    for name, folder in dict(right=parts.bundle, **others).items():
        made[name] = tiny.own_dump(parts, tmp_path / "dump" / "raw" / name)
        origin = Bundle.open(folder).origin
        (made[name] / CODEBOOK_HASH).write_text(f"{origin.codebook}\n")
        (made[name] / UNIT_LM_HASH).write_text(f"{origin.unit_lm}\n")
        assert origin_of_dump(made[name]) == origin
    return made


def decode(dump, path, command="asr", **options):
    """Whether ESPnet's decoding passes the check, and then fails for missing arguments."""
    inference = importlib.import_module(f"espnet2.bin.{command}_inference").inference
    options[f"{command}_model_file"] = str(path)
    data = [(f"{dump}/wav.scp", "speech", "kaldi_ark")]
    with pytest.raises(TypeError, match="missing"):
        inference(data_path_and_name_and_type=data, **options)
    return True


@pytest.mark.parametrize("command", ["asr", "st", "slu", "mt"])
@pytest.mark.parametrize("part", PARTS)
def test_decoding_another_bundles_dump(parts, dumps, tmp_path, part, command, caplog):
    model = Model(parts.bundle)
    path = saved(model, tmp_path / "model.pth")
    assert decode(dumps["right"], path, command)
    message = f"{path} was trained with the {PARTS[part]} .*but .*/{part} has"
    with pytest.raises(ValueError, match=message):
        decode(dumps[part], path, command)
    assert not caplog.text
    torch.save(older(model.state_dict()), path)
    assert decode(dumps[part], path, command)
    assert f"{path} does not say which codebook" in caplog.text


def test_decoding_with_models_of_other_kinds(parts, dumps, tmp_path, caplog):
    """A model with another frontend, one beside a text LM, and one that reads no entropies."""
    torch.save({"frontend.weight": torch.zeros(2)}, tmp_path / "other.pth")
    dense = saved(Model(parts.bundle, segmenter="dense", rate=None), tmp_path / "dense.pth")
    assert decode(dumps["unit_lm"], tmp_path / "other.pth", lm_file=str(parts.checkpoint))
    assert decode(dumps["unit_lm"], dense)
    assert decode("none", dense)
    assert not caplog.text


@pytest.mark.parametrize("part", PARTS)
def test_training_on_another_bundles_dump(parts, dumps, part):
    conf = dict(bundle=str(parts.bundle), segmenter="peaks")
    args = Namespace(frontend="entropy", frontend_conf=conf, config=None)
    args.train_data_path_and_name_and_type = [(f"{dumps['right']}/wav.scp", "speech", "kaldi_ark")]
    args.valid_data_path_and_name_and_type = [(f"{dumps[part]}/wav.scp", "speech", "kaldi_ark")]
    with pytest.raises(ValueError, match=f"/{part} was made with the {PARTS[part]} .*, but"):
        ASRTask.main_worker(args)


def test_export_vectors_of_another_bundles_dump(parts, dumps, tmp_path):
    conf = CONF | dict(bundle=str(parts.bundle))
    write_yaml(tmp_path / "config.yaml", dict(frontend="entropy", frontend_conf=conf))
    options = dict(
        model_config=tmp_path / "config.yaml",
        model_file=saved(Model(parts.bundle), tmp_path / "model.pth"),
    )
    for part, name in PARTS.items():
        with pytest.raises(
            SystemExit, match=f"model.pth was trained with the {name} .*/{part} has"
        ):
            tiny.command(export_vectors, dump=dumps[part], output=tmp_path / part, **options)
        assert not (tmp_path / part / "shards").exists()
    tiny.command(export_vectors, dump=dumps["right"], output=tmp_path / "vectors", **options)


def test_check_ctc_of_another_unit_lms_dump(parts, dumps, tmp_path):
    def check(**conf):
        conf = CONF | conf
        config = dict(frontend="entropy", frontend_conf=conf, token_type="word")
        config["encoder_conf"] = dict(input_layer="linear")
        write_yaml(tmp_path / "config.yaml", config)
        options = dict(asr_config=tmp_path / "config.yaml", bundle=parts.bundle)
        tiny.command(check_ctc, dump=dumps["unit_lm"], **options)

    check(segmenter="dense", rate=None)
    with pytest.raises(SystemExit, match="unit_lm was made with the unit LM .*dump it with this"):
        check()


def test_a_linked_dump_keeps_its_origin(parts, dumps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sets = dict(train_set="right", valid_set="unit_lm", output=tmp_path / "linked")
    tiny.command(link_dump, dump=tmp_path / "dump" / "raw", **sets)
    for name in ("right", "unit_lm", "org/unit_lm"):
        expected = origin_of_dump(dumps[name.removeprefix("org/")])
        assert origin_of_dump(tmp_path / "linked" / name) == expected


def test_a_linked_dump_whose_source_was_made_again(parts, others, dumps, tmp_path, monkeypatch):
    """Its arks hold other units by now, at the same offsets."""
    monkeypatch.chdir(tmp_path)
    sets = dict(train_set="right", valid_set="right", output=tmp_path / "linked")
    made = tmp_path / "dump" / "raw" / "right"
    tiny.command(link_dump, dump=tmp_path / "dump" / "raw", **sets)
    path = saved(Model(parts.bundle), tmp_path / "model.pth")
    assert decode(tmp_path / "linked" / "right", path)
    shutil.copy(dumps["codebook"] / CODEBOOK_HASH, made)
    with pytest.raises(ValueError, match="linked/right says that its arks were made with the code"):
        decode(tmp_path / "linked" / "right", path)


# Calibrations


def older_calibration(parts, path):
    """A calibration from before calibrations named what they were measured with."""
    made = read_yaml(parts.calibration)
    for name in PARTS:
        del made["held_out"][name]
    write_yaml(path, made)
    return path


@pytest.mark.parametrize("part", PARTS)
def test_thresholds_of_another_bundle(parts, dumps, tmp_path, part):
    """Neither packed, nor used on another bundle's dump."""
    tiny.command(calibrate, dump=dumps[part], num_units=12, output=tmp_path / "other.yaml")
    message = f"other.yaml was measured with the {PARTS[part]} .*, but .* has .*; calibrate again"
    packed = dict(codebook=parts.codebook, unit_lm=parts.checkpoint, output=tmp_path / "bundle")
    with pytest.raises(SystemExit, match=message):
        tiny.command(bundle, "pack", calibration=tmp_path / "other.yaml", **packed)
    used = dict(calibration=tmp_path / "other.yaml", dump=dumps["right"])
    with pytest.raises(SystemExit, match=message):
        tiny.command(report_segments, output=tmp_path / "segments", **used)
    with pytest.raises(SystemExit, match=message):
        picture = dict(wav_scp=parts.wav_scp, output=tmp_path / "picture.png")
        tiny.command(plot_utterance, **used, **picture)
    older = older_calibration(parts, tmp_path / "older.yaml")
    tiny.command(bundle, "pack", calibration=older, **packed)
