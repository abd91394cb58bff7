"""convert_labels: label files as ESPnet and fairseq write them, to and from units."""

import numpy as np
import pytest
import tiny

from espnet_entropy.bin import convert_labels
from espnet_entropy.data import read_table
from espnet_entropy.dump import read_units


def to_units(folder, text, num_units=500):
    (folder / "labels.txt").write_text(text, encoding="utf-8")
    options = dict(labels=folder / "labels.txt", num_units=num_units, output=folder / "units")
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


def test_the_dumps_own_units(parts, tmp_path):
    output = tmp_path / "labels.txt"
    tiny.command(convert_labels, "export", units_scp=parts.units / "units.scp", output=output)
    units = to_units(tmp_path, output.read_text(), tiny.NUM_UNITS)
    expected = dict(read_units(parts.units / "units.scp"))
    assert units.keys() == expected.keys()
    assert all((units[utt] == expected[utt]).all() for utt in units)


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
        ("utt-a 1\nutt-a 2\n", "line 2: utt-a stands there twice"),
    ],
)
def test_bad_labels_are_refused(tmp_path, text, message):
    with pytest.raises(SystemExit, match=message):
        to_units(tmp_path, text)
    assert not (tmp_path / "units/units.scp").exists()
