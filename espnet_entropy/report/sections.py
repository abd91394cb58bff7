"""Sections of a recipe's page. A part that has not been made says so in its place."""

import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.bundle.bundle import FILES, Bundle, file_hash
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.report import page
from espnet_entropy.report.page import Section
from espnet_entropy.report.pictures import plot_training
from espnet_entropy.report.plot import plot_segmentation
from espnet_entropy.report.records import (
    listed_files,
    machine,
    markdown_tables,
    read_commands,
    read_epochs,
    read_stages,
)
from espnet_entropy.report.results_page import commit, git

SAMPLE_RATE = 16000
NUM_EXAMPLES = 10
MARKS = (
    "Struck through: left out. Framed: too much. Bold and underlined: another word. From the "
    "fewest errors a word to the most, evenly spaced over the set."
)


def drawn(draw: Callable[[Path], None], caption: str) -> str:
    """A picture that `draw(path)` makes, inside the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return page.picture(path, caption)


def training_section(folder: Path | str, title: str = "Training") -> Section:
    """Curves and a table by epoch of an ESPnet training."""
    epochs = read_epochs(folder)
    if not epochs:
        return Section(title, [page.not_run("training", f"{folder} has no log with epochs")])
    # Losses that the model does not have are reported as 0 or nan.
    names = [
        name
        for name in epochs[-1].valid
        if any(np.isfinite(e.valid.get(name, np.nan)) and e.valid[name] != 0 for e in epochs)
        and name not in ("time", "total_count")
    ]
    rows = [["epoch", "training loss", *(f"validation {name}" for name in names)]]
    for epoch in epochs:
        values = [epoch.train.get("loss"), *(epoch.valid.get(name) for name in names)]
        told = ["-" if value is None else f"{value:.4g}" for value in values]
        rows.append([str(epoch.number), *told])
    caption = f"{len(epochs)} epochs; dashed with open circles: training, solid: validation."
    curve = drawn(lambda path: plot_training(path, epochs, title=Path(folder).name), caption)
    # As a table, numbers of many epochs hide the rest.
    body = page.table(rows)
    if len(epochs) > 12:
        body = f"<details><summary>All {len(epochs)} epochs</summary>{body}</details>"
    return Section(title, [curve, body])


def score_rows(scores: dict[str, dict | None], rates_hz: dict[str, float]) -> list[list[str]]:
    """Scores with their intervals, a row a set.

    Args:
        scores: set -> content of its score.json, None if it is missing.
        rates_hz: set -> segments per second, of those known.
    """
    known = next((score for score in scores.values() if score), {})
    is_translation = "bleu" in known
    labels = {"bleu": "BLEU", "chrf": "chrF"} if is_translation else {"wer": "WER", "cer": "CER"}
    header = ["set", *labels.values(), "segments/s", "utterances", "empty"]
    if not is_translation:
        header.append("words: other + left out + too many, of all")
    rows = [header]
    for name, score in scores.items():
        rate = f"{rates_hz[name]:.2f}" if name in rates_hz else "-"
        if not score:
            missing = ["not run" if label in labels.values() else "-" for label in header[1:]]
            missing[len(labels)] = rate
            rows.append([name, *missing])
            continue
        cells = [*(told(score[key]) for key in labels), rate]
        cells += [str(score.get(key, "-")) for key in ("utterances", "empty_hypotheses")]
        if not is_translation:
            kinds = ("substitutions", "deletions", "insertions", "reference_tokens")
            counts = [score["wer"].get(kind, "-") for kind in kinds]
            cells.append("{} + {} + {} of {}".format(*counts))
        rows.append([name, *cells])
    return rows


def told(score: dict) -> str:
    """A score with its 95 % interval, if it has one."""
    value = f"{score['percent']:.1f} %" if "percent" in score else f"{score['score']:.1f}"
    return value + (f" [{score['low']:.1f}, {score['high']:.1f}]" if "low" in score else "")


def load_scores(folders: dict[str, Path]) -> dict[str, dict | None]:
    """score.json of each decoded set, None where there is none."""
    paths = {name: folder / "score.json" for name, folder in folders.items()}
    return {
        name: json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        for name, path in paths.items()
    }


def recognised_examples(references: Path, hypotheses: Path) -> list[str]:
    """Recognised sentences beside what was said, the errors marked."""
    if not hypotheses.is_file() or not references.is_file():
        return [page.not_run("decoding")]
    refs, hyps = read_table(references), read_table(hypotheses)
    made = []
    for utt in refs.keys() & hyps.keys():
        pairs = page.align_words(refs[utt], hyps[utt])
        errors = sum(kind != "equal" for kind, *_ in pairs)
        made.append((errors / max(len(refs[utt].split()), 1), errors, utt, pairs))
    parts = [page.paragraph(MARKS, "note")]
    for _, errors, utt, pairs in evenly(sorted(made, key=lambda row: row[:3])):
        said, decoded = page.marked(pairs)
        count = f"{errors} error{'' if errors == 1 else 's'}"
        parts.append(page.example(f"{utt}: {count}", [("said", said), ("decoded", decoded)]))
    return parts


def translated_examples(references: Path, hypotheses: Path, sources: Path | None) -> list[str]:
    """Translations beside what was said and a human's translation, from the best to the worst."""
    if not hypotheses.is_file() or not references.is_file():
        return [page.not_run("decoding")]
    from html import escape

    from sacrebleu.metrics import CHRF

    refs, hyps = read_table(references), read_table(hypotheses)
    said = read_table(sources) if sources and sources.is_file() else {}
    chrf = CHRF()
    made = []
    for utt in refs.keys() & hyps.keys():
        made.append((-chrf.sentence_score(hyps[utt], [refs[utt]]).score, utt))
    parts = [page.paragraph("By chrF of the sentence, the best first, evenly spaced.", "note")]
    for score, utt in evenly(sorted(made)):
        lines = [("said", escape(said[utt]))] if utt in said else []
        lines += [("reference", escape(refs[utt])), ("translated", escape(hyps[utt]) or "(empty)")]
        parts.append(page.example(f"{utt}: chrF {-score:.0f}", lines))
    return parts


def evenly(items: Sequence, count: int = NUM_EXAMPLES) -> list:
    """At most `count` of them, the first and the last included, evenly spaced."""
    places = np.linspace(0, len(items) - 1, min(count, len(items)), dtype=int)
    return [items[place] for place in places]


def segments_section(
    encoder: SegmentEncoder, dump: Path, wav_scp: Path, rate_hz: float | None = None
) -> Section:
    """One utterance as the model's own frontend segments it: the one nearest to 4 s."""
    import torch

    title = "Segments of an utterance"
    for path in (wav_scp, dump / "wav.scp"):
        if not path.is_file():
            return Section(title, [page.not_run("picture", f"{path} is missing")])
    config, recordings = encoder.segmenter, read_recordings(wav_scp)
    wanted = 4 * config.frame_rate_hz
    made = [row for row in read_dump(dump) if row[0] in recordings]
    if not made:
        return Section(title, [page.not_run("picture", f"{wav_scp} has none of {dump}")])
    utt, units, entropies = min(made, key=lambda row: abs(len(row[1]) - wanted))
    batch = (torch.from_numpy(units)[None], torch.from_numpy(entropies)[None])
    with torch.inference_mode():
        lengths = torch.tensor([len(units)])
        boundaries = encoder.find_boundaries(*batch, lengths, rate_hz=rate_hz)[0].numpy()

    def draw(path: Path) -> None:
        plot_segmentation(
            path,
            name=utt,
            waveform=recordings[utt].samples(SAMPLE_RATE),
            sample_rate=SAMPLE_RATE,
            entropies=entropies,
            boundaries=boundaries,
            config=config,
            threshold_nats=float(encoder.thresholds[0]),
        )

    text = read_table(dump / "text").get(utt, "") if (dump / "text").is_file() else ""
    caption = f"{utt}{f': “{text}”' if text else ''}; dashed: where the model's segments begin."
    return Section(title, [drawn(draw, caption)])


def pictures_of(folder: Path, captions: dict[str, str]) -> list[str]:
    """All PNGs of a folder, those with a caption first and in the captions' order."""
    order = list(captions)
    found = sorted(
        folder.glob("*.png"),
        key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem),
    )
    return [page.picture(p, captions.get(p.stem, p.stem.replace("_", " "))) for p in found]


def tables_of(path: Path) -> list[str]:
    """The tables of a Markdown file."""
    if not path.is_file():
        return [page.not_run(path.name)]
    return [page.table(rows) for rows in markdown_tables(path.read_text(encoding="utf-8"))]


def rates_section(path: Path) -> Section:
    """`rates.md` of `report_segments`, a column a set; the whole table is folded."""
    title = "Rates that were reached"
    if not path.is_file():
        return Section(title, [page.not_run(path.name)])
    whole = tables_of(path)
    (_, *rows) = markdown_tables(path.read_text(encoding="utf-8"))[0]
    sets = list(dict.fromkeys(row[0] for row in rows))
    reached: dict[tuple[str, str], dict[str, str]] = {}
    for name, segmenter, aimed, threshold, rate, singles in rows:
        cell = threshold if rate == "-" else f"{rate} ({singles})"
        reached.setdefault((segmenter, aimed), {})[name] = cell
    short = [["segmenter", "aimed at [Hz]", *sets]]
    short += [[*key, *(cells.get(name, "-") for name in sets)] for key, cells in reached.items()]
    note = "Segments per second; in brackets the share of segments of one frame."
    inner = "".join(whole)
    folded = f"<details><summary>With thresholds</summary>{inner}</details>"
    return Section(title, [page.paragraph(note, "note"), page.table(short), folded])


def hash_rows(bundle: Path | None, files: Sequence[Path | str]) -> list[list[str]]:
    """SHA-256 of the bundle's parts and of other files; a part that is not the one packed says so.

    Args:
        bundle: its folder, or None.
        files: those that exist are listed.
    """
    rows = [["file", "MB", "SHA-256"]]
    packed = {}
    if bundle and (bundle / "config.yaml").is_file():
        packed = {bundle / name: Bundle.open(bundle).config["files"][name] for name in FILES}
        files = [bundle / "config.yaml", *packed, *files]
    for path in listed_files(files):
        found = file_hash(path)
        differs = packed.get(path, found) != found
        note = f" (differs from {packed[path]}, with which it was packed)" if differs else ""
        rows.append([str(path), f"{path.stat().st_size / 1e6:.2f}", found + note])
    return rows


def configuration_section(configs: Sequence[Path | str]) -> Section:
    """Configurations as they stand in their files, folded."""
    files = listed_files(configs)
    parts = [page.folded(str(path), path.read_text(encoding="utf-8")) for path in files]
    missing = [str(path) for path in configs if Path(path) not in files]
    parts += [page.not_run(path) for path in missing]
    return Section("Configuration", parts or [page.not_run("no configuration")])


def origin_section(
    *,
    called_as: str,
    stages_dir: Path | str,
    stages: Sequence[str],
    logs: Sequence[Path | str],
    bundle: Path | None,
    files: Sequence[Path | str],
) -> Section:
    """How it was made: the call, stages and their times, commands, hashes, commit, machine.

    Args:
        called_as: what was typed.
        stages_dir: folder of the stages' markers.
        stages: their names, in order.
        logs: logs or folders of logs.
        bundle: the bundle, whose parts are hashed.
        files: further files to hash.
    """
    try:
        place = git("rev-parse", "--show-prefix").rstrip("/") or "."
    except Exception:  # no git, or outside of a repository
        place = Path.cwd().name
    rows = [["stage", "state", "took", "ended"]]
    rows += [
        [s.name, s.state, s.took or "-", s.ended or "-"] for s in read_stages(stages_dir, stages)
    ]
    commands = read_commands(logs)
    facts = [["", ""], ["commit of this report", commit()], *map(list, machine())]
    facts.append(["written", datetime.now().isoformat(" ", "minutes")])
    parts = [page.paragraph(f"Called last, in {place}:")]
    parts.append(page.preformatted(called_as or "(not told)"))
    parts.append(page.table(rows))
    parts += ["<h3>Hashes</h3>", page.table(hash_rows(bundle, files), code=(0, 2))]
    parts += ["<h3>Where this page was written</h3>", page.table(facts)]
    parts.append("<h3>Commands</h3>")
    if commands:
        note = "The last run of each, from the logs; of several jobs, the first one's command."
        parts.append(page.paragraph(note, "note"))
    for c in commands:
        jobs = f"{c.jobs} jobs, " if c.jobs > 1 else ""
        failed = f", {c.failed} of them did not end well" if c.failed else ""
        line = f"{c.log}: {c.started}, {jobs}{c.seconds:.1f} s{failed}"
        parts += [page.paragraph(line), page.preformatted(c.words)]
    if not commands:
        parts.append(page.not_run("commands", "none has left a log"))
    return Section("How it was made", parts)
