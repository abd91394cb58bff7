"""merge_shards: refusals; what it writes is checked with the commands before it."""

import shutil

import pytest
import tiny

from espnet_entropy.bin import merge_shards
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.shards import write_shard


def test_missing_shards_and_changed_data(parts, tmp_path):
    shutil.copytree(parts.units / "shards", tmp_path / "shards")
    with pytest.raises(SystemExit, match=r"error: .*units\.3\.scp is missing"):
        tiny.command(merge_shards, output=tmp_path, num_shards=3, expect=parts.wav_scp)
    write_table(tmp_path / "more.scp", read_table(parts.wav_scp) | {"utt-new": "x"})
    with pytest.raises(SystemExit, match=r"1 utterances are missing \(utt-new\)"):
        tiny.command(merge_shards, output=tmp_path, num_shards=2, expect=tmp_path / "more.scp")
    assert not (tmp_path / "units.scp").exists()


def test_entropies_need_the_data_folder(parts, tmp_path):
    shutil.copytree(parts.dump / "shards", tmp_path / "shards")
    with pytest.raises(SystemExit, match="holds matrices; give --data"):
        tiny.command(merge_shards, output=tmp_path, expect=parts.wav_scp)
    assert not (tmp_path / "wav.scp").exists()


def test_an_empty_set_is_an_error(tmp_path):
    write_table(tmp_path / "wav.scp", {})
    write_shard(tmp_path / "eval", 1, [])
    with pytest.raises(SystemExit, match="error: .*eval has no utterances"):
        tiny.command(merge_shards, output=tmp_path / "eval", expect=tmp_path / "wav.scp")
    assert [p.name for p in (tmp_path / "eval").iterdir()] == ["shards"]


def test_utterances_without_words_are_left_out_on_request(parts, tmp_path):
    shutil.copytree(parts.dump / "shards", tmp_path / "set/shards")
    shutil.copytree(parts.data, tmp_path / "data")
    texts = read_table(parts.data / "text")
    write_table(tmp_path / "data/text", texts | {"utt-b": "", "utt-d": " "})
    merge = dict(output=tmp_path / "set", expect=parts.wav_scp, data=tmp_path / "data")
    tiny.command(merge_shards, **merge)
    assert read_table(tmp_path / "set/text")["utt-b"] == ""
    assert not (tmp_path / "set/empty_texts").exists()
    tiny.command(merge_shards, **merge, skip_empty_text="true")
    for name in ("wav.scp", "text", "utt2spk", "utt2num_samples"):
        assert list(read_table(tmp_path / "set" / name)) == ["utt-a", "utt-c", "utt-e"]
    assert list(read_table(tmp_path / "set/empty_texts")) == ["utt-b", "utt-d"]
    write_table(tmp_path / "data/text", dict.fromkeys(texts, ""))
    with pytest.raises(SystemExit, match="error: .*text: no utterance has words"):
        tiny.command(merge_shards, **merge, skip_empty_text="true")
