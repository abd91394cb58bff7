"""Each case of the table has the result that it states, and docs/input.md states the same."""

import ast
import re
from pathlib import Path

import alignment_cases  # noqa: F401  (these modules add the cases)
import checkpoint_cases  # noqa: F401
import command_cases  # noqa: F401
import dump_cases  # noqa: F401
import model_cases  # noqa: F401
import pytest
import recording_cases  # noqa: F401
import stale_cases  # noqa: F401
from table import CASES

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "input.md"
# Beginning of a row of the page -> patterns of the beginnings of its cases' names, or tests.
BEHIND = {
    "any format, sample rate": ["test_good_files_lose_and_gain_nothing", "test_rates_and_channels"],
    "silence and clipped sound": ["dump_units: sound, (silence|clipped)"],
    "very long sound": ["tokenizer: very long"],
    "a truncated sound file": ["test_the_remaining_part_of_truncated_files_is_read"],
    "damage inside a sound file": ["test_what_follows_damage_keeps_its_time"],
    "files joined end to end": ["test_files_joined_end_to_end", "test_tags_in_another_encoding"],
    "a second audio stream; bytes after": [
        "test_only_the_first_of_several_streams_is_read",
        "test_bytes_after_the_sound_of_a_wav_file_give_a_warning",
    ],
    "channels whose mean has less": ["test_channels_that_partly_cancel_each_other_out"],
    "channels that cancel": ["test_channels_that_cancel_each_other_out"],
    "a file with more broken packets": [
        "test_files_of_which_too_little_would_be_read_are_refused",
        "test_a_video_without_sound",
    ],
    "sound that FFmpeg would decode as noise": [
        "test_big_endian_wav_files_are_refused",
        "test_samples_without_a_header_are_refused",
        "test_joined_ogg_files",
        "test_files_of_which_too_little_would_be_read_are_refused",
    ],
    "sound files that are missing, empty": [
        "test_broken_audio_is_named",
        "entries: .*(a missing|that is missing|no path)",
        "dump_units: sound, (no samples|NaN)",
    ],
    "samples in memory that lie": [
        "test_samples_that_are_no_sound_are_refused",
        "test_bad_sound_is_refused",
    ],
    "a recording that is shorter": ["dump_units: sound, shorter"],
    "addresses, shell commands": [
        "test_addresses_are_not_opened",
        "test_shell_commands_in_tables_are_not_run",
        "test_pickles_in_arks_are_not_read",
        "entries: .*(pipe|address)",
        "dump_entropies: a checkpoint, a pickle",
        "checkpoint: a pickle",
        "test_no_entry_of_a_table_is_executed",
    ],
    "sounds in arks": ["test_sounds_in_arks"],
    "other entries of arks": ["sound arks: "],
    "one of several channels": ["test_channels_of_a_table", "test_commands_take_a_channel"],
    "a channel that does not exist": ["channels: "],
    "`segments` beside `wav.scp`": ["segments: (two|one|to the end|an end 0.4|tabs)"],
    "segments that do not lie": ["segments: (?!two|one|to the end|an end 0.4|tabs)"],
    "several columns after the name": ["entries: .*(two files|length|folder)"],
    "lists of files": ["lists: (CRLF|no line end)"],
    "lists that are empty": ["lists: (empty|a byte|a missing|a Kaldi)"],
    "tables that are unsorted": [
        "test_tables_take_any_white_space_and_order",
        "dump_units: recordings, (ids|unsorted|CRLF)",
    ],
    "tables with a repeated key": [
        "test_broken_tables_are_named",
        "dump_units: recordings, (latin|an utt)",
    ],
    "recordings without text or speaker": [
        "merge_shards: (text for one less|no speaker|a speaker)"
    ],
    "a speaker of several words": ["merge_shards: two words"],
    "text without a recording": ["merge_shards: text for one more"],
    "recordings that cannot be read": [".*: a broken .*max_failed_utts"],
    "a recording that is named twice": ["(tokenize|transcribe|lists).*: a file twice"],
    "label files of textless-nlp and fairseq, with": ["labels: (textless-nlp's|fairseq's)$"],
    "label files of textless-nlp and fairseq without": ["labels: .*'s, "],
    "label files that are tables with commas": [
        "labels: a table with commas",
        "texts: (?!brackets)",
    ],
    "codebooks of finite floats": ["convert_kmeans: a .npy of floats"],
    "a codebook learned with": ["test_normalised_codebooks_stay_what_they_are"],
    "`.npy` or safetensors files": ["convert_kmeans: a .npy of (integers|NaN|objects)"],
    "units that are not an int32 vector": ["dump_entropies: units, (a matrix|floats)"],
    "units of K or more": ["model: (a unit|half|NaN$|bfloat)"],
    "a source token list": ["model: a source token list"],
    "alignments of other utterances": ["(boundary_scores|unit_quality): (?!one utterance)"],
    "an alignment of a single utterance": ["(boundary_scores|unit_quality): one utterance"],
    "bundles with exchanged": [
        "test_configs_with_wrong_entries_are_refused",
        "test_parts_that_were_changed_are_refused",
        "test_a_part_of_another_bundle_is_refused",
    ],
    "a bundle, or a folder above it": ["test_a_bundle_behind_links_finds_its_weights"],
    "a unit LM with an invalid config": ["dump_entropies: a unit LM's config"],
    "a checkpoint that is missing": ["checkpoint: (a layer|names|other|of|not there)"],
    "a checkpoint whose names begin": ["checkpoint: module"],
    "a bundle whose codebook or unit LM": ["test_a_model_and_another_bundle"],
    "a bundle or dump with another unit LM": [
        "bundle: a dump of another unit LM, whose entropies nobody reads"
    ],
    "settings of a wrong type": ["frontend: \\{", "test_bad_settings_are_refused"],
    "thresholds that give a single segment": ["model: a threshold of"],
    "an output folder with results of another": ["stale: (dump|dump_units|link_dump|tokenize), "],
    "shards of other recordings": ["shards: "],
    "a shard whose ark, table or shapes": ["test_a_damaged_shard_is_refused_and_made_again"],
    "a dump made with another codebook": ["bundle: a dump of another (codebook|unit LM)$"],
    "units whose entropies": ["parts: dump_entropies"],
    "thresholds that were measured": ["test_thresholds_of_another_bundle"],
    "BPE boundaries": ["test_bpe_boundaries_are_not_used_as_entropies"],
    "a flattened matrix": ["model: a dump of units and entropies"],
    "a full disk": ["test_a_full_disk_in_the_middle_of_a_dump"],
}


def page_rows() -> dict[str, str]:
    """Input -> what happens, of all tables of the page."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    rows = {name.strip(): what.strip() for name, what in cells}
    del rows["input"]  # the tables' headers
    return rows


def do_refuse(name: str) -> dict[str, bool]:
    """Whether the tests of this name, in one or more files, expect an error."""
    sources = [path.read_text(encoding="utf-8") for path in TESTS.glob("*/test_*.py")]
    trees = [ast.parse(source) for source in sources if f"def {name}(" in source]
    tests = [node for tree in trees for node in tree.body if getattr(node, "name", "") == name]
    signs = ("raises(", "returncode == 1")
    found = [any(sign in ast.unparse(test) for sign in signs) for test in tests]
    return {f"{name}, {number}": refuses for number, refuses in enumerate(found)}


def test_the_page_has_these_rows():
    assert len({case.name for case in CASES}) == len(CASES)
    found = [[begin for begin in BEHIND if row.startswith(begin)] for row in page_rows()]
    assert sorted(sum(found, [])) == sorted(BEHIND)
    assert all(len(begins) == 1 for begins in found)


@pytest.mark.parametrize("begin", BEHIND)
def test_each_row_of_the_page_has_its_cases(begin):
    ((row, what),) = [item for item in page_rows().items() if item[0].startswith(begin)]
    for names in BEHIND[begin]:
        if names.startswith("test_"):
            results = do_refuse(names)
        else:
            matching = [case for case in CASES if re.match(names, case.name)]
            results = {case.name: case.message is not None for case in matching}
        assert results, f"no case is called {names}"
        for name, refused in results.items():
            assert refused == what.startswith("refused"), f"{name}: {row}: {what}"


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
