"""Convert a table of pairs, or copy their sources for comparison: one shard.

Existing files are kept if they were made from the same recordings. A folder with files of another
model or of other settings is refused.
"""

from pathlib import Path

from espnet_entropy.bin.common import (
    Failures,
    Stopwatch,
    add_failure_argument,
    make_parser,
    progress,
    user_errors,
)
from espnet_entropy.bin.vc_inference import (
    add_model_arguments,
    add_sampling_arguments,
    make_converter,
    sampling,
    write_wave,
)
from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import file_hash, read_yaml, write_yaml
from espnet_entropy.data.provenance import Provenance, Source, difference, stale
from espnet_entropy.vc.convert import Converted, VoiceConverter
from espnet_entropy.vc.pairs import Pair, failed_path, read_pairs

SYSTEMS = ("source", "copy")


def get_parser():
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    parser.add_argument("--pairs", required=True, help="table: name, source, target, ...")
    parser.add_argument(
        "--system",
        required=True,
        help="segments per second of the conversion; `source` for the recordings themselves, "
        "`copy` for spectrogram and vocoder without conversion",
    )
    parser.add_argument("--output", required=True, help="folder for NAME.wav")
    parser.add_argument("--num_shards", type=int, default=1, help="into how many the table is cut")
    parser.add_argument("--shard", type=int, default=1, help="which one to make, from 1")
    add_sampling_arguments(parser)
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Make the files that are not there yet."""
    if not 1 <= args.shard <= args.num_shards:
        raise ValueError(f"shard {args.shard} is not between 1 and {args.num_shards}")
    rate_hz = None if args.system in SYSTEMS else _rate(args.system)
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    pairs = read_pairs(args.pairs)[args.shard - 1 :: args.num_shards]
    converter = make_converter(args, rate_hz)
    _check_settings(output / "settings.yaml", settings_of(args, converter))
    missing = [pair for pair in pairs if not _is_there(pair, output)]
    if missing:
        # These scores include the files that are replaced.
        (output / "scores.tsv").unlink(missing_ok=True)
        stopwatch, failures = Stopwatch(), Failures(args.max_failed_utts, what="pair ")
        for pair in progress(missing, f"{args.system}, shard {args.shard}"):
            try:
                _convert(converter, pair, args)
            except ValueError as error:
                failures.leave_out(pair.name, error)
        failures.write(failed_path(output, args.shard))
        print(
            f"shard {args.shard}: {len(missing) - len(failures.reasons)} files in "
            f"{stopwatch.elapsed:.0f} s; {len(failures.reasons)} left out"
        )
    else:
        print(f"shard {args.shard}: all {len(pairs)} files exist already")
    write_yaml(output / f"shard.{args.shard}.yaml", {"pairs": len(pairs)})


def _is_there(pair: Pair, output: Path) -> bool:
    """Whether a pair's file exists and was made from its present recordings."""
    if not (output / f"{pair.name}.wav").exists():
        return False
    return not stale(output / f"{pair.name}.made_from", {}, _sources(pair))


def _sources(pair: Pair) -> dict[str, Source]:
    return {"source": Source(pair.source), "target": Source(pair.target)}


def _convert(converter: VoiceConverter, pair: Pair, args) -> None:
    """Write the record of a result, then NAME.yaml with its numbers, then NAME.wav."""
    output, stopwatch, made_from = Path(args.output), Stopwatch(), Provenance({})
    (output / f"{pair.name}.wav").unlink(missing_ok=True)
    for name, source in _sources(pair).items():
        made_from.note(name, source)
    made = _make(converter, pair, args)
    is_conversion = args.system not in SYSTEMS
    record = {
        "rate_hz": round(made.rate_hz, 3) if is_conversion else None,
        "seconds": round(len(made.wave) / made.sample_rate, 3),
        "took_seconds": round(stopwatch.elapsed, 3),
        "vocoder": made.vocoder or None,
    }
    made_from.save(output / f"{pair.name}.made_from")
    write_yaml(output / f"{pair.name}.yaml", record)
    write_wave(output / f"{pair.name}.wav", made.wave, made.sample_rate)


def settings_of(args, converter: VoiceConverter) -> dict:
    """Settings and models that the files of a folder depend on."""
    hashes = {name: file_hash(path) for name, path in converter.files.items()}
    # Without the calibration, because thresholds come from the model.
    bundle = {k: v for k, v in identity(converter.bundle).items() if k != FILES[2]}
    return {"system": args.system, "bundle": bundle} | hashes | sampling(args)


def _check_settings(path: Path, settings: dict) -> None:
    """Raise ValueError if a folder has files of other settings, else write the settings."""
    former = read_yaml(path) if path.exists() else settings
    changed = difference(former, settings)
    if changed:
        if "bundle" not in former:
            changed = "made by an older version, which does not say with which model"
        raise ValueError(
            f"{path.parent} holds files {changed}; choose another folder, or remove this one"
        )
    write_yaml(path, settings)


def _rate(system: str) -> float:
    try:
        return float(system)
    except ValueError:
        raise ValueError(
            f"--system {system!r} is neither a rate in Hz nor {' nor '.join(SYSTEMS)}"
        ) from None


def _make(converter: VoiceConverter, pair: Pair, args) -> Converted:
    if args.system == "copy":
        return converter.copy(pair.source)
    if args.system == "source":
        rate = converter.mel_config.sample_rate
        return Converted(read_audio(pair.source, rate), rate, None, 0.0, "")
    return converter(pair.source, pair.target, **sampling(args))


if __name__ == "__main__":
    main()
