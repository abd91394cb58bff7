"""Every row of the table happens as it says; and docs/input.md says what the rows say."""

import re
from pathlib import Path

import alignment_cases  # noqa: F401  (these modules fill the table)
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
# Line of the page -> how the names of the cases behind it begin.
BEHIND = {
    "any format, rate and channel count that FFmpeg reads": [
        r"audio \d+ Hz",
        r"audio of \d+ channels",
        "dump_units: sound, (stereo|8 kHz|44.1 kHz)",
    ],
    "silence, clipped sound": [
        "audio: (silence|clipped)",
        "dump_units: sound, (silence|clipped)",
    ],
    "very long sound": [
        "tokenizer: very long",
    ],
    "a sound file that is cut off": [
        "audio: cut off",
    ],
    "damage inside a sound file": [
        "audio: damaged",
    ],
    "files joined end to end (`cat`), a rate or number of channels that changes inside a file, "
    "tags in any encoding": [
        "audio: (joined MP3|tags)",
    ],
    "a second audio stream; bytes behind the sound of a WAV file": [
        "audio: (two streams|two WAV files|a WAV header)",
    ],
    "channels whose mean keeps less than half of the energy that unrelated channels would leave": [
        "audio: channels that partly cancel",
    ],
    "channels that cancel each other out (less than a tenth of it)": [
        "audio: an inverted channel",
    ],
    "a file most of which is broken, a video without sound": [
        "audio: (mostly broken|a video)",
    ],
    "sound that FFmpeg would make noise of, or of which it reads a part: big-endian WAV (RIFX), "
    "samples without a header, Ogg Vorbis files with different settings joined end to end, WAV "
    "files with more than one data chunk": [
        "audio: (RIFX|no header|joined Ogg|two data chunks)",
    ],
    "missing, empty, broken, without samples, NaN or infinite samples, samples beyond 16": [
        "audio: (missing|empty|text|random|no samples|NaN|infinite|header cut|16-bit)",
        "entries: .*(a missing|that is missing|no path)",
        "dump_units: sound, (no samples|NaN|infinite)",
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
    "a checkpoint that is missing, of another model, of a part of one, or of a whole training": [
        "checkpoint by_.*: (a layer|names|other|of|not there)",
    ],
    "a checkpoint with `module.` before its names": [
        "checkpoint by_.*: module",
    ],
    "sounds in arks: Kaldi's wav arks, ESPnet's `wav.ark` and `flac.ark`": [
        "sound arks: (Kaldi's|flac.ark$|wav.ark)",
    ],
    "other entries of arks in place of sound, ranges, arks that are cut off": [
        "sound arks: (?!Kaldi's|flac.ark$|wav.ark)",
    ],
    "one of several channels: `--channel N`, or `reco2file_and_channel` beside `wav.scp`": [
        "channels: (2 of 2|A and B|1 and 2)",
    ],
    "a channel that is not there, a recording without a line in `reco2file_and_channel`": [
        "channels: (0|3|a word|none|of one less)",
    ],
    "`segments` beside `wav.scp`, ends up to 0.5 s behind the recording's": [
        "segments: (two|one|to the end|an end 0.4|tabs)",
    ],
    "segments that are no stretch of a recording of `wav.scp`": [
        "segments: (?!two|one|to the end|an end 0.4|tabs)",
    ],
    "several columns behind the name in `wav.scp`, folders": [
        "entries: .*(two files|length|folder)",
    ],
    "lists of files (`--list FILE`, `--list -` for standard input)": [
        "lists: (CRLF|no line end)",
    ],
    "lists that are empty, have a byte order mark or name no files": [
        "lists: (empty|a byte|a missing|a Kaldi)",
    ],
    "label files of textless-nlp and fairseq, named by `--format`": [
        "labels: (textless-nlp's|fairseq's)$",
    ],
    "label files of textless-nlp and fairseq that are not named, or without their names": [
        "labels: .*'s, ",
    ],
    "label files that are tables with commas; hypotheses, references and texts in a trn file, in "
    "JSON or in a table with commas or bars": [
        "labels: a table with commas",
        "texts: (?!brackets)",
    ],
    "samples in memory outside of [-1, 1], more than one channel, shorter than a frame": [
        "samples: (not in|two channels|shorter)",
    ],
    "a recording shorter than a frame": [
        "dump_units: sound, (one sample|shorter)",
    ],
    "tables: unsorted, tabs, CRLF, non-ASCII ids, no value": [
        "table: (unsorted|tabs|CRLF|not ASCII|no value)",
        "dump_units: recordings, (ids|unsorted|CRLF|tabs)",
    ],
    "tables: a key twice, an empty line, not UTF-8, a byte order mark": [
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
    "text without recordings": [
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
    "an output folder with results of another codebook, unit LM, bundle, model or option": [
        "stale: (dump|dump_units), (entropies|units) of another",
        "stale: (link_dump|tokenize), ",
    ],
    "shards of other recordings or settings, or without a record of them": [
        "stale: .*, (a shard|rows)",
    ],
    "a shard, its table or its shapes missing, cut off or of other data": [
        "shard: ",
        "merge_shards: (one |2 shards)",
    ],
    "units that are no int32 vector": [
        "dump_entropies: units, (a matrix|floats|halves|NaN)",
    ],
    "bundles with exchanged, cut-off or missing parts, entries of wrong types": [
        "bundle: (codebook|unit_lm|calibration|format|extractor|num_units|files|pack with)",
    ],
    "a bundle, or a folder above it, that is a link": [
        "bundle: a link",
    ],
    "codebooks as `.npy` or safetensors, of finite floats (K, D)": [
        "convert_kmeans: a .npy of floats",
    ],
    "codebooks as `.npy` or safetensors, of anything else": [
        "convert_kmeans: a .npy of (integers|NaN|objects)",
    ],
    "a unit LM whose config cannot be": [
        "dump_entropies: a unit LM's config",
        "bundle: a unit LM",
    ],
    "units at or above K, halves of units, NaN, half precision": [
        "model: (a unit|half|NaN$|bfloat)",
    ],
    "a dump made with another codebook, or with another unit LM where entropies are read": [
        "bundle: a dump of another (codebook|unit LM)$",
    ],
    "units of another codebook than the one that their entropies are to be of": [
        "parts: dump_entropies",
    ],
    "thresholds that were measured with another codebook or unit LM": [
        "parts: pack",
    ],
    "BPE pieces in the place of entropies": [
        "parts: calibrate",
    ],
    "a bundle with another codebook than the model's, or another unit LM": [
        "model: (global, a bundle with another|dense, a bundle with another codebook)",
    ],
    "a bundle or dump with another unit LM, of a model that reads no entropies": [
        "model: dense, a bundle with another unit_lm",
        "bundle: a dump of another unit LM, whose entropies nobody reads",
    ],
    "a source token list (MT) that is not 0 .. K-1, `<unk>`, `<sos/eos>`": [
        "model: a source token list",
    ],
    "a dump's matrix that was flattened, in place of a waveform": [
        "model: a dump of units and entropies",
    ],
    "settings of a wrong type or out of range, unknown keys": [
        r"frontend: (rate|min_rate|\{)",
    ],
    "alignments of other utterances, overlapping, too long, covering little, all silence": [
        "(boundary_scores|unit_quality): (?!one utterance)",
    ],
    "an alignment of a single utterance": [
        "(boundary_scores|unit_quality): one utterance",
    ],
    "thresholds that give one segment, or one a unit": [
        "model: a threshold of",
    ],
}


def page_rows() -> dict[str, str]:
    """Input -> what happens, of the page's table."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[1:]]
    return {name.strip(): what.strip() for name, what in cells}


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_has_these_lines():
    # The last one is test_disk.py's.
    assert page_rows().keys() == {*BEHIND, "a full disk, a folder that cannot be written"}


@pytest.mark.parametrize("line", BEHIND)
def test_cases_stand_behind_each_line_of_the_page(line):
    refused = page_rows()[line].startswith("refused")
    for names in BEHIND[line]:
        cases = [case for case in CASES if re.match(names, case.name)]
        assert cases, f"no case is called {names}"
        for case in cases:
            assert (case.message is not None) == refused, f"{case.name}: {page_rows()[line]}"


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
