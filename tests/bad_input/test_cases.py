"""Each case of the table has the result that it states, and docs/input.md states the same."""

import re
from pathlib import Path

import alignment_cases  # noqa: F401  (these modules add the cases)
import checkpoint_cases  # noqa: F401
import command_cases  # noqa: F401
import dump_cases  # noqa: F401
import file_cases  # noqa: F401
import model_cases  # noqa: F401
import pytest
import recording_cases  # noqa: F401
import sound_cases  # noqa: F401
import stale_cases  # noqa: F401
from table import CASES

PAGE = Path(__file__).parents[2] / "docs" / "input.md"
# Row of the page -> patterns of the beginnings of its cases' names.
BEHIND = {
    "any format, sample rate and number of channels that FFmpeg reads": [
        r"audio \d+ Hz",
        r"audio of \d+ channels",
        "dump_units: sound, (stereo|8 kHz|44.1 kHz)",
    ],
    "silence and clipped sound": [
        "audio: (silence|clipped)",
        "dump_units: sound, (silence|clipped)",
    ],
    "very long sound": [
        "tokenizer: very long",
    ],
    "a truncated sound file": [
        "audio: cut off",
    ],
    "damage inside a sound file": [
        "audio: damaged",
    ],
    "files joined end to end (`cat`), a sample rate or number of channels that changes "
    "inside a file, tags in any encoding": [
        "audio: (joined MP3|tags)",
    ],
    "a second audio stream; bytes after the sound of a WAV file": [
        "audio: (two streams|two WAV files|a WAV header)",
    ],
    "channels whose mean has less than half of the energy that the mean of uncorrelated "
    "channels would have": [
        "audio: channels that partly cancel",
    ],
    "channels that cancel each other out (less than a tenth of that energy)": [
        "audio: an inverted channel",
    ],
    "a file with more broken packets than good ones; a video without sound": [
        "audio: (mostly broken|a video)",
    ],
    "sound that FFmpeg would decode as noise or only in part: big-endian WAV (RIFX), samples "
    "without a header, Ogg Vorbis files with different settings joined end to end, WAV files with "
    "more than one data chunk": [
        "audio: (RIFX|no header|joined Ogg|two data chunks)",
    ],
    "sound files that are missing, empty, broken or without samples; NaN or infinite samples, "
    "samples beyond 16": [
        "audio: (missing|empty|text|random|no samples|NaN|infinite|header cut|16-bit)",
        "entries: .*(a missing|that is missing|no path)",
        "dump_units: sound, (no samples|NaN|infinite)",
    ],
    "samples in memory that lie outside [-1, 1], have more than one channel, or are shorter "
    "than a frame": [
        "samples: (not in|two channels|shorter)",
    ],
    "a recording that is shorter than a frame": [
        "dump_units: sound, (one sample|shorter)",
    ],
    r"addresses, shell commands (`cmd \|`), pickles in arks and checkpoints": [
        "audio: (http|touch)",
        "entries: .*(pipe|address)",
        "ark entry: a shell",
        "ark content: a pickle",
        "dump_entropies: a checkpoint, a pickle",
        "checkpoint by_.*: a pickle",
        "espnet's tables: (a shell|a pickle)",
    ],
    "sounds in arks: Kaldi's wav arks, ESPnet's `wav.ark` and `flac.ark`": [
        "sound arks: (Kaldi's|flac.ark$|wav.ark)",
    ],
    "other entries of arks in place of sound, ranges of entries, truncated arks": [
        "sound arks: (?!Kaldi's|flac.ark$|wav.ark)",
    ],
    "one of several channels: `--channel N`, or `reco2file_and_channel` beside `wav.scp`": [
        "channels: (2 of 2|A and B|1 and 2)",
    ],
    "a channel that does not exist; a recording without a line in `reco2file_and_channel`": [
        "channels: (0|3|a word|none|of one less)",
    ],
    "`segments` beside `wav.scp`; a segment may end up to 0.5 s after its recording": [
        "segments: (two|one|to the end|an end 0.4|tabs)",
    ],
    "segments that do not lie within a recording of `wav.scp`": [
        "segments: (?!two|one|to the end|an end 0.4|tabs)",
    ],
    "several columns after the name in `wav.scp`; a folder in place of a file": [
        "entries: .*(two files|length|folder)",
    ],
    "lists of files (`--list FILE`; `--list -` reads standard input)": [
        "lists: (CRLF|no line end)",
    ],
    "lists that are empty, begin with a byte order mark, or have lines that are not paths of "
    "files": [
        "lists: (empty|a byte|a missing|a Kaldi)",
    ],
    "label files that are tables with commas; hypotheses, references and texts in a trn file, "
    "in JSON, or in a table with commas or bars": [
        "labels: a table with commas",
        "texts: (?!brackets)",
    ],
    "tables that are unsorted, or have tabs, CRLF, non-ASCII ids or keys without a value": [
        "table: (unsorted|tabs|CRLF|not ASCII|no value)",
        "dump_units: recordings, (ids|unsorted|CRLF|tabs)",
    ],
    "tables with a repeated key, an empty line, a byte order mark or bytes that are not UTF-8": [
        "table: (a key twice|an empty|latin-1|utf-16|a byte)",
        "dump_units: recordings, (latin|utf|a byte|an utt|an empty)",
    ],
    "recordings without text or speaker": [
        "dump: (recordings without|no speakers)",
        "merge_shards: (text for one less|no speaker|a speaker for)",
    ],
    "a speaker of several words": [
        "merge_shards: two words",
    ],
    "text without a recording": [
        "dump: text without recordings",
        "merge_shards: text for one more",
    ],
    "recordings that cannot be read, with `--max_failed_utts N`": [
        "dump_units: .*max_failed_utts",
        "tokenize: .*max_failed_utts",
    ],
    "a recording that is named twice": [
        "(tokenize|transcribe): a file twice",
        "lists: a file twice",
    ],
    "label files of textless-nlp and fairseq, with `--format`": [
        "labels: (textless-nlp's|fairseq's)$",
    ],
    "label files of textless-nlp and fairseq without `--format`, or fairseq's without their "
    "names": [
        "labels: .*'s, ",
    ],
    "codebooks of finite floats (K, D) in `.npy` or safetensors files": [
        "convert_kmeans: a .npy of floats",
    ],
    "`.npy` or safetensors files with any other content": [
        "convert_kmeans: a .npy of (integers|NaN|objects)",
    ],
    "units that are not an int32 vector": [
        "dump_entropies: units, (a matrix|floats|halves|NaN)",
    ],
    "units of K or more, fractional units, NaN, half precision": [
        "model: (a unit|half|NaN$|bfloat)",
    ],
    "a source token list (MT) that is not 0 .. K-1, `<unk>`, `<sos/eos>`": [
        "model: a source token list",
    ],
    "alignments of other utterances, or that overlap, are too long, cover little or are all "
    "silence": [
        "(boundary_scores|unit_quality): (?!one utterance)",
    ],
    "an alignment of a single utterance": [
        "(boundary_scores|unit_quality): one utterance",
    ],
    "bundles with exchanged, truncated or missing files, or with entries of wrong types": [
        "bundle: (codebook|unit_lm|calibration|format|extractor|num_units|files|pack with)",
    ],
    "a bundle, or a folder above it, that is a symbolic link": [
        "bundle: a link",
    ],
    "a unit LM with an invalid config": [
        "dump_entropies: a unit LM's config",
        "bundle: a unit LM",
    ],
    "a checkpoint that is missing, belongs to another model, holds only a part of a model, "
    "or holds the state of a training": [
        "checkpoint by_.*: (a layer|names|other|of|not there)",
    ],
    "a checkpoint whose names begin with `module.`": [
        "checkpoint by_.*: module",
    ],
    "a bundle whose codebook or unit LM is not the model's": [
        "model: (global, a bundle with another|dense, a bundle with another codebook)",
    ],
    "a bundle or dump with another unit LM, for a model that reads no entropies": [
        "model: dense, a bundle with another unit_lm",
        "bundle: a dump of another unit LM, whose entropies nobody reads",
    ],
    "settings of a wrong type or out of range, unknown keys": [
        r"frontend: (rate|min_rate|\{)",
    ],
    "thresholds that give a single segment, or one segment per unit": [
        "model: a threshold of",
    ],
    "an output folder with results of another codebook, unit LM, bundle, model or option": [
        "stale: (dump|dump_units), (entropies|units) of another",
        "stale: (link_dump|tokenize), ",
    ],
    "shards of other recordings or settings, or without a record of them": [
        "stale: .*, (a shard|rows)",
    ],
    "a shard whose ark, table or shapes are missing, truncated or from other data": [
        "shard: ",
        "merge_shards: (one |2 shards)",
    ],
    "a dump made with another codebook, or with another unit LM if entropies are read": [
        "bundle: a dump of another (codebook|unit LM)$",
    ],
    "units whose entropies are to be computed with another codebook's unit LM": [
        "parts: dump_entropies",
    ],
    "thresholds that were measured with another codebook or unit LM": [
        "parts: pack",
    ],
    "BPE boundaries in place of entropies": [
        "parts: calibrate",
    ],
    "a flattened matrix of a dump in place of a waveform": [
        "model: a dump of units and entropies",
    ],
}


def page_rows() -> dict[str, str]:
    """Input -> what happens, of all tables of the page."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    rows = {name.strip(): what.strip() for name, what in cells}
    del rows["input"]  # the tables' headers
    return rows


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_has_these_rows():
    # tests/faults/test_disk.py tests the last one.
    assert page_rows().keys() == {*BEHIND, "a full disk, a folder that cannot be written"}


@pytest.mark.parametrize("row", BEHIND)
def test_each_row_of_the_page_has_its_cases(row):
    refused = page_rows()[row].startswith("refused")
    for names in BEHIND[row]:
        cases = [case for case in CASES if re.match(names, case.name)]
        assert cases, f"no case is called {names}"
        for case in cases:
            assert (case.message is not None) == refused, f"{case.name}: {page_rows()[row]}"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_case(case, parts, tmp_path):
    if case.message is None:
        case.call(tmp_path, parts)
    else:
        # A setting that does not exist is Python's own TypeError, which names it.
        with pytest.raises((ValueError, TypeError), match=case.message):
            case.call(tmp_path, parts)
    assert not list(tmp_path.rglob("witness"))
    assert not list(tmp_path.rglob("*.tmp"))
