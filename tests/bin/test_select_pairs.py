"""A dump's utterances with a translation, as a folder for ESPnet's speech translation."""

import pytest
import tiny

from espnet_entropy.bin import select_pairs
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.data.shards import UNIT_LM_HASH
from espnet_entropy.espnet import stock_recipe


@pytest.fixture
def data(tmp_path):
    """Translations of three of the five utterances; one of them is empty, one in another script."""
    folder = tmp_path / "data"
    folder.mkdir()
    texts = {"utt-a": "Uno, dos.", "utt-c": "", "utt-d": "Один", "utt-e": "¿Dos? Tres."}
    write_table(folder / "text.tc.es", texts)
    return folder


def call(parts, data, output, **options):
    paths = dict(dump=parts.dump, data=data, output=output)
    tiny.command(select_pairs, **(paths | dict(src_lang="en", tgt_lang="es") | options))


def test_a_folder_of_pairs(parts, data, tmp_path, capsys):
    output = tmp_path / "en-es" / "all"
    call(parts, data, output)
    assert "2 utterances with a translation, 1 empty text in es" in capsys.readouterr().out
    kept = ["utt-a", "utt-e"]
    assert read_table(output / "text.tc.es") == {"utt-a": "Uno, dos.", "utt-e": "¿Dos? Tres."}
    assert read_table(output / "left_out") == {
        "utt-b": "no text in es",
        "utt-c": "empty text in es",
        "utt-d": "not in the script of es: Один",
    }
    spoken = read_table(parts.dump / "text")
    assert read_table(output / "text.lc.rm.en") == {utt: spoken[utt] for utt in kept}
    for name in ("wav.scp", "utt2spk", "utt2num_samples"):
        assert list(read_table(output / name)) == kept
    assert read_table(output / "spk2utt") == {"spka": "utt-a", "spke": "utt-e"}
    # It is a dump: of the same arks, with the same codebook.
    whole = {utt: units.tolist() for utt, units, _ in read_dump(parts.dump)}
    assert [(utt, units.tolist()) for utt, units, _ in read_dump(output)] == [
        (utt, whole[utt]) for utt in kept
    ]
    assert origin_of_dump(output) == origin_of_dump(parts.dump) != Origin()


def test_the_hash_of_the_unit_lm_is_copied_too(parts, data, tmp_path):
    dump = tiny.own_dump(parts, tmp_path / "dump")
    (dump / UNIT_LM_HASH).write_text(64 * "1" + "\n")
    call(parts, data, tmp_path / "pairs", dump=dump)
    assert origin_of_dump(tmp_path / "pairs").unit_lm == 64 * "1"


def test_what_a_stock_recipe_looks_for_is_there(parts, data, tmp_path):
    output = tmp_path / "dump" / "raw" / "all"
    call(parts, data, output)
    needed = [*stock_recipe.TABLES, "text.tc.es", "text.lc.rm.en"]
    problems = stock_recipe.set_problems(output, needed, output.parent, tiny.NUM_UNITS)
    assert list(problems) == []


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(tgt_lang="it"), "text.tc.it is missing; .* has translations into: es"),
        (dict(tgt_lang="ru"), "none of the 5 utterances .*: 4 no text in ru"),
        (dict(dump="/nope"), "/nope/text"),
    ],
)
def test_refused(parts, data, tmp_path, options, message):
    write_table(data / "text.tc.ru", {"utt-a": "one"})
    with pytest.raises(SystemExit, match=message):
        call(parts, data, tmp_path / "pairs", **options)
    assert not (tmp_path / "pairs" / "wav.scp").exists()


def test_the_dump_itself_is_no_output(parts, data):
    before = (parts.dump / "wav.scp").read_bytes()
    with pytest.raises(SystemExit, match="name another output"):
        call(parts, data, parts.dump / ".")
    assert (parts.dump / "wav.scp").read_bytes() == before
