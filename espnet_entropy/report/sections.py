"""Sections of a recipe's page. A part that has not been made says so in its place."""

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import zip_longest
from pathlib import Path

import numpy as np

from espnet_entropy.aggregate.encoder import SegmentEncoder
from espnet_entropy.bundle.bundle import FILES, Bundle, file_hash
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.evaluate.training_log import read_epochs
from espnet_entropy.report.pictures import plot_training
from espnet_entropy.report.plot import plot_segmentation
from espnet_entropy.report.records import listed_files, machine, read_commands, read_stages
from espnet_entropy.report.render import Section, inline
from espnet_entropy.report.results_page import commit, git

SAMPLE_RATE = 16000
NUM_EXAMPLES = 10
MARKS = (
    "Struck through: left out. Framed: too much. Bold and underlined: another word. From the "
    "fewest errors a word to the most, evenly spaced over the set."
)


def not_run(what: str, way_out: str = "") -> dict:
    """That a part is missing, and how it would come about."""
    return {"missing": what, "way_out": way_out} if way_out else {"missing": what}


def picture(path: Path, caption: str) -> dict:
    """A PNG inside the page."""
    return {"picture": inline("image/png", path.read_bytes()), "caption": caption}


def drawn(draw: Callable[[Path], None], caption: str) -> dict:
    """A picture that `draw(path)` makes, inside the page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return picture(path, caption)


def training_section(folder: Path | str, title: str = "Training") -> Section:
    """Curves and a table by epoch of an ESPnet training."""
    epochs = read_epochs(folder)
    if not epochs:
        return Section(title, [not_run("training", f"{folder} has no log with epochs")])
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
    folded = {"folded": [rows], "title": f"All {len(epochs)} epochs"}
    return Section(title, [curve, folded if len(epochs) > 12 else rows])


def align_words(reference: str, hypothesis: str) -> list[tuple[str, str, str]]:
    """Words beside each other, along the alignment with the fewest errors (jiwer's).

    Returns:
        (kind, word of the reference, word of the hypothesis); kind is `equal`, `substitute`,
        `delete` or `insert`, and the word that is not there is empty.
    """
    ref, hyp = reference.split(), hypothesis.split()
    if not ref:  # jiwer refuses an empty reference
        return [("insert", "", word) for word in hyp]
    import jiwer

    pairs = []
    for chunk in jiwer.process_words(" ".join(ref), " ".join(hyp)).alignments[0]:
        ours = ref[chunk.ref_start_idx : chunk.ref_end_idx]
        theirs = hyp[chunk.hyp_start_idx : chunk.hyp_end_idx]
        pairs += [(chunk.type, a, b) for a, b in zip_longest(ours, theirs, fillvalue="")]
    return pairs


def recognised_examples(references: Path, hypotheses: Path) -> list:
    """Recognised sentences beside what was said, the errors marked."""
    if not hypotheses.is_file() or not references.is_file():
        return [not_run("decoding")]
    refs, hyps = read_table(references), read_table(hypotheses)
    made = []
    for utt in refs.keys() & hyps.keys():
        pairs = align_words(refs[utt], hyps[utt])
        errors = sum(kind != "equal" for kind, *_ in pairs)
        made.append((errors / max(len(refs[utt].split()), 1), errors, utt, pairs))
    parts: list = [{"note": MARKS}]
    for _, errors, utt, pairs in evenly(sorted(made, key=lambda row: row[:3])):
        title = f"{utt}: {errors} error{'' if errors == 1 else 's'}"
        lines = [("said", pairs), ("decoded", pairs)]
        parts.append({"example": title, "lines": lines, "aligned": True})
    return parts


def translated_examples(references: Path, hypotheses: Path, sources: Path | None) -> list:
    """Translations beside what was said and a human's translation, from the best to the worst."""
    if not hypotheses.is_file() or not references.is_file():
        return [not_run("decoding")]
    from sacrebleu.metrics import CHRF

    refs, hyps = read_table(references), read_table(hypotheses)
    said = read_table(sources) if sources and sources.is_file() else {}
    chrf = CHRF()
    made = []
    for utt in refs.keys() & hyps.keys():
        made.append((-chrf.sentence_score(hyps[utt], [refs[utt]]).score, utt))
    parts: list = [{"note": "These sentences are at even steps of the order by chrF, best first."}]
    for score, utt in evenly(sorted(made)):
        lines = [("said", said[utt])] if utt in said else []
        lines += [("reference", refs[utt]), ("translated", hyps[utt])]
        parts.append({"example": f"{utt}: chrF {-score:.0f}", "lines": lines})
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
            return Section(title, [not_run("picture", f"{path} is missing")])
    config, recordings = encoder.segmenter, read_recordings(wav_scp)
    wanted = 4 * config.frame_rate_hz
    made = [row for row in read_dump(dump) if row[0] in recordings]
    if not made:
        return Section(title, [not_run("picture", f"{wav_scp} has no utterance of {dump}")])
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


def pictures_of(folder: Path, captions: dict[str, str]) -> list[dict]:
    """All PNGs of a folder, those with a caption first and in the captions' order."""
    order = list(captions)
    found = sorted(
        folder.glob("*.png"),
        key=lambda path: (order.index(path.stem) if path.stem in order else len(order), path.stem),
    )
    return [picture(p, captions.get(p.stem, p.stem.replace("_", " "))) for p in found]


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
    parts = [
        {"folded": [{"pre": path.read_text(encoding="utf-8")}], "title": str(path)}
        for path in files
    ]
    parts += [not_run(str(path)) for path in configs if Path(path) not in files]
    return Section("Configuration", parts or [not_run("no configuration")])


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
    parts = [f"The last call was made in {place}:", {"pre": called_as or "(unknown)"}, rows]
    parts += [{"heading": "Hashes"}, {"table": hash_rows(bundle, files), "code": (0, 2)}]
    parts += [{"heading": "Where this page was written"}, facts, {"heading": "Commands"}]
    if commands:
        note = "The last run of each, from the logs; of several jobs, the first one's command."
        parts.append({"note": note})
    for c in commands:
        jobs = f"{c.jobs} jobs, " if c.jobs > 1 else ""
        failed = f", {c.failed} of them did not end well" if c.failed else ""
        parts.append(f"{c.log}: {c.started}, {jobs}{c.seconds:.1f} s{failed}")
        parts.append({"pre": c.words})
    if not commands:
        parts.append(not_run("commands", "none has left a log"))
    return Section("How it was made", parts)
