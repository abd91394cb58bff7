"""Recordings by name: segments, channels, sounds in arks, lists, and entries that are not files."""

import shutil

import kaldiio
import numpy as np
import soundfile
import tiny
from dump_cases import units_of
from table import case, cases, ends_with, written

from espnet_entropy.bin import convert_labels, merge_shards, tokenize_recordings, transcribe
from espnet_entropy.data import kaldi

# Segments: utt-a is 1.3 s long, utt-b 0.7 s


@cases(
    "segments: ",
    ("two of a recording", "x utt-a 0.2 0.8\ny utt-a 0.8 1.3\n", None),
    ("one called as its recording", "utt-a utt-a 0.5 1\n", None),
    ("to the end of a recording", "x utt-a 0.5 -1\n", None),
    ("an end 0.4 s late", "x utt-a 0.5 1.7\n", None),
    ("tabs, CRLF", "x\tutt-a\t0.5\t1\r\ny\tutt-b\t0\t0.5\r\n", None),
    ("an unknown recording", "x utt-a 0 1\ny none 0 1\n", "segments, line 2: .*no recording none"),
    ("no times", "x utt-a\n", r"segments, line 1: 'utt-a' is not `recording start end`"),
    ("a negative end", "x utt-a 0.5 -2\n", "segments, line 1: 0.5 to -2 s is not a part"),
    ("NaN", "x utt-a nan 1\n", "segments, line 1: nan to 1 s is not a part"),
    ("an endless one", "x utt-a 0 inf\n", "segments, line 1: 0 to inf s is not a part"),
    ("an end 0.6 s late", "x utt-a 0.5 1.9\n", "utt x: .*0.5 to 1.9 s .*utt-a.wav, which is 1.3"),
    ("a start behind the end", "x utt-b 0.8 -1\n", "utt x: .*utt-b.wav, which is 0.70 s.*correct"),
    ("shorter than a frame", "x utt-b 0.1 0.101\n", "utt x: .*too short for one frame"),
    ("empty", "", "segments is empty; remove it"),
)
def _(folder, parts, content):
    shutil.copy(parts.wav_scp, folder / "wav.scp")
    written(folder / "segments", content)
    utts = list(units_of(folder, parts, wav_scp=folder / "wav.scp"))
    assert utts == list(kaldi.read_table(folder / "segments"))


@case("segments: made after the shards", "1 utterances are missing .*remove")
def _(folder, parts):
    shutil.copy(parts.wav_scp, folder / "wav.scp")
    units_of(folder, parts, wav_scp=folder / "wav.scp")
    written(folder / "segments", "x utt-a 0 1\n")
    ends_with(merge_shards, output=folder / "units", expect=folder / "wav.scp")


# Channels


@cases(
    "channels: ",
    ("0", dict(channel=0), "a file A\nb file B\n", "utt a: .*two.wav has 2 channels, and no chan"),
    ("3 of 2 in a table", {}, "a file 3\nb file 1\n", "utt a: .*has 2 channels, and no channel 3"),
    ("a word", {}, "a file left\n", "reco2file_and_channel, line 1: 'file left' is not `file ch"),
    ("none in a table", {}, "a file\n", "reco2file_and_channel, line 1: 'file' is not `file ch"),
    ("of one less in a table", {}, "a file A\n", "reco2file_and_channel has no line for b"),
)
def _(folder, parts, options, table):
    soundfile.write(folder / "two.wav", np.stack([tiny.wave(1, 0.5)] * 2, 1), 16000)
    kaldi.write_table(folder / "wav.scp", dict.fromkeys("ab", folder / "two.wav"))
    written(folder / "reco2file_and_channel", table)
    units_of(folder, parts, wav_scp=folder / "wav.scp", **options)


# Arks

INT16 = (10_000 * tiny.wave(3, 0.5)).astype(np.int16)
FLAC = dict(write_function="soundfile", write_kwargs=dict(format="flac"))


def ark_table(folder, sound=(16000, INT16), **options):
    kaldiio.save_ark(f"{folder}/w.ark", {"a": sound}, scp=f"{folder}/wav.scp", **options)
    return folder / "wav.scp"


class Witness:
    """Its pickle makes a file if it is executed."""

    def __init__(self, folder):
        self.path = f"{folder}/witness"

    def __reduce__(self):
        return open, (self.path, "w")


def cut_off(folder, **options):
    scp = ark_table(folder, **options)
    written(folder / "w.ark", (folder / "w.ark").read_bytes()[:-100])
    return scp


def with_entry(folder, entry, **options):
    ark_table(folder, **options)
    return written(folder / "wav.scp", f"a {entry.format(folder)}\n")


@cases(
    "sound arks: ",
    ("a matrix", lambda f: ark_table(f, np.ones((5, 2), np.float32)), "utt a: .*holds no sound"),
    ("an array", lambda f: ark_table(f, INT16, write_function="numpy"), "utt a: .*holds no sound"),
    ("a pickle", lambda f: ark_table(f, Witness(f), write_function="pickle"), "utt a: .*no sound"),
    ("text", lambda f: ark_table(f, np.ones(5), text=True), "utt a: .*holds no sound"),
    ("cut off", cut_off, r"utt a: .*w\.ark:2 is truncated"),
    ("flac.ark, cut off", lambda f: cut_off(f, **FLAC), r"utt a: .*w\.ark:2 is truncated"),
    ("another offset", lambda f: with_entry(f, "{}/w.ark:3"), r"w\.ark:3 holds no sound"),
    ("behind the end", lambda f: with_entry(f, "{}/w.ark:999999"), "w.ark:999999 holds no sound"),
    ("no such ark", lambda f: with_entry(f, "{}/none.ark:2"), "utt a: there is no file .*none.ark"),
    ("a range", lambda f: with_entry(f, "{}/w.ark:2[0:9]"), "is a range .*use a segments file"),
    ("without an offset", lambda f: with_entry(f, "{}/w.ark"), r"w\.ark cannot be decoded"),
)
def _(folder, parts, make):
    units_of(folder, parts, wav_scp=make(folder))


# Errors of tokenize and transcribe for tables and lists whose entries are not files

ENTRIES = [
    ("a pipe", "touch {folder}/witness |", "a: 'touch .*' is a shell command; it is not run"),
    ("an address", "http://127.0.0.1:9/a.wav", "a: http.* is an address.*download the file"),
    ("no path", "", r"a: no sound file is given.*wav\.scp"),
    ("two files", "{data}/utt-a.wav {data}/utt-b.wav", "a: .* has 2 columns.*one sound file"),
    ("a file and its length", "{data}/utt-a.wav 1.3", "a: .* has 2 columns.*remove other columns"),
    ("a missing file", "none.wav", "a: there is no file none.wav"),
    ("an ark that is missing", "none.ark:12", "a: there is no file none.ark"),
    ("a matrix's ark", "{units}:4", "a: .*holds no sound"),
    ("a folder", "{data}", "a: .* is a folder; give a sound file"),
]


def scp_of(entry, folder, parts):
    ark = kaldi.read_table(parts.units / "units.scp")["utt-a"].partition(":")[0]
    entry = entry.format(folder=folder, data=parts.data, units=ark)
    return written(folder / "wav.scp", f"a {entry}\n")


def tokenize(folder, parts, *words, **options):
    output = folder / "units.txt"
    ends_with(tokenize_recordings, *words, bundle=parts.bundle, output=output, **options)
    return [line.split()[0] for line in output.read_text().splitlines()]


@cases("entries: tokenize, ", *ENTRIES)
def _(folder, parts, entry):
    tokenize(folder, parts, wav_scp=scp_of(entry, folder, parts))


@cases("entries: dump_units, ", *((name, entry, f"utt {said}") for name, entry, said in ENTRIES))
def _(folder, parts, entry):
    units_of(folder, parts, wav_scp=scp_of(entry, folder, parts))


# transcribe opens an ark after it has loaded the model
@cases("entries: transcribe, ", *(row for row in ENTRIES if row[0] != "a matrix's ark"))
def _(folder, parts, entry):
    model = dict(model_config=folder / "config.yaml", model_file=folder / "m.pth")
    ends_with(transcribe, wav_scp=scp_of(entry, folder, parts), **model)


# Lists


@cases(
    "lists: ",
    ("CRLF and an empty line", "{data}/utt-a.wav\r\n\r\n{data}/utt-b.wav\r\n", None),
    ("no line end", "{data}/utt-a.wav", None),
    ("empty", "\n", "has no recordings"),
    ("a byte order mark", "\ufeff{data}/utt-a.wav\n", "list, line 1: byte order mark"),
    ("a missing file", "{data}/utt-a.wav\nnone.wav\n", "none.wav: there is no file"),
    ("a file twice", "{data}/utt-a.wav\n{data}/utt-b.wav\n{data}/utt-a.wav\n", "is given twice"),
    ("a Kaldi table", "utt-a {data}/utt-a.wav\n", "there is no file utt-a .*/utt-a.wav"),
)
def _(folder, parts, content):
    path = written(folder / "list", content.format(data=parts.data))
    names = tokenize(folder, parts, list=path)
    assert names == [f"{parts.data}/utt-a.wav", f"{parts.data}/utt-b.wav"][: len(names)]


# Label files of other toolkits


@cases(
    "labels: ",
    ("textless-nlp's", "a|7 7 7\n", dict(format="textless"), None),
    ("fairseq's", "7 7 7\n", dict(format="km", names="a\n"), None),
    ("textless-nlp's, not named", "a|7 7 7\n", {}, "begins with 'a.7', as textless-nlp's do"),
    ("fairseq's, not named", "7 7 7\n7 8\n", {}, "only numbers as names.*--format km --names"),
    ("a table with commas", "a,7 7 7\n", {}, "begins with 'a,7', as tables with commas do"),
    ("fairseq's, without names", "7\n8\n", dict(format="km"), "--format km and --names belong"),
)
def _(folder, parts, content, options):
    if "names" in options:
        options = options | dict(names=written(folder / "names", options["names"]))
    labels = written(folder / "labels", content)
    output = folder / "units"
    ends_with(convert_labels, "import", labels=labels, num_units=9, output=output, **options)
    (entry,) = kaldi.read_table(output / "units.scp").values()
    assert kaldi.read_matrix(entry).tolist() == [7, 7, 7]
