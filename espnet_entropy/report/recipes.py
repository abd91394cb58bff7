"""The page of each recipe: title, lead sentence, sections."""

import os
from pathlib import Path

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.kaldi import read_json, read_yaml
from espnet_entropy.espnet.trained import load_frontend, read_settings
from espnet_entropy.evaluate.outcome import decoding_seconds, encoder_rate_hz, find_score
from espnet_entropy.evaluate.training_log import read_epochs, training_minutes
from espnet_entropy.report import sections as made
from espnet_entropy.report import tables
from espnet_entropy.report.render import Section

CAPTIONS = {
    "utterance_dp": "An utterance by dp: spectrogram, entropy, boundaries (dashed).",
    "utterance_global": "The same by the plain global threshold (dotted).",
    "segment_lengths": "How long segments are at the same rate. Where the plain global threshold "
    "fires it tends to fire again: many segments of one frame, and long ones between them.",
    "thresholds": "Which threshold gives which rate. Where peaks has no maxima left, it goes on "
    "with the entropy above which other frames join.",
}
# Key of a result's JSON -> title, and what draws it.
MEASURED = {
    "boundaries": ("Boundary scores", tables.boundary_parts),
    "units": ("Quality of units", tables.unit_parts),
}


def units_report(args) -> tuple[str, str, list[Section]]:
    """The page of a bundle.

    Args:
        args: of `bin/report`.

    Returns:
        Title, lead and sections.
    """
    folder, segments = Path(args.bundle), Path(args.segments)
    lead = f"The bundle {folder} has not been packed."
    if (folder / "config.yaml").is_file():
        bundle = Bundle.open(folder)
        extractor = bundle.config["extractor"]
        told = ", ".join(f"{k} {Path(str(v)).name}" for k, v in extractor["conf"].items())
        held_out = bundle.calibration().held_out
        lead = (
            f"{bundle.num_units} units of {extractor['name']} ({told}), "
            f"{bundle.frame_rate_hz:g} per second; thresholds measured on "
            f"{Path(str(held_out.get('dump', '?'))).name}."
        )
    losses = [e.valid["loss"] for e in read_epochs(args.lm) if "loss" in e.valid]
    if losses:
        lead += f" The unit LM's best validation loss is {min(losses):.3f} nats per unit."
    rates = [made.not_run("rates.json", "stage 6 writes it")]
    if (segments / "rates.json").is_file():
        rates = tables.rate_summary(read_json(segments / "rates.json"))
    results = [read_json(path) for path in sorted(segments.glob("*.json"))]
    pictures = made.pictures_of(segments, CAPTIONS) if segments.is_dir() else []
    sections = [
        Section("Rates that were reached", rates),
        *(
            Section(f"{title}, {result['set']}", parts_of(result))
            for key, (title, parts_of) in MEASURED.items()
            for result in results
            if key in result
        ),
        Section("Pictures", pictures or [made.not_run("pictures", "run stages 6 and 7")]),
        made.training_section(args.lm, "Training of the unit LM"),
    ]
    configs = [folder / "config.yaml", folder / "calibration.yaml", *args.configs]
    return _finished(args, "Units and entropies", lead, sections, folder, configs)


def model_report(args) -> tuple[str, str, list[Section]]:
    """The page of a recogniser or translator; see `units_report`."""
    model, dump = Path(args.model), Path(args.dump)
    decoded = {name: model / f"{args.inference_tag}_{name}" for name in args.sets}
    scores = {name: find_score(folder) for name, folder in decoded.items()}
    encoder, bundle, setting, rates_hz = None, None, "not trained", {}
    if (model / "config.yaml").is_file():
        settings = read_settings(model / "config.yaml")
        bundle = Path(settings.bundle) if settings.bundle else None
        aimed, rare = args.rate or settings.rate, settings.experimental
        setting = settings.segmenter + (" on changes" if settings.on_change else "")
        setting += f" {rare.lead} frames ahead" if rare.lead else ""
        setting += f", {aimed:g} Hz aimed at" if aimed else ""
        setting += f", {settings.aggregator}"
        setting += " and durations" if rare.durations else ""
    if (model / args.model_file).is_file():
        dumps = {name: dump / name for name in args.sets if (dump / name / "wav.scp").is_file()}
        checkpoint = model / args.model_file
        encoder = load_frontend(model / "config.yaml", checkpoint, list(dumps.values())).encoder
        rates_hz = {name: encoder_rate_hz(encoder, path, args.rate) for name, path in dumps.items()}
    last = args.sets[-1]
    lead = f"{model.name}: {setting}."
    if scores[last]:
        kinds = [kind for kind in ("bleu", "chrf", "wer") if kind in scores[last]]
        best = (f"{tables.SCORE_LABELS[k]} {tables.told(scores[last][k])}" for k in kinds)
        rate = f" at {rates_hz[last]:.1f} segments/s" if last in rates_hz else ""
        lead += f" {last}: {', '.join(best)}{rate}."
    minutes, seconds = training_minutes(model), decoding_seconds(model, args.inference_tag)
    times = f"{minutes:.1f} minutes of training, {seconds:.0f} s of decoding without loading."
    note = "95 % intervals are from a bootstrap over utterances. " + times
    results = [] if any(scores.values()) else [made.not_run("scoring")]
    for label, rows, signatures in tables.score_tables({n: s for n, s in scores.items() if s}):
        results += [{"heading": label}, rows, *({"pre": signature} for signature in signatures)]
    rates = [["dataset", "segments/s", "empty hypotheses"]]
    for name, score in scores.items():
        empty = str(score.get("empty_hypotheses", "-")) if score else "not scored"
        rates.append([name, tables.written(rates_hz.get(name), 2), empty])
    results += [{"heading": "Rates"}, rates, {"note": note}]
    sections = [Section("Results", results), made.training_section(model)]
    if encoder is not None:
        scp = Path(args.data) / args.sets[0] / "wav.scp"
        sections.append(made.segments_section(encoder, dump / args.sets[0], scp, args.rate))
    for name in dict.fromkeys((args.sets[0], last)):
        references, hypotheses = dump / name / args.text, decoded[name] / "text"
        if args.recipe == "st":
            source = dump / name / args.source_text if args.source_text else None
            parts = made.translated_examples(references, hypotheses, source)
        else:
            parts = made.recognised_examples(references, hypotheses)
        sections.append(Section(f"Sentences of {name}", parts))
    title = "Speech translation" if args.recipe == "st" else "Speech recognition"
    args.files = [model / "config.yaml", model / args.model_file, *args.files]
    configs = [model / "config.yaml", *args.configs]
    return _finished(args, title, lead, sections, bundle, configs)


def vc_report(args) -> tuple[str, str, list[Section]]:
    """The page of a voice conversion; see `units_report`."""
    model, results = Path(args.model), Path(args.results)
    parts = [made.not_run("table.json", "stage 9 writes it")]
    if (results / "table.json").is_file():
        parts = tables.conversion_parts(read_json(results / "table.json"))
    if (results / "listen.html").is_file():
        where = os.path.relpath(results / "listen.html", Path(args.output).parent)
        parts.append({"link": where, "text": "Listen to source, prompt and results side by side"})
    bundle = None
    if (model / "config.yaml").is_file():
        conf = read_yaml(model / "config.yaml").get("frontend_conf") or {}
        bundle = Path(conf["bundle"]) if conf.get("bundle") else None
    lead = f"{model.name}: {training_minutes(model):.0f} minutes of training."
    sections = [Section("Results", parts), made.training_section(model)]
    args.files = [model / "config.yaml", model / args.model_file, *args.files]
    configs = [model / "config.yaml", *args.configs]
    return _finished(args, "Voice conversion", lead, sections, bundle, configs)


def _finished(args, title, lead, sections, bundle, configs) -> tuple[str, str, list[Section]]:
    """With what all reports end."""
    origin = made.origin_section(
        called_as=args.called_as,
        stages_dir=args.stages_dir,
        stages=args.stages,
        logs=args.logs,
        bundle=bundle,
        files=args.files,
    )
    return title, lead, [*sections, made.configuration_section(configs), origin]


PAGES = dict(units=units_report, asr=model_report, st=model_report, vc=vc_report)
