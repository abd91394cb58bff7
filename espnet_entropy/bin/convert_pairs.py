"""Convert a table of pairs, or copy their sources for comparison: one shard."""

from pathlib import Path

from espnet_entropy.audio import read_audio
from espnet_entropy.bin.common import Stopwatch, make_parser, progress, user_errors
from espnet_entropy.bin.vc_inference import (
    add_model_arguments,
    add_sampling_arguments,
    make_converter,
    sampling,
    write_wave,
)
from espnet_entropy.data import read_yaml, write_yaml
from espnet_entropy.vc.convert import Converted, VoiceConverter
from espnet_entropy.vc.pairs import Pair, read_pairs

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
    _check_settings(output / "settings.yaml", args)
    missing = [pair for pair in pairs if not (output / f"{pair.name}.wav").exists()]
    if missing:
        converter, stopwatch = make_converter(args, rate_hz), Stopwatch()
        for pair in progress(missing, f"{args.system}, shard {args.shard}"):
            _convert(converter, pair, args)
        print(f"shard {args.shard}: {len(missing)} files in {stopwatch.elapsed:.0f} s")
    else:
        print(f"shard {args.shard}: all {len(pairs)} files are there already")
    write_yaml(output / f"shard.{args.shard}.yaml", {"pairs": len(pairs)})


def _convert(converter: VoiceConverter, pair: Pair, args) -> None:
    """Write NAME.yaml, what is to be known of a result, and then NAME.wav."""
    stopwatch = Stopwatch()
    try:
        made = _make(converter, pair, args)
    except ValueError as error:
        raise ValueError(f"pair {pair.name}: {error}") from error
    is_conversion = args.system not in SYSTEMS
    record = {
        "rate_hz": round(made.rate_hz, 3) if is_conversion else None,
        "seconds": round(len(made.wave) / made.sample_rate, 3),
        "took_seconds": round(stopwatch.elapsed, 3),
        "vocoder": made.vocoder or None,
    }
    output = Path(args.output)
    write_yaml(output / f"{pair.name}.yaml", record)
    write_wave(output / f"{pair.name}.wav", made.wave, made.sample_rate)


def _check_settings(path: Path, args) -> None:
    """ValueError if a folder has files that were made otherwise; else note how they are made."""
    names = ("system", "model", "checkpoint", "vocoder", "pairs")
    settings = {name: getattr(args, name) for name in names} | sampling(args)
    settings = {name: value if value is None else str(value) for name, value in settings.items()}
    former = read_yaml(path) if path.exists() else settings
    changed = [name for name, value in settings.items() if former.get(name) != value]
    if changed:
        name = changed[0]
        raise ValueError(
            f"{path.parent} holds files made with {name} {former.get(name)}, not {settings[name]}; "
            "name another folder, or remove it"
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
