"""Every ESPnet task that takes `frontend: entropy` trains with it, through the launcher."""

import importlib
import shutil
from argparse import Namespace

import pytest
import tiny
import torch
import yaml
from launching import (
    AGGREGATOR,
    SMALL,
    entropy_frontend,
    launch_several,
    prepare_speech,
    same_data,
    write_config,
)

from espnet_entropy.bundle.build import load_trained_lm
from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import read_table, read_yaml, write_yaml
from espnet_entropy.espnet.frontend_mt import UnitTextFrontend

LOSS = "valid.loss.best.pth"


def test_st_and_slu(parts, tmp_path):
    words = prepare_speech(parts, tmp_path)
    common = SMALL | entropy_frontend(parts) | dict(normalize=None, specaug=None)
    cheap = dict(extract_feats_in_collect_stats=False)
    write_config(tmp_path / "st.yaml", **common, model_conf=cheap | dict(asr_weight=0.0))
    write_config(tmp_path / "slu.yaml", **common, model_conf=cheap | dict(ctc_weight=0.5))
    source = ("--src_token_type", "char", "--src_token_list", "tokens.txt")
    speech = f"{parts.dump}/wav.scp,speech,kaldi_ark"
    decode = ("--ngpu", 0, "--beam_size", 1, "--maxlenratio", -4)
    launch_several(
        ["-m", "espnet2.bin.st_train", "--config", "st.yaml", *words, *source]
        + ["--output_dir", "st"],
        ["-m", "espnet2.bin.slu_train", "--config", "slu.yaml", *words, "--output_dir", "slu"],
        ["-m", "espnet2.bin.st_inference", *decode, "--data_path_and_name_and_type", speech]
        + ["--st_train_config", "st/config.yaml", "--st_model_file", f"st/{LOSS}"]
        + ["--output_dir", "st/decoded"],
        ["-m", "espnet2.bin.slu_inference", *decode, "--data_path_and_name_and_type", speech]
        + ["--slu_train_config", "slu/config.yaml", "--slu_model_file", f"slu/{LOSS}"]
        + ["--output_dir", "slu/decoded"],
        cwd=tmp_path,
    )
    for task in ("st", "slu"):
        assert (
            yaml.safe_load((tmp_path / task / "config.yaml").read_text())["frontend"] == "entropy"
        )
        assert_trained(parts, tmp_path / task / LOSS, "frontend.encoder.")
        decoded = read_table(tmp_path / task / "decoded/1best_recog/token")
        assert list(decoded) == sorted(tiny.SECONDS) and all(decoded.values())


def assert_trained(parts, checkpoint, prefix):
    """The unit embeddings left the centroids they started from."""
    state = torch.load(checkpoint, weights_only=True)
    start = UnitTextFrontend(
        tiny.NUM_UNITS + 2, bundle=str(parts.bundle), **AGGREGATOR
    ).state_dict()
    ours = state[prefix + "embedding.weight"]
    theirs = start["speech.encoder.embedding.weight"]
    assert not torch.equal(ours, theirs)
    torch.testing.assert_close(ours, theirs, atol=0.1, rtol=0.1)


def test_mt(parts, tmp_path):
    """Units as integer arks and as text give the same model; it decodes."""
    prepare_speech(parts, tmp_path)
    text = {utt: " ".join(map(str, units)) for utt, units in read_units(parts.units / "units.scp")}
    (tmp_path / "src").write_text("".join(f"{utt} {units}\n" for utt, units in text.items()))
    conf = dict(bundle=str(parts.bundle), segmenter="fixed", rate=25)
    write_config(
        tmp_path / "mt.yaml",
        frontend="entropy",
        frontend_conf=conf | AGGREGATOR,
        **SMALL,
        optim_conf=dict(lr=0.01),
    )
    scp = f"{parts.units}/units.scp,src_text,kaldi_ark"
    target = f"{parts.dump}/text,text,text"
    shape = parts.units / "text_shape"
    lists = ["--src_token_list", parts.codebook / "tokens.txt", "--token_list", "tokens.txt"]
    train = ["-m", "espnet2.bin.mt_train", "--config", "mt.yaml", "--token_type", "char"]
    launch_several(
        [*train, *lists, *same_data(scp, target, shape=shape), "--src_token_type", "none"]
        + ["--output_dir", "arks"],
        [*train, *lists, *same_data("src,src_text,text", target, shape=shape)]
        + ["--src_token_type", "word", "--output_dir", "text"],
        ["-m", "espnet2.bin.mt_inference", "--ngpu", 0, "--beam_size", 1, "--ctc_weight", 0]
        + ["--mt_train_config", "arks/config.yaml", "--mt_model_file", f"arks/{LOSS}"]
        + ["--data_path_and_name_and_type", scp, "--maxlenratio", -4, "--output_dir", "decoded"],
        cwd=tmp_path,
    )
    states = [torch.load(tmp_path / name / LOSS, weights_only=True) for name in ("arks", "text")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert_trained(parts, tmp_path / "arks" / LOSS, "frontend.speech.encoder.")
    decoded = read_table(tmp_path / "decoded/1best_recog/token")
    assert list(decoded) == sorted(tiny.SECONDS) and all(decoded.values())


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda tokens: [tokens[1], tokens[0], *tokens[2:]],
            "has '1' at position 0 instead of",
        ),
        (lambda tokens: ["<blank>", *tokens[:-1]], "has '<blank>' at position 0"),
        (lambda tokens: [*tokens[:-2], "<sos/eos>", "<unk>"], "has '<sos/eos>' at position 12"),
        (lambda tokens: [*sorted(tokens[:-2]), *tokens[-2:]], "has '10' at position 2"),
        (lambda tokens: tokens[:-1], "has '11' at position 11 instead of '<unk>'"),
    ],
    ids=["exchanged", "blank", "ends", "sorted", "short"],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_source_token_list_of_other_ids_is_refused(parts, tmp_path, change, message, as_file):
    """By ESPnet's own build_model, which training and decoding call."""
    from espnet2.tasks.mt import MTTask

    tokens = change((parts.codebook / "tokens.txt").read_text().split())
    (tmp_path / "tokens.txt").write_text("\n".join(tokens) + "\n")
    given = str(tmp_path / "tokens.txt") if as_file else tokens
    args = Namespace(frontend="entropy", frontend_conf={}, src_token_list=given)
    with pytest.raises(ValueError, match=message + ".*give the tokens.txt of the codebook"):
        MTTask.build_model(args)


def test_a_unit_lm_of_other_ids_is_refused(parts, tmp_path):
    shutil.copytree(parts.checkpoint.parent, tmp_path / "lm")
    config = read_yaml(tmp_path / "lm/config.yaml")
    config["token_list"][:2] = "1", "0"
    write_yaml(tmp_path / "lm/config.yaml", config)
    with pytest.raises(ValueError, match="config.yaml: token_list has '1' at position 0"):
        load_trained_lm(tmp_path / "lm" / parts.checkpoint.name)


@pytest.mark.parametrize("task", ["s2t", "s2t_ctc"])
def test_s2t_is_refused(task):
    choices = importlib.import_module(f"espnet2.tasks.{task}").frontend_choices
    build = choices.get_class("entropy")
    with pytest.raises(ValueError, match="frontend: entropy does not work with ESPnet's S2T tasks"):
        build(bundle="exp/bundle", num_units=200)


# The MT frontend

SOS = tiny.NUM_UNITS + 1


def mt_frontend(parts, **conf):
    torch.manual_seed(0)
    return UnitTextFrontend(
        tiny.NUM_UNITS + 2, bundle=str(parts.bundle), **(AGGREGATOR | conf)
    ).eval()


def source(*rows):
    """As ESPnet's MT model makes it: <sos/eos> in front, and behind as padding."""
    rows = [torch.tensor([SOS, *row]) for row in rows]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=SOS)
    return padded, torch.tensor([len(row) for row in rows])


@pytest.mark.parametrize(
    "conf, expected",
    [
        (dict(), [3, 1]),
        (dict(segmenter="dense"), [6, 2]),
        (dict(segmenter="fixed", rate=25), [3, 1]),
        (dict(segmenter="uniform", rate=25), [3, 1]),
        (dict(max_segment=2), [4, 1]),
    ],
    ids=["dedup", "dense", "fixed", "uniform", "max-segment"],
)
def test_segments_of_source_text(parts, conf, expected):
    model = mt_frontend(parts, **conf)
    vectors, lengths = model(*source([5, 5, 5, 0, 0, 7], [3, 3]))
    assert lengths.tolist() == expected
    assert vectors.shape == (2, expected[0], 16) and model.output_size() == 16
    alone, _ = model(*source([3, 3]))
    torch.testing.assert_close(vectors[1:, : expected[1]], alone)


@pytest.mark.parametrize("segmenter", ["global", "relative", "combined", "peaks", "dp", "none"])
def test_segmenters_that_read_entropies_are_refused(parts, segmenter):
    with pytest.raises(ValueError, match="reads entropies.* dense, dedup, fixed, uniform, random"):
        mt_frontend(parts, segmenter=segmenter, rate=15)


def test_min_rate_is_refused(parts):
    with pytest.raises(ValueError, match="min_rate 5 Hz adds the frames of highest entropy"):
        mt_frontend(parts, min_rate=5)


@pytest.mark.parametrize(
    "batch, message",
    [
        (torch.tensor([[1, 2, 3]]), r"expected <sos/eos>, which is 13"),
        (torch.tensor([[13.0, 2.0, 3.0]]), r"\(1, 3\), torch.float32; expected"),
        (torch.tensor([[[13, 2], [3, 2]]]), r"\(1, 2, 2\), torch.int64; expected"),
        (torch.tensor([[13, 12, 3]]), r"unit ids lie in \[3, 12\], but the codebook has 12"),
        (torch.tensor([[13, 13, 3]]), r"unit ids lie in \[3, 13\], but the codebook has 12"),
    ],
    ids=["no-sos", "float", "3-d", "unk", "patch"],
)
def test_other_source_is_refused(parts, batch, message):
    with pytest.raises(ValueError, match=message):
        mt_frontend(parts)(batch, torch.tensor([batch.shape[1]]))


def test_another_token_list_is_refused(parts):
    with pytest.raises(ValueError, match=f"num_units is 28, but .* has {tiny.NUM_UNITS}"):
        UnitTextFrontend(30, bundle=str(parts.bundle))


def test_units_of_others_need_no_bundle(parts, tmp_path):
    alone = UnitTextFrontend(tiny.NUM_UNITS + 2, unit_init="random", **AGGREGATOR)
    assert alone(*source([5, 5, 1]))[1].tolist() == [2]
    with pytest.raises(ValueError, match="give frontend_conf.bundle"):
        UnitTextFrontend(tiny.NUM_UNITS + 2, **AGGREGATOR)(*source([5, 5, 1]))

    trained = mt_frontend(parts)
    decoding = UnitTextFrontend(
        tiny.NUM_UNITS + 2, bundle=str(tmp_path / "gone"), **AGGREGATOR
    ).eval()
    decoding.load_state_dict(trained.state_dict())
    assert torch.equal(decoding(*source([5, 5, 1]))[0], trained(*source([5, 5, 1]))[0])


def test_mt_takes_the_number_of_units_that_its_tokens_say(parts):
    assert mt_frontend(parts, num_units=tiny.NUM_UNITS).speech.encoder.num_units == tiny.NUM_UNITS
    with pytest.raises(ValueError, match="num_units does not fit a source token list of"):
        mt_frontend(parts, num_units=tiny.NUM_UNITS + 1)
