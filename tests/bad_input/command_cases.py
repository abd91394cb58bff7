"""The other commands: calibrate, bundle, learn_codebook, dump, tokenize_recordings, transcribe."""

import json

import numpy as np
import pytest
import soundfile
import tiny
from table import case, cases, ends_with, written

from espnet_entropy.bin import (
    bundle,
    calibrate,
    convert_kmeans,
    dump,
    learn_codebook,
    score,
    score_translation,
    token_list,
    tokenize_recordings,
    transcribe,
)
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data import kaldi
from espnet_entropy.data.shards import write_shard

# calibrate


@cases(
    "calibrate: ",
    ("K below the dump's", dict(num_units=5), r"unit ids lie in \[0, 11\].*5 units"),
    ("a frame rate of zero", dict(frame_rate=0), "--frame_rate is 0, but must be positive"),
    ("a frame rate that is none", dict(frame_rate="nan"), "--frame_rate is nan"),
    ("a gap cost that is none", dict(gap_cost="nan"), "gap_cost is nan"),
    ("no dump", dict(dump="none"), r"none/wav\.scp cannot be read"),
)
def _(folder, parts, options):
    given = dict(dump=parts.dump, num_units=tiny.NUM_UNITS, output=folder / "c.yaml")
    try:
        ends_with(calibrate, **given | options)
    finally:
        assert not (folder / "c.yaml").exists()


@cases(
    "calibrate: ",
    ("one frame", np.array([[1, 0.5]], np.float32)),
    ("all entropies the same", np.ones((40, 2), np.float32)),
    message=None,
)
def _(folder, parts, matrix):
    entries = write_shard(folder, 1, [("utt", matrix)])
    kaldi.write_table(folder / "wav.scp", {"utt": entries["utt"].where})
    ends_with(calibrate, dump=folder, num_units=tiny.NUM_UNITS, output=folder / "c.yaml")
    assert kaldi.read_yaml(folder / "c.yaml")


# convert_kmeans import


@cases(
    "convert_kmeans: ",
    ("a .npy of floats", np.zeros((3, 5)), None),
    ("a .npy of integers", np.zeros((3, 5), int), r"km.npy holds int64 \(3, 5\)"),
    ("a .npy of NaN", np.full((3, 5), np.nan), "km.npy holds .*finite floats"),
    ("a .npy of objects", np.array([[None]]), "km.npy holds no centroids"),
)
def _(folder, parts, centroids):
    np.save(folder / "km.npy", centroids, allow_pickle=True)
    conf = "{num_mel: 20, num_ceps: 5, deltas: false}"
    options = dict(kmeans=folder / "km.npy", extractor="mfcc", extractor_conf=conf)
    ends_with(convert_kmeans, "import", output=folder / "codebook", **options)


# score, score_translation, token_list


@cases(
    "texts: ",
    ("trn", "one two\t(spk-utt)"),
    ("trn without a word", "(spk-utt)"),
    ("JSON", '{"utt": "one two"}'),
    ("a table with commas", "utt,one two"),
    ("a table with bars", "utt|one two"),
    message="ref looks like a .*; write lines of the form `id text`",
)
def _(folder, parts, line):
    written(folder / "ref", f"{line}\n")
    for module in (score_translation, token_list):
        options = dict(text=folder / "ref")
        if module is score_translation:
            options = dict(ref=folder / "ref", hyp=folder / "ref")
        with pytest.raises(ValueError, match="ref looks like"):
            ends_with(module, output=folder / "out", **options)
    ends_with(score, ref=folder / "ref", hyp=folder / "ref", output=folder / "out")


@case("texts: brackets, commas and bars in some lines", None)
def _(folder, parts):
    ref = written(folder / "ref", "a one (two)\nb|c three, four|\nd {five}\n")
    ends_with(score, ref=ref, hyp=ref, output=folder / "out")


# bundle


@cases(
    "bundle: ",
    ("verify without recordings", "verify", "dump", "--dump and --wav_scp belong together"),
    ("verify without a dump", "verify", "wav_scp", "--dump and --wav_scp belong together"),
    ("verify of no utterance", "verify", "dump wav_scp num_utts", "--num_utts is 0: compare"),
)
def _(folder, parts, words, options):
    values = dict(dump=parts.dump, wav_scp=parts.wav_scp, num_utts=0)
    chosen = {name: values[name] for name in options.split()}
    ends_with(bundle, words, bundle=parts.bundle, **chosen)


for _command in ("verify", "info", "unpack"):

    @case(f"bundle: {_command} where there is none", "holds no bundle; run the stages of a units1")
    def _(folder, parts, command=_command):
        output = dict(output=folder / "parts") if command == "unpack" else {}
        ends_with(bundle, command, bundle=folder, **output)


@case("bundle: verify with other recordings", "utt utt-.: the bundle's units differ from those of")
def _(folder, parts):
    paths = [f"{parts.data}/utt-{letter}.wav" for letter in "bcdea"]
    table = dict(zip(sorted(tiny.SECONDS), paths, strict=True))
    kaldi.write_table(folder / "w.scp", table)
    given = dict(bundle=parts.bundle, dump=parts.dump, wav_scp=folder / "w.scp")
    ends_with(bundle, "verify", **given)


# learn_codebook, dump, tokenize


@cases(
    "learn_codebook: ",
    (
        "more units than frames",
        dict(num_units=100_000),
        "make 100000 units; give more audio",
    ),
    ("no units", dict(num_units=0), "--num_units is 0"),
    ("an unknown key", dict(extractor_conf="{foo: 1}"), "'mfcc' with .*foo"),
)
def _(folder, parts, options):
    given = dict(wav_scp=parts.wav_scp, extractor="mfcc", num_units=4, output=folder / "c")
    ends_with(learn_codebook, **given | options)


@case("dump: no bundle", "holds no bundle")
def _(folder, parts):
    ends_with(dump, wav_scp=parts.wav_scp, bundle=folder, output=folder / "d")


for _module in (tokenize_recordings, transcribe):
    _command = _module.__name__.rpartition(".")[2]
    for _name, _files, _message in (
        ("a missing file", ["none.wav"], r"none\.wav: there is no file"),
        ("a file twice", ["{a}", "{a}"], "utt-a.wav is given twice; give each recording once"),
        ("no files", [], "give one of these: sound files"),
        ("files and a table", ["{a}", "--wav_scp", "{scp}"], "give one of these: sound files"),
        ("an unknown device", ["{a}", "--device", "foo"], "device 'foo' cannot be used"),
    ):

        @case(f"{_command}: {_name}", _message)
        def _(folder, parts, module=_module, files=_files):
            places = dict(a=parts.data / "utt-a.wav", scp=parts.wav_scp)
            model = dict(model_config=folder / "config.yaml", model_file=folder / "m.pth")
            own = model if module is transcribe else dict(bundle=parts.bundle)
            ends_with(module, *(word.format(**places) for word in files), **own)


@cases(
    "transcribe: ",
    ("no model", "model_config", None, r"x\.yaml cannot be read"),
    ("a config in latin-1", "model_config", b"a: \xe4\n", r"x\.yaml cannot be read"),
    ("a config of another frontend", "model_config", b"frontend: default\n", "frontend: default"),
    ("decoding that is a list", "inference_config", b"- a\n", r"x\.yaml is not a mapping"),
    ("decoding with an own option", "inference_config", b"bundle: a\n", r"x\.yaml: 'bundle' is no"),
)
def _(folder, parts, option, content):
    if content is not None:
        written(folder / "x.yaml", content)
    given = dict(model_config=folder / "config.yaml", model_file=folder / "m.pth")
    given |= {option: folder / "x.yaml"}
    ends_with(transcribe, parts.data / "utt-a.wav", **given)


@case("tokenize: a broken file among others, max_failed_utts", None)
def _(folder, parts):
    written(folder / "empty.wav", b"")
    good = [parts.data / f"utt-{letter}.wav" for letter in "ab"]
    words = [good[0], folder / "empty.wav", good[1]]
    given = dict(bundle=parts.bundle, format="json", output=folder / "all.json")
    try:
        ends_with(tokenize_recordings, *words, **given)
    except ValueError as error:
        assert "empty.wav cannot be decoded" in str(error)
    assert not (folder / "all.json").exists()
    ends_with(tokenize_recordings, *words, **given, max_failed_utts=1)
    names = [json.loads(line)["name"] for line in (folder / "all.json").read_text().splitlines()]
    assert names == [str(path) for path in good]
    assert list(kaldi.read_table(folder / "all.json.failed_utts")) == [str(folder / "empty.wav")]


@case("tokenizer: very long sound", None)
def _(folder, parts):
    """Ten minutes."""
    soundfile.write(folder / "a.wav", np.tile(tiny.wave(1, 10), 60), tiny.SAMPLE_RATE)
    tokens = UnitTokenizer.from_bundle(parts.bundle).tokenize(folder / "a.wav")
    assert tokens.units.shape == (1, 30_000) and bool(tokens.entropies.isfinite().all())
