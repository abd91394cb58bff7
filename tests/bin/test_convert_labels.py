"""convert_labels: label files as ESPnet and fairseq write them, to and from units."""

import numpy as np
import pytest
import tiny

from espnet_entropy.bin import convert_labels
from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import read_table


def to_units(folder, text, num_units=500, **options):
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    options |= dict(labels=folder / "labels.txt", num_units=num_units, output=folder / "units")
    tiny.command(convert_labels, "import", **options)
    return dict(read_units(folder / "units/units.scp"))


def test_there_and_back(tmp_path):
    text = "utt-a 12 12 7 499\nutt-b 0\nütt-c 3 3 3\n"
    units = to_units(tmp_path, text)
    assert list(units) == ["utt-a", "utt-b", "ütt-c"]
    assert units["utt-a"].dtype == np.int32 and units["utt-a"].tolist() == [12, 12, 7, 499]
    # What ESPnet's LM training takes for lengths.
    lengths = {"utt-a": "4", "utt-b": "1", "ütt-c": "3"}
    assert read_table(tmp_path / "units/text_shape") == lengths
    options = dict(units_scp=tmp_path / "units/units.scp", output=tmp_path / "again.txt")
    tiny.command(convert_labels, "export", **options)
    assert (tmp_path / "again.txt").read_text(encoding="utf-8") == text


def test_other_formats_are_read_if_they_are_named(tmp_path):
    expected = {"1-b": [7, 7, 7, 3, 3], "1-a": [0]}

    def read(text, **options):
        made = to_units(tmp_path, text, **options)
        return {utt: units.tolist() for utt, units in made.items()}

    assert read("1-b|7 7 7 3 3\n1-a|0\n", format="textless") == expected
    (tmp_path / "names").write_text("1-b\n1-a\n")
    (tmp_path / "set.tsv").write_text("/corpus\nx/1-b.flac\t16000\nx/1-a.flac\t320\n")
    for names in ("names", "set.tsv"):
        km = dict(format="km", names=tmp_path / names)
        assert read("7 7 7 3 3\n0\n", **km) == expected
    # Names that look like units are accepted if the user says that they are names.
    assert read("7 7 3\n8 0\n", format="espnet") == {"7": [7, 3], "8": [0]}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("name|7 7 7\nother 7\n", {}, "begins with 'name.7', as textless-nlp's do"),
        ("7 7 7\n7 8\n", {}, "only numbers as names.*--format km --names"),
        ("7\n", {}, "only numbers as names"),
        ("7 7\n", dict(format="km"), "--format km and --names belong together"),
        ("a 7\n", dict(names="labels.txt"), "--format km and --names belong together"),
        ("a 7\n", dict(format="textless"), "labels.txt: '' .* needs its own name"),
        ("a b|7\n", dict(format="textless"), "labels.txt: 'a b' .* needs its own name"),
        ("a|7\na|8\n", dict(format="textless"), "labels.txt: 'a' occurs twice"),
        ("7 7\n8\n", dict(format="km", names="a\n"), "names names 1 utterances, but .* 2 lines"),
        ("7 7\n8\n", dict(format="km", names="a\na\n"), "names: 'a' occurs twice"),
        ("7\n", dict(format="km", names="path\tsentence\na.mp3\thi\n"), "set.tsv, line 1: 'path"),
        ("7\n", dict(format="km", names="/corpus\na\tb\n"), "set.tsv, line 2: 'a.*samples"),
        ("7 7\n\n", dict(format="km", names="a\nb\n"), "utt b: there are no units"),
    ],
)
def test_other_formats_are_refused(tmp_path, text, options, message):
    if "\n" in options.get("names", ""):
        path = tmp_path / ("set.tsv" if "\t" in options["names"] else "names")
        path.write_text(options["names"])
        options = options | dict(names=path)
    with pytest.raises(SystemExit, match=message):
        to_units(tmp_path, text, **options)
    assert not (tmp_path / "units/units.scp").exists()


@pytest.mark.parametrize(
    "text, message",
    [
        ("utt-a 1 2\nutt-b 1 2.5\n", "utt utt-b: unit ids are whole numbers: '2.5'"),
        ("utt-a 1 two\n", "utt utt-a: unit ids are whole numbers"),
        ("utt-a 99999999999\n", "utt utt-a: unit ids are whole numbers"),
        ("utt-a\n", "utt utt-a: there are no units"),
        ("utt-a 0 500\n", r"utt utt-a: ids lie in \[0, 500\], but --num_units is 500"),
        ("utt-a 1_0 2\n", "utt utt-a: unit ids are whole numbers: '1_0'"),
        ("utt-a \u0662\n", "utt utt-a: unit ids are whole numbers"),
        ("", "labels.txt is empty"),
        ("utt-a -1\n", r"ids lie in \[-1, -1\]"),
        ("utt-a 1\nutt-a 2\n", "line 2: utt-a occurs a second time"),
    ],
)
def test_bad_labels_are_refused(tmp_path, text, message):
    with pytest.raises(SystemExit, match=message):
        to_units(tmp_path, text)
    assert not (tmp_path / "units/units.scp").exists()
