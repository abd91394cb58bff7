"""Tables, YAML, arks, dumps and their shards."""

import pickle

import kaldiio
import numpy as np
from table import case

from espnet_entropy.data import dump, kaldi
from espnet_entropy.data.shards import merge_shards, write_shard

# Tables

TABLES = {
    "missing": (None, "t.scp cannot be read"),
    "latin-1": ("ä b\n".encode("latin-1"), "t.scp is not UTF-8"),
    "utf-16": ("a b\n".encode("utf-16"), "t.scp is not UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbfa 1\n", "t.scp, line 1: byte order mark; save.*without"),
    "binary": (b"\xff\xfe\x00\x01", "t.scp is not UTF-8"),
    "a key twice": (b"a 1\nb 2\na 3\n", "t.scp, line 3: a occurs a second time"),
    "an empty line": (b"a 1\n\nb 2\n", "t.scp, line 2: empty line"),
    "blanks alone": (b"a 1\n  \n", "t.scp, line 2: empty line"),
    "empty": (b"", None),
    "no value": (b"a\n", None),
    "tabs": (b"a\t1\n", None),
    "CRLF": (b"a 1\r\nb 2\r\n", None),
    "no line end": (b"a 1", None),
    "unsorted": (b"b 1\na 2\n", None),
    "not ASCII": ("é 1\n日本 2\n".encode(), None),
    "long lines": (b"a " + b"x" * 100_000 + b"\n", None),
}
for _name, (_content, _message) in TABLES.items():

    @case(f"table: {_name}", _message)
    def _(folder, parts, content=_content):
        if content is not None:
            (folder / "t.scp").write_bytes(content)
        table = kaldi.read_table(folder / "t.scp")
        assert all(not value.endswith("\r") for value in table.values())


@case("table: a folder", "t.scp cannot be read")
def _(folder, parts):
    (folder / "t.scp").mkdir()
    kaldi.read_table(folder / "t.scp")


# YAML

YAMLS = {
    "missing": (None, "x.yaml cannot be read"),
    "empty": (b"", "x.yaml is not a mapping"),
    "a list": (b"- 1\n- 2\n", "x.yaml is not a mapping"),
    "a word": (b"words\n", "x.yaml is not a mapping"),
    "latin-1": ("a: ä\n".encode("latin-1"), "x.yaml cannot be read"),
    "a tab": (b"a:\n\t- b\n", "x.yaml cannot be read"),
    "cut off": (b"a: [1, 2\n", "x.yaml cannot be read"),
    "code": (b"a: !!python/object/apply:os.getcwd []\n", "x.yaml cannot be read"),
    "zeros": (bytes(50), "x.yaml cannot be read"),
    "nested too deep": (5000 * b"[", "x.yaml cannot be read"),
    "a byte order mark": (b"\xef\xbb\xbfa: 1\n", None),
}
for _name, (_content, _message) in YAMLS.items():

    @case(f"YAML: {_name}", _message)
    def _(folder, parts, content=_content):
        if content is not None:
            (folder / "x.yaml").write_bytes(content)
        kaldi.read_yaml(folder / "x.yaml")


# Arks


def ark(folder, array):
    kaldiio.save_ark(str(folder / "a.ark"), {"utt": array})
    return f"{folder}/a.ark:4"


for _cut in (1, 10, 100, 200, -6):

    @case(f"ark: cut off by {_cut}", r"a\.ark:4 cannot be read.*make this dump again")
    def _(folder, parts, cut=_cut):
        entry = ark(folder, np.ones((30, 2), np.float32))
        content = (folder / "a.ark").read_bytes()
        (folder / "a.ark").write_bytes(content[: len(content) - cut if cut > 0 else -cut])
        kaldi.read_matrix(entry)


ENTRIES = {
    "no offset": ("{}/a.ark", "cannot be read"),
    "a wrong offset": ("{}/a.ark:7", "a.ark:7 cannot be read"),
    "an offset behind the end": ("{}/a.ark:99999", "a.ark:99999 cannot be read"),
    "a negative offset": ("{}/a.ark:-3", "a.ark:-3 cannot be read"),
    "a word for an offset": ("{}/a.ark:x", "a.ark:x cannot be read"),
    "another file": ("{}/b.ark:4", "b.ark:4 cannot be read"),
    "a folder": ("{}:4", "cannot be read"),
    "a shell command": ("touch {}/witness |", "is a shell command"),
    "a shell command with a slice": ("touch {}/witness |[0:3]", "is a shell command"),
    "nothing": ("", "cannot be read"),
}
for _name, (_entry, _message) in ENTRIES.items():

    @case(f"ark entry: {_name}", _message)
    def _(folder, parts, entry=_entry):
        ark(folder, np.ones((30, 2), np.float32))
        kaldi.read_matrix(entry.format(folder))


CONTENTS = {
    "a pickle": pickle.dumps({"a": 1}),
    "text": b" [\n 1 2\n 3 4 ]\n",
    "sound": b"RIFF" + bytes(60),
    "zeros": bytes(60),
    "a compressed matrix": b"\0BCM " + bytes(60),
    "numpy": b"NPY\x93NUMPY" + bytes(60),
}
for _name, _content in CONTENTS.items():

    @case(f"ark content: {_name}", r"a\.ark:0 cannot be read")
    def _(folder, parts, content=_content):
        (folder / "a.ark").write_bytes(content)
        kaldi.read_matrix(f"{folder}/a.ark:0")


# Dumps


def dumped(folder, *arrays, **tables):
    entries = write_shard(folder, 1, [(f"utt{n}", array) for n, array in enumerate(arrays)])
    kaldi.write_table(folder / "wav.scp", {utt: entry.where for utt, entry in entries.items()})
    return folder


GOOD = np.array([[1, 0.5], [2, 1.5]], np.float32)
MATRICES = {
    "three columns": np.ones((5, 3), np.float32),
    "a vector": np.ones(5, np.float32),
    "units alone": np.ones(5, np.int32),
    "NaN": np.array([[1, np.nan]], np.float32),
    "infinite": np.array([[1, np.inf]], np.float32),
    "halves of units": np.array([[1.5, 0.1]], np.float32),
}
for _name, _matrix in MATRICES.items():

    @case(f"dump: {_name}", "utt utt1: ")
    def _(folder, parts, matrix=_matrix):
        list(dump.read_dump(dumped(folder, GOOD, matrix)))


@case("dump: empty", "is empty")
def _(folder, parts):
    dump.load_padded_dump(dumped(folder))


@case("dump: an utterance that is not there", "has no utterance utt9")
def _(folder, parts):
    list(dump.read_dump(dumped(folder, GOOD), ["utt9"]))


@case("dump: recordings without text", r"text lacks 1 utterances \(utt1")
def _(folder, parts):
    kaldi.write_table(folder / "data/utt2spk", {"utt0": "a", "utt1": "a"})
    kaldi.write_table(folder / "data/text", {"utt0": "words"})
    table = write_shard(folder / "d", 1, [("utt0", GOOD), ("utt1", GOOD)])
    dump.write_espnet_layout(folder / "d", table, folder / "data")


@case("dump: text without recordings", None)
def _(folder, parts):
    names = {"utt0": "a", "utt1": "a"}
    for name in ("utt2spk", "text"):
        kaldi.write_table(folder / "data" / name, names)
    table = write_shard(folder / "d", 1, [("utt0", GOOD)])
    dump.write_espnet_layout(folder / "d", table, folder / "data")
    assert list(kaldi.read_table(folder / "d/text")) == ["utt0"]


@case("dump: no speakers", "utt2spk cannot be read")
def _(folder, parts):
    kaldi.write_table(folder / "data/text", {"utt0": "words"})
    table = write_shard(folder / "d", 1, [("utt0", GOOD)])
    dump.write_espnet_layout(folder / "d", table, folder / "data")


for _name, _change, _message in (
    (
        "a shard is missing",
        lambda f: (f / "shards/units.1.scp").unlink(),
        r"units\.1\.scp is missing",
    ),
    ("its shapes are missing", lambda f: (f / "shards/units.1.shape").unlink(), r"units\.1\.shape"),
    (
        "its ark is missing",
        lambda f: (f / "shards/units.1.ark").unlink(),
        r"units\.1\.ark:\d+ cannot",
    ),
    ("its ark is empty", lambda f: (f / "shards/units.1.ark").write_bytes(b""), "cannot be read"),
    (
        "its table is empty",
        lambda f: (f / "shards/units.1.scp").write_text(""),
        "1 utterances are missing",
    ),
):

    @case(f"shard: {_name}", _message)
    def _(folder, parts, change=_change):
        write_shard(folder, 1, [("utt0", GOOD)])
        change(folder)
        merge_shards(folder, 1, ["utt0"])
