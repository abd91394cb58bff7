"""Sum up scored conversions: a table, and a page on which one hears them side by side."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import atomic_text, read_json, read_yaml
from espnet_entropy.evaluate.training_log import training_minutes
from espnet_entropy.report.listening_page import sound
from espnet_entropy.report.render import Section, make_page, markdown, write_result
from espnet_entropy.report.results_page import commit, cpu_model
from espnet_entropy.report.tables import conversion_parts, converted_by
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.pairs import Pair, read_pairs, without_failed
from espnet_entropy.vc.summary import NOT_HEARD, Summary, read_scores, summarize

NOTES = (
    "Where the units are of a Whisper encoder too, the error rates by Whisper favour what units "
    "keep; PocketSphinx shares nothing with them. The speaker embedding (Resemblyzer) is an input "
    "of the model too, so its cosines favour the conversion; the mean spectrum is no input.",
)


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--pairs", required=True, help="table: name, source, target, ...")
    parser.add_argument("--folder", required=True, help="with a folder of every system")
    parser.add_argument("--systems", nargs="+", required=True, help="source, copy, or rates in Hz")
    parser.add_argument("--model", required=True, help="folder of the training")
    parser.add_argument("--num_examples", type=int, default=10, help="pairs on the page")
    parser.add_argument(
        "--output", required=True, help="folder for table.json, table.md and listen.html"
    )
    return parser


@command(get_parser)
def main(args) -> None:
    """Table and page."""
    given, folder = read_pairs(args.pairs), Path(args.folder)
    # All systems are compared on the same pairs.
    pairs = without_failed(given, [folder / system for system in args.systems])
    if not pairs:
        raise ValueError(f"{folder}: no pair was converted by all of {', '.join(args.systems)}")
    # The page shows what the model makes.
    config = MelConfig(**read_yaml(Path(args.model) / "config.yaml")["mel_conf"])
    summaries = [summarize(folder / system, system, pairs) for system in args.systems]
    notes = [_origin(summaries, Path(args.model)), *NOTES]
    if len(pairs) < len(given):
        notes.append(
            f"{len(given) - len(pairs)} of {len(given)} pairs could not be converted by every "
            "system and are left out of all rows."
        )
    output, result = Path(args.output), dict(systems=list(map(asdict, summaries)), notes=notes)
    write_result(output, "table", result, conversion_parts)
    results = conversion_parts(read_json(output / "table.json"))
    chosen = np.linspace(0, len(pairs) - 1, min(args.num_examples, len(pairs)), dtype=int)
    heard = [part for i in chosen for part in _example(pairs[i], folder, args.systems, config)]
    sections = [Section("Results", results), Section("Recordings", heard)]
    with atomic_text(output / "listen.html") as file:
        file.write(make_page("Voice conversion by segments", "", sections))
    print(markdown([[row[i] for i in (0, 1, 2, 4, 7)] for row in results[0]]))
    print(f"{output}/table.md, {output}/listen.html ({len(chosen)} pairs)")


def _origin(summaries: list[Summary], model: Path) -> str:
    last = summaries[-1]
    vocoders = sorted({summary.vocoder for summary in summaries} - {""})
    return (
        f"{last.num_files} pairs; error rates are of the {last.num_judged} with a text, DNSMOS of "
        f"{last.num_dnsmos}; sound by "
        f"{' and '.join(vocoders)}; {training_minutes(model):.0f} minutes of training; commit "
        f"{commit()}, {cpu_model()}."
    )


def _example(pair: Pair, folder: Path, systems: list[str], config: MelConfig) -> list[dict]:
    """Source, prompt and what the systems have made, as parts of the page."""
    given = {} if "source" in systems else {"source": pair.source}
    given["prompt: the voice"] = pair.target
    sounds = [
        sound(label, read_audio(path, config.sample_rate), config) for label, path in given.items()
    ]
    for system in systems:
        wave = read_audio(folder / system / f"{pair.name}.wav", config.sample_rate)
        heard = read_scores(folder / system / "scores.tsv")[pair.name]["whisper"]
        heard = "" if heard == NOT_HEARD else heard
        sounds.append(sound(converted_by(system), wave, config, heard))
    said = f": “{pair.text}”" if pair.text else ""
    return [
        {"heading": f"{pair.source_speaker} to {pair.target_speaker}{said}"},
        {"sounds": sounds},
    ]


if __name__ == "__main__":
    main()
