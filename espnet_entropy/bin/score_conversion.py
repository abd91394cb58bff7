"""Score a folder of converted recordings: what is understood, whose voice it is, how it sounds."""

import csv
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.running import progress
from espnet_entropy.vc.judges import normalize, sphinx_judge, whisper_judge
from espnet_entropy.vc.measures import (
    Voice,
    dnsmos,
    measure_voice,
    pitch_correlation,
    speaker_similarity,
    spectrum_distance,
)
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.pairs import Pair, read_pairs, without_failed
from espnet_entropy.vc.summary import NOT_HEARD

# Seconds of sound that can be measured.
SHORTEST_SEC = 0.1
COLUMNS = (
    "name",
    "whisper",
    "sphinx",
    "to_target",
    "to_source",
    "spectrum_to_target",
    "spectrum_to_source",
    "pitch_correlation",
    "dnsmos",
)


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--pairs", required=True, help="table: name, source, target, ...")
    parser.add_argument("--folder", required=True, help="with NAME.wav of every pair")
    parser.add_argument("--judge", help="Whisper model of CTranslate2; PocketSphinx alone if none")
    parser.add_argument("--num_dnsmos", type=int, default=20, help="files that DNSMOS hears")
    parser.add_argument("--output", required=True, help="table to write, a line a file")
    return parser


@command(get_parser)
def main(args) -> None:
    """Score all files of a folder except those of pairs that are listed as failed."""
    folder, config = Path(args.folder), MelConfig()
    pairs = without_failed(read_pairs(args.pairs), [folder])
    if not pairs:
        raise ValueError(f"{folder}: none of the pairs of {args.pairs} was converted")
    absent = [pair.name for pair in pairs if not (folder / f"{pair.name}.wav").is_file()]
    if absent:
        raise ValueError(
            f"{folder} lacks {len(absent)} of {len(pairs)} files ({absent[0]}.wav, ...); convert "
            "them first (stage 8)"
        )
    whisper = whisper_judge(args.judge) if args.judge else None
    judges = (whisper, sphinx_judge())
    voices: dict[str, Voice] = {}

    def voice_of(path: str) -> Voice:
        if path not in voices:
            voices[path] = measure_voice(read_audio(path, config.sample_rate), config)
        return voices[path]

    # Evenly over the table, in which neighbours are alike.
    heard = set(np.linspace(0, len(pairs) - 1, min(args.num_dnsmos, len(pairs)), dtype=int))
    rows = []
    for index, pair in enumerate(progress(pairs, f"scoring {folder}")):
        wave = read_audio(folder / f"{pair.name}.wav", config.sample_rate)
        try:
            row = _score(pair, wave, config, voice_of, judges)
        except ValueError as error:
            raise ValueError(f"pair {pair.name}: {error}") from error
        quality = dnsmos(wave, config.sample_rate) if index in heard else float("nan")
        rows.append((*row, f"{quality:.3f}"))
    with atomic_text(args.output) as file:
        csv.writer(file, delimiter="\t", lineterminator="\n").writerows([COLUMNS, *rows])
    print(f"{args.output}: {len(rows)} files")


def _score(pair: Pair, wave: np.ndarray, config: MelConfig, voice_of, judges) -> tuple[str, ...]:
    source, target = voice_of(pair.source), voice_of(pair.target)
    heard = [_hear(judge, wave) if normalize(pair.text) else "" for judge in judges]
    # A conversion that made silence, or next to nothing, is no voice: not closer to the target.
    numbers = (float("nan"),) * 5
    if len(wave) >= SHORTEST_SEC * config.sample_rate and wave.any():
        voice = measure_voice(wave, config)
        numbers = (
            speaker_similarity(voice, target),
            speaker_similarity(voice, source),
            spectrum_distance(voice, target),
            spectrum_distance(voice, source),
            pitch_correlation(voice, source),
        )
    return (pair.name, *heard, *(f"{number:.4f}" for number in numbers))


def _hear(judge, wave: np.ndarray) -> str:
    return normalize(judge(wave)) if judge else NOT_HEARD


if __name__ == "__main__":
    main()
