"""Sum up scored conversions: a table, and a page on which one hears them side by side."""

import math
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import atomic_text, read_yaml
from espnet_entropy.evaluate.outcome import training_minutes
from espnet_entropy.report.results_page import commit, cpu_model, table
from espnet_entropy.vc.listening_page import Example, Sound, make_page
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.pairs import Pair, read_pairs, without_failed
from espnet_entropy.vc.summary import Summary, read_scores, summarize

LABELS = {"source": "source recordings", "copy": "copy-synthesis"}
HEADER = (
    "system",
    "segments/s",
    "WER % (Whisper)",
    "CER %",
    "WER % (PocketSphinx)",
    "cosine to target",
    "to source",
    "closer to target %",
    "by spectrum %",
    "pitch correlation",
    "DNSMOS",
    "real-time factor",
)
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
    parser.add_argument("--output", required=True, help="folder for table.md and listen.html")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Table and page."""
    given, folder = read_pairs(args.pairs), Path(args.folder)
    # All systems are compared on the same pairs.
    pairs = without_failed(given, [folder / system for system in args.systems])
    if not pairs:
        raise ValueError(f"{folder}: no pair was converted by all of {', '.join(args.systems)}")
    # The page shows what the model makes.
    config = MelConfig(**read_yaml(Path(args.model) / "config.yaml")["mel_conf"])
    summaries = [summarize(folder / system, system, pairs) for system in args.systems]
    rows = [list(HEADER), *map(_row, summaries)]
    notes = [_origin(summaries, Path(args.model)), *NOTES]
    if len(pairs) < len(given):
        notes.append(
            f"{len(given) - len(pairs)} of {len(given)} pairs could not be converted by every "
            "system and are left out of all rows."
        )
    output = Path(args.output)
    with atomic_text(output / "table.md") as file:
        file.write(table(rows) + "\n\n" + "\n\n".join(notes) + "\n")
    chosen = np.linspace(0, len(pairs) - 1, min(args.num_examples, len(pairs)), dtype=int)
    examples = [_example(pairs[index], folder, args.systems, config) for index in chosen]
    with atomic_text(output / "listen.html") as file:
        file.write(make_page("Voice conversion by segments", rows, notes, examples, config))
    print(table([[row[i] for i in (0, 1, 2, 4, 7)] for row in rows]))
    print(f"{output}/table.md, {output}/listen.html ({len(examples)} pairs)")


def _row(summary: Summary) -> list[str]:
    name = LABELS.get(summary.system, f"{summary.system} Hz")
    return [
        name,
        _number(summary.rate_hz, 1),
        _number(summary.wer["whisper"], 1),
        _number(summary.cer["whisper"], 1),
        _number(summary.wer["sphinx"], 1),
        _number(summary.to_target, 3),
        _number(summary.to_source, 3),
        _number(summary.closer, 0),
        _number(summary.spectrum_closer, 0),
        _number(summary.pitch_correlation, 2),
        _number(summary.dnsmos, 2),
        _number(summary.real_time_factor, 2),
    ]


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _origin(summaries: list[Summary], model: Path) -> str:
    last = summaries[-1]
    vocoders = sorted({summary.vocoder for summary in summaries} - {""})
    return (
        f"{last.num_files} pairs; error rates are of the {last.num_judged} with a text, DNSMOS of "
        f"{last.num_dnsmos}; sound by "
        f"{' and '.join(vocoders)}; {training_minutes(model):.0f} minutes of training; commit "
        f"{commit()}, {cpu_model()}."
    )


def _example(pair: Pair, folder: Path, systems: list[str], config: MelConfig) -> Example:
    sounds = []
    if "source" not in systems:
        sounds.append(Sound("source", read_audio(pair.source, config.sample_rate)))
    sounds.append(Sound("prompt: the voice", read_audio(pair.target, config.sample_rate)))
    for system in systems:
        wave = read_audio(folder / system / f"{pair.name}.wav", config.sample_rate)
        heard = read_scores(folder / system / "scores.tsv")[pair.name]["whisper"]
        sounds.append(Sound(LABELS.get(system, f"{system} Hz"), wave, heard))
    said = f": “{pair.text}”" if pair.text else ""
    return Example(f"{pair.source_speaker} to {pair.target_speaker}{said}", sounds)


if __name__ == "__main__":
    main()
