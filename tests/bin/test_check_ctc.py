"""The count of utterances with too few segments for CTC."""

import pytest
import tiny

from espnet_entropy.bin import check_ctc
from espnet_entropy.data import read_table, write_table, write_yaml


@pytest.mark.parametrize(
    "labels, frames", [([], 0), ([1], 1), ([1, 2, 1], 3), ([1, 1], 3), ([1, 1, 1], 5)]
)
def test_equal_neighbours_need_a_blank_between_them(labels, frames):
    assert check_ctc.ctc_frames(labels) == frames


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


def test_a_model_without_ctc_needs_no_check(parts, dump_with_texts, capsys):
    folder, _ = dump_with_texts
    check_ctc.main(call(parts, folder, "--asr_config", config(parts, folder, ctc_weight=0.0)))
    assert "no CTC" in capsys.readouterr().out
