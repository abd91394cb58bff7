"""Commands that dump and merge: each ends with one line of error, or does its work."""

import numpy as np
import soundfile
import tiny
import yaml
from table import case, cases, ends_with, written

from espnet_entropy.bin import dump_entropies, dump_units, merge_shards
from espnet_entropy.data import kaldi
from espnet_entropy.data.shards import shard_paths, write_shard

# dump_units: the table of recordings, and the options


def units_of(folder, parts, **options):
    given = dict(wav_scp=parts.wav_scp, codebook=parts.codebook, output=folder / "units")
    ends_with(dump_units, **given | options)
    return kaldi.read_table(shard_paths(folder / "units", 1)[1])


@cases(
    "dump_units: recordings, ",
    ("latin-1", "utt-ä x.wav\n".encode("latin-1"), r"w\.scp is not UTF-8"),
    ("an utterance twice", b"utt-a x\nutt-a y\n", r"w\.scp, line 2: utt-a occurs a second time"),
    ("a table", b"utt-a {folder}/w.scp\n", r"utt utt-a: .*w\.scp cannot be decoded"),
    ("ids not ASCII", "日本 {data}/utt-a.wav\né {data}/utt-b.wav\n".encode(), None),
    ("unsorted", b"utt-b {data}/utt-b.wav\nutt-a {data}/utt-a.wav\n", None),
    ("CRLF and tabs", b"utt-a\t{data}/utt-a.wav\r\nutt-b\t{data}/utt-b.wav\r\n", None),
    ("slashes in ids", b"a/../b {data}/utt-a.wav\n", None),
)
def _(folder, parts, content):
    content = content.replace(b"{data}", str(parts.data).encode())
    written(folder / "w.scp", content.replace(b"{folder}", str(folder).encode()))
    try:
        utts = list(units_of(folder, parts, wav_scp=folder / "w.scp"))
    except ValueError:
        assert not shard_paths(folder / "units", 1)[1].exists()
        raise
    assert utts == sorted(kaldi.read_table(folder / "w.scp"))


@cases(
    "dump_units: sound, ",
    ("silence", np.zeros(8000), None),
    ("clipped", np.sign(tiny.wave(1, 0.5)), None),
    ("shorter than a frame", np.zeros(100), r"utt utt-a: .*too short for one frame of mfcc; leave"),
    ("no samples", np.zeros(0), r"utt utt-a: .*a\.wav .*(cannot be decoded|holds no)"),
    ("NaN", np.full(8000, np.nan), r"utt utt-a: .*a\.wav holds NaN"),
)
def _(folder, parts, samples):
    soundfile.write(folder / "a.wav", samples, 16000, subtype="FLOAT")
    scp = written(folder / "w.scp", f"utt-a {folder}/a.wav\n")
    table = units_of(folder, parts, wav_scp=scp)
    assert len(kaldi.read_matrix(table["utt-a"])) == 25


@case("dump_units: a broken recording, max_failed_utts", None)
def _(folder, parts):
    scp = written(folder / "w.scp", f"utt-0 none.wav\nutt-a {parts.data}/utt-a.wav\n")
    assert list(units_of(folder, parts, wav_scp=scp, max_failed_utts=1)) == ["utt-a"]


@cases(
    "dump_units: ",
    ("shard 3 of 2", dict(shard=3, num_shards=2), "shard 3 is not between 1 and 2"),
    ("a device that is not there", dict(device="foo"), "device 'foo' cannot be used.*cpu"),
    ("no codebook", dict(codebook="none"), "none/codebook.safetensors is no codebook.*learn it"),
    ("a folder of a device", dict(output="/dev/null/x"), "/dev/null/x"),
)
def _(folder, parts, options):
    units_of(folder, parts, **options)


# dump_entropies: units that are none, and unit LMs

UNITS = [
    ("a matrix", np.ones((4, 2), np.float32)),
    ("floats", np.ones(4, np.float32)),
    ("below zero", np.full(4, -1, np.int32)),
    ("at K", np.full(4, tiny.NUM_UNITS, np.int32)),
    ("none", np.zeros(0, np.int32)),
]


def entropies_of(folder, parts, **options):
    given = dict(units_scp=parts.units / "units.scp", codebook=parts.codebook)
    given |= dict(unit_lm=parts.checkpoint, output=folder / "dump")
    ends_with(dump_entropies, **given | options)


@cases(
    "dump_entropies: units, ",
    *UNITS,
    message="utt utt-x: .*(int32|unit ids lie|nothing to predict)",
)
def _(folder, parts, units):
    write_shard(folder / "units", 1, [("utt-x", units)])
    entropies_of(folder, parts, units_scp=shard_paths(folder / "units", 1)[1])


@case("dump_entropies: an ark that is gone", r"utt utt-x: none\.ark:5 cannot be read.*dump again")
def _(folder, parts):
    entropies_of(folder, parts, units_scp=written(folder / "u.scp", "utt-x none.ark:5\n"))


def lm_with(folder, parts, checkpoint=None, **changes):
    """The tiny LM's folder with another checkpoint, or other keys in its config; None: removed."""
    config = yaml.safe_load((parts.checkpoint.parent / "config.yaml").read_text()) | changes
    config = {key: value for key, value in config.items() if value is not None}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return written(folder / "lm.pth", checkpoint or parts.checkpoint.read_bytes())


@cases(
    "dump_entropies: a unit LM's config, ",
    ("no lm_conf", dict(lm_conf=None)),
    ("no tokens", dict(token_list=[])),
    ("of another kind", dict(lm="transformer")),
    ("an unknown key", dict(lm_conf=dict(rope=1))),
    ("heads that do not divide", dict(lm_conf=dict(hidden_size=16, num_heads=5))),
    ("a word for a number", dict(lm_conf=dict(num_layers="two"))),
    ("an odd context", dict(lm_conf=dict(context=7))),
    message=r"config\.yaml|was trained",
)
def _(folder, parts, changes):
    entropies_of(folder, parts, unit_lm=lm_with(folder, parts, **changes))


@cases(
    "dump_entropies: a checkpoint, ",
    ("words", b"no checkpoint"),
    ("cut off", None),
    ("a pickle that writes a file", b"cos\nsystem\n(S'touch witness'\ntR."),
    message=r"lm\.pth cannot be read as weights alone",
)
def _(folder, parts, content):
    content = content or parts.checkpoint.read_bytes()[:3000]
    entropies_of(folder, parts, unit_lm=lm_with(folder, parts, content))


# merge_shards: text and speakers against recordings


@cases(
    "merge_shards: ",
    ("good", {}, None),
    ("text for one more", dict(text="utt0 a\nutt1 b\nutt9 c\n"), None),
    ("no text file", dict(text=None), None),
    ("text without words", dict(text="utt0\nutt1 b\n"), None),
    ("text for one less", dict(text="utt0 a\n"), r"text lacks 1 utterances \(utt1"),
    ("no speaker file", dict(utt2spk=None), "utt2spk cannot be read"),
    ("a speaker for one less", dict(utt2spk="utt0 s\n"), "utt2spk lacks 1 utterances"),
    ("no speaker behind one", dict(utt2spk="utt0 s\nutt1\n"), "utt2spk: utt1 has no speaker"),
    ("two words behind one", dict(utt2spk="utt0 s\nutt1 s m\n"), "utt1 has the speaker 's m', but"),
    ("a translation for one less", {"text.tc": "utt0 a\n"}, r"text\.tc lacks 1 utterances"),
    ("one recording more than expected", dict(expect="utt0 x\n"), r"1 are not in the data \(utt1"),
    ("no table to expect", dict(expect=None), "expect cannot be read"),
)
def _(folder, parts, changes):
    given = dict(text="utt0 a\nutt1 b\n", utt2spk="utt0 s\nutt1 s\n", expect="utt0 x\nutt1 y\n")
    (folder / "data").mkdir()
    for name, content in (given | changes).items():
        if content is not None:
            written(folder / "data" / name, content)
    matrix = np.ones((3, 2), np.float32)
    write_shard(folder / "d", 1, [("utt0", matrix), ("utt1", matrix)])
    try:
        paths = dict(output=folder / "d", data=folder / "data")
        ends_with(merge_shards, expect=folder / "data/expect", **paths)
    except ValueError:
        # ESPnet knows a set by this file.
        assert not (folder / "d/wav.scp").exists()
        raise
    assert list(kaldi.read_table(folder / "d/wav.scp")) == ["utt0", "utt1"]


@case("merge_shards: no shards", "num_shards is 0")
def _(folder, parts):
    ends_with(merge_shards, output=folder, num_shards=0, expect=written(folder / "e", "utt0 x\n"))
