"""The count of utterances with too few segments for CTC."""

import sys

import pytest
import tiny
import torch
from espnet2.asr.encoder.transformer_encoder import Conv2dSubsampling, TransformerEncoder

from espnet_entropy.bin import check_ctc
from espnet_entropy.data.kaldi import read_table, read_yaml, write_table, write_yaml
from espnet_entropy.espnet import ctc

# The module of these classes moved in ESPnet 202609.
subsampling = sys.modules[Conv2dSubsampling.__module__]


@pytest.mark.parametrize(
    "labels, frames", [([], 0), ([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1], 5)]
)
def test_equal_neighbours_need_a_blank_between_them(labels, frames):
    assert ctc.ctc_frames(labels) == frames


def call(parts, folder, *options):
    return ["--dump", str(folder), "--bundle", str(parts.bundle), *options]


@pytest.fixture
def dump_with_texts(parts, tmp_path):
    """A copy of a dump's table whose texts can be changed."""
    table = read_table(f"{parts.dump}/wav.scp")
    write_table(tmp_path / "wav.scp", table)
    return tmp_path, list(table)


def config(parts, tmp_path, **model_conf):
    path = tmp_path / "config.yaml"
    content = dict(
        token_type="char",
        frontend_conf=dict(num_units=tiny.NUM_UNITS, segmenter="uniform", rate=5.0),
        encoder_conf=dict(input_layer="linear"),
        model_conf=model_conf,
    )
    write_yaml(path, content)
    return str(path)


def test_short_utterances_are_counted_and_refused(parts, dump_with_texts, capsys):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts, "a") | {utts[0]: "ab" * 500})
    arguments = call(parts, folder, "--asr_config", config(parts, folder))
    with pytest.raises(SystemExit, match="min_rate"):
        check_ctc.main([*arguments, "--max_share", "0"])
    printed = capsys.readouterr().out
    assert printed.startswith(f"1 of {len(utts)} utterances")
    assert utts[0] in printed and "1000 needed" in printed
    check_ctc.main([*arguments, "--max_share", "1"])


def test_enough_segments(parts, dump_with_texts, capsys):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts, "a"))
    check_ctc.main(call(parts, folder, "--asr_config", config(parts, folder)))
    assert capsys.readouterr().out == (
        f"0 of {len(utts)} utterances have fewer segments than CTC needs\n"
    )


def test_a_model_of_many_rates_is_counted_at_its_lowest_too(parts, dump_with_texts, capsys):
    folder, utts = dump_with_texts
    # At 5 Hz each of them has enough segments, at 1 Hz none has.
    write_table(folder / "text", dict.fromkeys(utts, "abc"))
    path = config(parts, folder)
    content = read_yaml(path)
    content["frontend_conf"]["rate_range"] = [1.0, 50.0]
    write_yaml(path, content)
    check_ctc.main([*call(parts, folder, "--asr_config", path), "--max_share", "0"])
    lowest, chosen = capsys.readouterr().out.splitlines()
    assert lowest.startswith(
        f"at 1 Hz, the lowest rate of the training: {len(utts)} of {len(utts)}"
    )
    assert chosen == f"0 of {len(utts)} utterances have fewer segments than CTC needs"


def test_a_model_without_ctc_needs_no_check(parts, dump_with_texts, capsys):
    folder, _ = dump_with_texts
    check_ctc.main(call(parts, folder, "--asr_config", config(parts, folder, ctc_weight=0.0)))
    assert "no CTC" in capsys.readouterr().out


LAYERS = ["linear", "conv1d2", "conv2d", "conv2d1", "conv2d2", "conv2d6", "conv2d8"]


@pytest.mark.parametrize("layer", LAYERS)
def test_input_layers_have_espnets_lengths(layer):
    """One utterance alone; ESPnet's encoder refuses what leaves no frame."""
    encoder = TransformerEncoder(
        32, output_size=4, attention_heads=1, linear_units=4, num_blocks=1, input_layer=layer
    ).eval()
    for segments in range(1, 60):
        expected = ctc.subsampled(segments, layer)
        speech, lengths = torch.zeros(1, segments, 32), torch.tensor([segments])
        if expected == 0:
            with pytest.raises(subsampling.TooShortUttError):
                encoder(speech, lengths)
            continue
        vectors, frames, _ = encoder(speech, lengths)
        assert vectors.shape[1] == frames.item() == expected


@pytest.mark.parametrize(
    "layer, module",
    [("conv1d1", subsampling.Conv1dSubsampling1), ("conv1d3", subsampling.Conv1dSubsampling3)],
)
def test_input_layers_of_other_encoders(layer, module):
    embed = module(32, 4, 0.0).eval()
    for segments in range(7, 60):
        vectors, mask = embed(torch.zeros(1, segments, 32), torch.ones(1, 1, segments) > 0)
        assert vectors.shape[1] == mask.sum() == ctc.subsampled(segments, layer)


def test_unknown_input_layers_are_refused(parts, dump_with_texts):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts, "a"))
    path = config(parts, folder)
    write_yaml(path, read_yaml(path) | dict(encoder_conf=dict(input_layer="conv3d")))
    with pytest.raises(SystemExit, match="error: .*input_layer is 'conv3d'; this check knows"):
        check_ctc.main(call(parts, folder, "--asr_config", path))


def test_only_the_utterances_of_keys_are_counted(parts, dump_with_texts, capsys):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts, "a") | {utts[0]: "ab" * 500})
    arguments = call(parts, folder, "--asr_config", config(parts, folder), "--max_share", "0")
    write_table(folder / "keys", dict.fromkeys(utts[1:], "100,2"))
    check_ctc.main([*arguments, "--keys", str(folder / "keys")])
    assert capsys.readouterr().out.startswith(f"0 of {len(utts) - 1} utterances")
    write_table(folder / "keys", {"utt-z": ""})
    with pytest.raises(SystemExit, match="has no utterance utt-z"):
        check_ctc.main([*arguments, "--keys", str(folder / "keys")])


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(frontend_conf=None), "has no frontend_conf with num_units"),
        (dict(frontend_conf=dict(n_fft=512)), "has no frontend_conf with num_units"),
        (dict(token_type=None), "token_type is None"),
    ],
    ids=["none", "other", "tokens"],
)
def test_models_with_another_frontend_are_refused(parts, dump_with_texts, change, message):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts, "a"))
    path = config(parts, folder)
    write_yaml(path, read_yaml(path) | change)
    with pytest.raises(SystemExit, match=f"error: .*{message}"):
        check_ctc.main(call(parts, folder, "--asr_config", path))


def test_missing_texts_are_named(parts, dump_with_texts):
    folder, utts = dump_with_texts
    write_table(folder / "text", dict.fromkeys(utts[1:], "a"))
    with pytest.raises(SystemExit, match=f"error: .*text has no utterance {utts[0]}"):
        check_ctc.main(call(parts, folder, "--asr_config", config(parts, folder)))


@pytest.mark.parametrize(
    "model_conf, counted",
    [
        (dict(asr_weight=0.3, mtlalpha=1.0), ["src"]),
        (dict(asr_weight=0.3, mtlalpha=0.3, st_mtlalpha=0.3), ["src", "tgt"]),
        (dict(asr_weight=0.3, mtlalpha=0.0), []),
        (dict(), []),
    ],
)
def test_the_losses_of_a_translation_model(parts, dump_with_texts, capsys, model_conf, counted):
    """`src`: what is said; `tgt`: its translation, which is twice too long."""
    folder, utts = dump_with_texts
    write_table(folder / "src", dict.fromkeys(utts, "a"))
    write_table(folder / "tgt", dict.fromkeys(utts, "ab" * 500))
    path = config(parts, folder, **model_conf)
    write_yaml(path, read_yaml(path) | dict(src_token_list=["a"], src_token_type="char"))
    texts = ["--src_text", f"{folder}/src", "--text", f"{folder}/tgt"]
    arguments = [*call(parts, folder, "--asr_config", path), "--max_share", "1"]
    check_ctc.main([*arguments, *texts])
    lines = capsys.readouterr().out.splitlines()
    short = {"src": f"0 of {len(utts)}", "tgt": f"{len(utts)} of {len(utts)}"}
    assert [line.split(" utterances")[0] for line in lines] == (
        [short[name] for name in counted] or ["no CTC in this model, nothing to check"]
    )
    if "src" in counted:
        with pytest.raises(SystemExit, match="--src_text"):
            check_ctc.main([*arguments, "--text", f"{folder}/tgt"])
