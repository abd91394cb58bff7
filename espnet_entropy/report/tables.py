"""Results from the commands' JSON files -> parts of a page or of a Markdown file."""

from statistics import mean, stdev

from espnet_entropy.evaluate.boundary_scores import CHANCES

BOUNDARY_HEADER = (
    "method|level|tolerance ms|segments/s|in speech|precision|recall|F1 (95 %)|OS|R-value|"
    "random F1|uniform F1|shifted F1|best F1 at offset ms"
).split("|")
UNIT_HEADER = "frames|number|units used|perplexity|phone purity|cluster purity|PNMI".split("|")
BITRATE_HEADER = (
    "method|segments/s|in speech|bits/s, log2 K|entropy code|with durations, uniform|entropy code"
).split("|")
WORD_HEADER = (
    "method|segments/s|in speech|in pauses|offset ms|F1 where chosen|precision|recall|F1|OS|"
    "R-value|word precision|word recall|word F1|F1 (phone)|word F1 (phone)|F1 (inner)|"
    "R-value (inner)"
).split("|")
# Column of conversions -> key of a `vc.summary.Summary` (with the judge), digits.
CONVERSION_COLUMNS = {
    "segments/s": ("rate_hz", 1),
    "WER % (Whisper)": ("wer whisper", 1),
    "CER %": ("cer whisper", 1),
    "WER % (PocketSphinx)": ("wer sphinx", 1),
    "cosine to target": ("to_target", 3),
    "to source": ("to_source", 3),
    "closer to target %": ("closer", 0),
    "by spectrum %": ("spectrum_closer", 0),
    "pitch correlation": ("pitch_correlation", 2),
    "DNSMOS": ("dnsmos", 2),
    "real-time factor": ("real_time_factor", 2),
}
CONVERTED_BY = {"source": "source recordings", "copy": "copy-synthesis"}
ERROR_HEADER = "dataset|Snt|Wrd|Corr|Sub|Del|Ins|Err|S.Err|Err 95 %".split("|")
TRANSLATION_HEADER = "dataset|Snt|score|score 95 %|verbose_score".split("|")
SCORE_LABELS = {"wer": "WER", "cer": "CER", "ter": "TER", "bleu": "BLEU", "chrf": "chrF"}


def written(value: float | None, digits: int) -> str:
    """A number, or `-` if there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def rate_parts(result: dict) -> list:
    """Table of `report_segments`, one row per set and setting."""
    header = ["set", "segmenter", "aimed at [Hz]", "threshold [nats]", "reached [Hz]"]
    rows = [[*header, "one-frame segments"]]
    for row in result["rates"]:
        cells = [row["set"], row["segmenter"], f"{row['rate_hz']:g}"]
        if row["thresholds_nats"] is None:
            cells += ["out of reach", "-", "-"]
        else:
            used = ", ".join(written(value, 3) for value in row["thresholds_nats"].values())
            singles = f"{100 * row['one_frame_share']:.0f} %"
            cells += [used or "-", written(row["reached_hz"], 2), singles]
        rows.append(cells)
    return [rows]


def rate_summary(result: dict) -> list:
    """The same for a page: one column per set, and the whole table folded."""
    sets = list(dict.fromkeys(row["set"] for row in result["rates"]))
    reached: dict[tuple[str, str], dict[str, str]] = {}
    for row in result["rates"]:
        cell = "out of reach"
        if row["thresholds_nats"] is not None:
            cell = f"{row['reached_hz']:.2f} ({100 * row['one_frame_share']:.0f} %)"
        reached.setdefault((row["segmenter"], f"{row['rate_hz']:g}"), {})[row["set"]] = cell
    rows = [["segmenter", "aimed at [Hz]", *sets]]
    rows += [[*key, *(cells.get(name, "-") for name in sets)] for key, cells in reached.items()]
    note = "Segments per second; in brackets the share of segments of one frame."
    return [{"note": note}, rows, {"folded": rate_parts(result), "title": "With thresholds"}]


def boundary_parts(result: dict) -> list:
    """What `boundary_scores` found for a set."""
    levels = ", ".join(f"{level} of {count}" for level, count in result["levels"].items())
    rows = [BOUNDARY_HEADER, *map(_boundary_cells, result["boundaries"])]
    # Columns that only some sets or calls have.
    more_columns = {
        "in pauses": _pause_cell,
        "moved ms": _moved_cell,
        "F1 of speakers": _speakers_cell,
    }
    for title, cell in more_columns.items():
        cells = [cell(row) for row in result["boundaries"]]
        if any(cells):
            rows = [[*row, more or "-"] for row, more in zip(rows, [title, *cells], strict=True)]
    return [
        f"{result['set']}: {levels} of {result['utterances']} utterances",
        rows,
        *_pause_note(result),
        *(f"Left out: {note}" for note in result["left_out"]),
    ]


def _boundary_cells(row: dict) -> list[str]:
    scores, (best, offset_sec) = row["scores"], row["best_offset"]
    interval = " (one utterance)"
    if row["interval"] is not None:
        interval = " ({:.2f}-{:.2f})".format(*row["interval"])
    return [
        _method(row),
        row["level"],
        f"{1000 * row['tolerance_sec']:.0f}",
        written(row["overall_hz"], 1),
        written(row["speech_hz"], 1),
        written(scores["precision"], 2),
        written(scores["recall"], 2),
        written(scores["f1"], 2) + interval,
        f"{100 * scores['over_segmentation']:.0f} %",
        written(scores["r_value"], 2),
        *(written(row["chance_f1"][chance], 2) for chance in CHANCES),
        f"{best:.2f} at {1000 * offset_sec:+.0f}",
    ]


def _pause_note(result: dict) -> list[str]:
    share = result.get("pause_share")
    return [] if share is None else [f"Pauses take {100 * share:.1f} % of the time."]


def _pause_cell(row: dict) -> str:
    """Which share of the boundaries is inside pauses, if that is known."""
    share = row.get("pause_share")
    return "" if share is None else f"{100 * share:.1f} %"


def _moved_cell(row: dict) -> str:
    """By how many ms the boundaries were moved, if they were."""
    return "" if row.get("moved_sec") is None else f"{1000 * row['moved_sec']:+.0f}"


def _speakers_cell(row: dict) -> str:
    """Mean and standard deviation over speakers, if there are several."""
    f1 = list(row.get("speaker_f1", {}).values())
    return f"{mean(f1):.2f} ± {stdev(f1):.2f}" if len(f1) > 1 else ""


def _method(row: dict) -> str:
    return row["method"] if row["rate_hz"] is None else f"{row['method']} {row['rate_hz']:g} Hz"


def unit_parts(result: dict) -> list:
    """What `unit_quality` found for a set."""
    quality = [UNIT_HEADER]
    for name, made in result["units"].items():
        cells = [name, str(made["num_frames"]), f"{made['used']} of {made['num_units']}"]
        cells.append(written(made["perplexity"], 1))
        cells += [written(made[key], 3) for key in ("phone_purity", "cluster_purity", "pnmi")]
        quality.append(cells)
    costs = ("uniform_bps", "entropy_bps", "uniform_durations_bps", "entropy_durations_bps")
    bitrates = [BITRATE_HEADER]
    for row in result["rates"]:
        rates = [written(row[key], 2) for key in ("segments_hz", "speech_hz")]
        bitrates.append([_method(row), *rates, *(written(row[key], 0) for key in costs)])
    return [
        f"{result['set']}: {result['aligned']} of {result['utterances']} utterances have phones",
        quality,
        bitrates,
        *(f"Left out: {note}" for note in result["left_out"]),
    ]


def word_parts(result: dict) -> list:
    """What `word_discovery` found, over all utterances and without those of long phones."""
    sets, limit = ", ".join(result["sets"]), result["max_phone_sec"]
    pauses = [row["pause_time_share"] for row in result["rows"]]
    return [
        f"{sets}: {result['utterances']} utterances; time offsets chosen on {result['choose_on']}",
        [WORD_HEADER, *(_word_cells(row, "all") for row in result["rows"])],
        f"Without utterances in which a phone lasts more than {limit:g} s: {result['filtered']}",
        [WORD_HEADER, *(_word_cells(row, "filtered") for row in result["rows"])],
        f"Pauses are {100 * pauses[0]:.1f} % of the time.",
        *(f"Left out: {note}" for note in result["left_out"]),
    ]


def _word_cells(row: dict, which: str) -> list[str]:
    time, phone, inner = (row[which][scheme] for scheme in ("time", "phone", "inner"))
    boundaries = [time[key] for key in ("precision", "recall", "f1")]
    tokens = [time[f"token_{key}"] for key in ("precision", "recall", "f1")]
    others = [phone["f1"], phone["token_f1"], inner["f1"], inner["r_value"]]
    return [
        _method(row),
        written(row["overall_hz"], 1),
        written(row["speech_hz"], 1),
        f"{100 * row['pause_boundary_share']:.0f} %",
        f"{1000 * row['offset_sec']:+.0f}",
        written(100 * row["chosen_f1"], 1),
        *(written(100 * value, 1) for value in boundaries),
        f"{100 * time['over_segmentation']:.0f} %",
        written(100 * time["r_value"], 1),
        *(written(100 * value, 1) for value in (*tokens, *others)),
    ]


def conversion_parts(result: dict) -> list:
    """What `report_conversion` summed up, one row per system."""
    rows = [["system", *CONVERSION_COLUMNS]]
    for system in result["systems"]:
        cells = [converted_by(system["system"])]
        for key, digits in CONVERSION_COLUMNS.values():
            name, *judge = key.split()
            cells.append(written(system[name][judge[0]] if judge else system[name], digits))
        rows.append(cells)
    return [rows, *({"note": note} for note in result["notes"])]


def converted_by(system: str) -> str:
    """A system's name in words: `source`, `copy`, or a rate in Hz."""
    return CONVERTED_BY.get(system, f"{system} Hz")


def told(score: dict) -> str:
    """A score with its 95 % interval, if it has one."""
    value = f"{score['percent']:.1f} %" if "percent" in score else f"{score['score']:.1f}"
    return value + (f" [{score['low']:.1f}, {score['high']:.1f}]" if "low" in score else "")


def score_tables(scores: dict[str, dict]) -> list[tuple[str, list, list[str]]]:
    """The scores of decoded sets that ESPnet's recipes list: WER, CER and TER, or BLEU and chrF.

    As in sclite, Corr, Sub, Del, Ins and Err are percentages of the reference's tokens (Wrd), and
    S.Err is the percentage of the sentences (Snt) with errors. The alignment is jiwer's, which has
    the fewest errors; that of sclite gives substitutions another weight.

    Args:
        scores: set -> content of its score.json; what earlier versions did not write is `-`.

    Returns:
        For each kind of score its name, its table, and the different signatures of sacrebleu.
    """
    made = []
    for kind, label in SCORE_LABELS.items():
        found = {name: score for name, score in scores.items() if kind in score}
        header, cells = ERROR_HEADER, _error_cells
        if kind in ("bleu", "chrf"):
            header, cells = TRANSLATION_HEADER, _translation_cells
        rows = [[name, *cells(score, score[kind])] for name, score in found.items()]
        signatures = (score[kind].get("signature") for score in found.values())
        if rows:
            made.append((label, [header, *rows], list(dict.fromkeys(filter(None, signatures)))))
    return made


def _error_cells(score: dict, rate: dict) -> list[str]:
    tokens = rate.get("reference_tokens")
    kinds = [rate.get(kind) for kind in ("substitutions", "deletions", "insertions")]
    sentences = rate.get("sentences", score.get("utterances"))
    wrong = rate.get("sentence_errors", score.get("sentence_errors"))
    shares = [None] * 4
    if tokens and None not in kinds:
        shares = [100 * count / tokens for count in (tokens - kinds[0] - kinds[1], *kinds)]
    return [
        written(sentences, 0),
        written(tokens, 0),
        *(written(share, 1) for share in (*shares, rate.get("percent"))),
        "-" if None in (sentences, wrong) else f"{100 * wrong / sentences:.1f}",
        _interval(rate),
    ]


def _translation_cells(score: dict, found: dict) -> list[str]:
    sentences, value = written(score.get("utterances"), 0), written(found.get("score"), 1)
    return [sentences, value, _interval(found), found.get("verbose_score") or "-"]


def _interval(found: dict) -> str:
    return f"{found['low']:.1f} to {found['high']:.1f}" if "low" in found else "-"
