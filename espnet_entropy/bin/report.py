"""A recipe's report: one HTML file with tables, pictures, configuration, hashes and commands."""

from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors

CAPTIONS = {
    "utterance_dp": "An utterance by dp: spectrogram, entropy, boundaries (dashed).",
    "utterance_global": "The same by the plain global threshold (dotted).",
    "segment_lengths": "How long segments are at the same rate. Where the plain global threshold "
    "fires it tends to fire again: many segments of one frame, and long ones between them.",
    "thresholds": "Which threshold gives which rate. Where peaks has no maxima left, it goes on "
    "with the entropy above which other frames join.",
}


def get_parser():
    parser = make_parser(__doc__)
    recipes = parser.add_subparsers(dest="recipe", required=True)
    units = recipes.add_parser("units", help="of a units1 recipe")
    units.add_argument("--bundle", required=True, help="folder of the bundle")
    units.add_argument("--lm", required=True, help="folder of the unit LM's training")
    units.add_argument("--segments", required=True, help="folder of rates.md and pictures")
    for name, title in (("asr", "recogniser"), ("st", "translator")):
        model = recipes.add_parser(name, help=f"of a {name}1 recipe's {title}")
        model.add_argument("--model", required=True, help="folder of its training")
        model.add_argument("--model_file", required=True, help="name of its checkpoint")
        model.add_argument("--inference_tag", default="decode", help="name of the decoding")
        model.add_argument("--rate", type=float, help="Hz of the decoding, if not the model's own")
        model.add_argument("--sets", nargs="+", required=True, help="decoded sets")
        model.add_argument("--dump", default="dump/raw", help="folder of the sets' dumps")
        model.add_argument("--data", default="data", help="folder of the sets' recordings")
        model.add_argument(
            "--text", default="text", help="references, in the folder of a set's dump"
        )
        model.add_argument("--source_text", help="what is said, of a translation; a file there too")
    vc = recipes.add_parser("vc", help="of a vc1 recipe's model")
    vc.add_argument("--model", required=True, help="folder of its training")
    vc.add_argument("--model_file", required=True, help="name of its checkpoint")
    vc.add_argument("--results", required=True, help="folder of table.md and listen.html")
    for one in recipes.choices.values():
        one.add_argument("--stages_dir", default="exp/.stages", help="folder of the markers")
        one.add_argument("--stages", nargs="*", default=[], help="names of the stages' markers")
        one.add_argument("--logs", nargs="*", default=[], help="logs, and folders of logs")
        one.add_argument("--configs", nargs="*", default=[], help="files to show")
        one.add_argument("--files", nargs="*", default=[], help="files to hash")
        one.add_argument("--called_as", default="", help="the recipe's call, as it was typed")
        one.add_argument("--output", required=True, help="HTML file to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Write the page."""
    # Seconds, which --help need not wait for.
    from espnet_entropy.data.kaldi import atomic_text
    from espnet_entropy.report.page import make_page

    makers = dict(units=units_report, asr=model_report, st=model_report, vc=vc_report)
    title, lead, sections = makers[args.recipe](args)
    with atomic_text(args.output) as file:
        file.write(make_page(title, lead, sections))
    print(f"report: {args.output}: {lead}")


def units_report(args) -> tuple[str, str, list]:
    """Title, lead and sections of a bundle's page."""
    from espnet_entropy.bundle.bundle import Bundle
    from espnet_entropy.report.page import Section, not_run
    from espnet_entropy.report.records import read_epochs
    from espnet_entropy.report.sections import (
        pictures_of,
        rates_section,
        tables_of,
        training_section,
    )

    folder, segments = Path(args.bundle), Path(args.segments)
    lead = f"The bundle {folder} has not been packed."
    if (folder / "config.yaml").is_file():
        bundle = Bundle.open(folder)
        extractor = bundle.config["extractor"]
        told = ", ".join(f"{k} {Path(str(v)).name}" for k, v in extractor["conf"].items())
        held_out = bundle.calibration().held_out
        lead = (
            f"{bundle.num_units} units of {extractor['name']} ({told}), "
            f"{bundle.frame_rate_hz:g} a second; thresholds measured on "
            f"{Path(str(held_out.get('dump', '?'))).name}."
        )
    losses = [e.valid["loss"] for e in read_epochs(args.lm) if "loss" in e.valid]
    if losses:
        lead += f" The unit LM's best validation loss is {min(losses):.3f} nats a unit."
    pictures = pictures_of(segments, CAPTIONS) if segments.is_dir() else []
    sections = [
        rates_section(segments / "rates.md"),
        Section("Pictures", pictures or [not_run("pictures", "run stages 6 and 7")]),
        training_section(args.lm, "Training of the unit LM"),
    ]
    others = sorted(set(segments.glob("*.md")) - {segments / "rates.md"})
    sections[1:1] = [Section(p.stem.replace("_", " ").capitalize(), tables_of(p)) for p in others]
    configs = [folder / "config.yaml", folder / "calibration.yaml", *args.configs]
    return _finished(args, "Units and entropies", lead, sections, folder, configs)


def model_report(args) -> tuple[str, str, list]:
    """Title, lead and sections of a recogniser's or translator's page."""
    from espnet_entropy.espnet.trained import read_settings
    from espnet_entropy.evaluate.outcome import decoding_seconds, training_minutes
    from espnet_entropy.report import page
    from espnet_entropy.report.page import Section
    from espnet_entropy.report.sections import (
        load_scores,
        recognised_examples,
        score_rows,
        segments_section,
        told,
        training_section,
        translated_examples,
    )

    model, dump = Path(args.model), Path(args.dump)
    decoded = {name: model / f"{args.inference_tag}_{name}" for name in args.sets}
    scores = load_scores(decoded)
    encoder, bundle, setting = None, None, "not trained"
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
        encoder, rates_hz = _rates(args, model, dump)
    else:
        rates_hz = {}
    last = args.sets[-1]
    lead = f"{model.name}: {setting}."
    if scores[last]:
        names = dict(bleu="BLEU", chrf="chrF") if "bleu" in scores[last] else dict(wer="WER")
        best = ", ".join(f"{label} {told(scores[last][key])}" for key, label in names.items())
        rate = f" at {rates_hz[last]:.1f} segments/s" if last in rates_hz else ""
        lead += f" {last}: {best}{rate}."
    minutes, seconds = training_minutes(model), decoding_seconds(model, args.inference_tag)
    times = f"{minutes:.1f} minutes of training, {seconds:.0f} s of decoding without loading."
    note = "In brackets: 95 % intervals, bootstrap over utterances. " + times
    results = [page.table(score_rows(scores, rates_hz)), page.paragraph(note, "note")]
    known = next((score for score in scores.values() if score), {})
    results += [
        page.preformatted(known[key]["signature"]) for key in ("bleu", "chrf") if key in known
    ]
    sections = [Section("Results", results), training_section(model)]
    for name in dict.fromkeys((args.sets[0], last)):
        references, hypotheses = dump / name / args.text, decoded[name] / "text"
        if args.recipe == "st":
            source = dump / name / args.source_text if args.source_text else None
            parts = translated_examples(references, hypotheses, source)
        else:
            parts = recognised_examples(references, hypotheses)
        sections.append(Section(f"Sentences of {name}", parts))
    if encoder is not None:
        scp = Path(args.data) / args.sets[0] / "wav.scp"
        sections.insert(2, segments_section(encoder, dump / args.sets[0], scp, args.rate))
    title = "Speech translation" if args.recipe == "st" else "Speech recognition"
    args.files = [model / "config.yaml", model / args.model_file, *args.files]
    configs = [model / "config.yaml", *args.configs]
    return _finished(args, title, lead, sections, bundle, configs)


def _rates(args, model: Path, dump: Path) -> tuple:
    """The model's encoder, and segments per second of the sets that are dumped."""
    from espnet_entropy.espnet.trained import load_frontend
    from espnet_entropy.evaluate.outcome import encoder_rate_hz

    sets = [name for name in args.sets if (dump / name / "wav.scp").is_file()]
    dumps = [dump / name for name in sets]
    encoder = load_frontend(model / "config.yaml", model / args.model_file, dumps).encoder
    return encoder, {name: encoder_rate_hz(encoder, dump / name, args.rate) for name in sets}


def vc_report(args) -> tuple[str, str, list]:
    """Title, lead and sections of a voice conversion's page."""
    import os

    from espnet_entropy.data.kaldi import read_yaml
    from espnet_entropy.evaluate.outcome import training_minutes
    from espnet_entropy.report import page
    from espnet_entropy.report.sections import tables_of, training_section

    model, results = Path(args.model), Path(args.results)
    parts = tables_of(results / "table.md")
    if (results / "table.md").is_file():
        text = (results / "table.md").read_text(encoding="utf-8")
        notes = [line for line in text.splitlines() if line and not line.startswith("|")]
        parts += [page.paragraph(note, "note") for note in notes]
    listening_page = results / "listen.html"
    if listening_page.is_file():
        where = os.path.relpath(listening_page, Path(args.output).parent)
        parts.append(page.link(where, "Listen to source, prompt and results side by side"))
    bundle = None
    if (model / "config.yaml").is_file():
        conf = read_yaml(model / "config.yaml").get("frontend_conf") or {}
        bundle = Path(conf["bundle"]) if conf.get("bundle") else None
    lead = f"{model.name}: {training_minutes(model):.0f} minutes of training."
    sections = [page.Section("Results", parts), training_section(model)]
    args.files = [model / "config.yaml", model / args.model_file, *args.files]
    configs = [model / "config.yaml", *args.configs]
    return _finished(args, "Voice conversion", lead, sections, bundle, configs)


def _finished(args, title, lead, sections, bundle, configs) -> tuple[str, str, list]:
    """With what all reports end."""
    from espnet_entropy.report.sections import configuration_section, origin_section

    origin = origin_section(
        called_as=args.called_as,
        stages_dir=args.stages_dir,
        stages=args.stages,
        logs=args.logs,
        bundle=bundle,
        files=args.files,
    )
    return title, lead, [*sections, configuration_section(configs), origin]


if __name__ == "__main__":
    main()
