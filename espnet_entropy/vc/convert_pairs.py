"""Conversions of a table of pairs, or their sources for comparison, as files."""

from pathlib import Path
from typing import NamedTuple

from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.data.audio import read_audio, write_wave
from espnet_entropy.data.kaldi import file_hash, read_yaml, write_yaml
from espnet_entropy.data.provenance import Provenance, Source, difference, stale
from espnet_entropy.data.running import Failures, Stopwatch, progress
from espnet_entropy.vc.convert import Converted, VoiceConverter
from espnet_entropy.vc.pairs import Pair, failed_path, read_pairs

SYSTEMS = ("source", "copy")


class Shard(NamedTuple):
    """Number of pairs of a shard, and how many of them were converted now and left out."""

    pairs: int
    made: int
    left_out: int


def convert_pairs(
    converter: VoiceConverter,
    pairs: Path | str,
    system: str,
    output: Path | str,
    *,
    shard: int = 1,
    num_shards: int = 1,
    max_failed: int = 0,
    **sampling,
) -> Shard:
    """Make the files NAME.wav of one shard that are not there yet.

    Args:
        converter: the model.
        pairs: table of pairs.
        system: one of SYSTEMS, or the rate of a conversion.
        output: folder to write.
        shard, num_shards: number of the shard, from 1, and number of all shards.
        max_failed: number of pairs that may be left out.
        **sampling: options of the converter's call.

    Raises:
        ValueError: the folder has files of another model or of other settings, or more than
            `max_failed` pairs fail.
    """
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    chosen = read_pairs(pairs)[shard - 1 :: num_shards]
    hashes = {name: file_hash(path) for name, path in converter.files.items()}
    # Without the calibration, because thresholds come from the model.
    bundle = {k: v for k, v in identity(converter.bundle).items() if k != FILES[2]}
    settings = {"system": system, "bundle": bundle} | hashes | sampling
    _check_settings(output / "settings.yaml", settings)
    missing = [pair for pair in chosen if not _is_there(pair, output)]
    failures = Failures(max_failed, what="pair ")
    if missing:
        # These scores include the files that are replaced.
        (output / "scores.tsv").unlink(missing_ok=True)
        for pair in progress(missing, f"{system}, shard {shard}"):
            try:
                _convert(converter, pair, system, output, sampling)
            except ValueError as error:
                failures.leave_out(pair.name, error)
        failures.write(failed_path(output, shard))
    write_yaml(output / f"shard.{shard}.yaml", {"pairs": len(chosen)})
    left_out = len(failures.reasons)
    return Shard(len(chosen), len(missing) - left_out, left_out)


def _is_there(pair: Pair, output: Path) -> bool:
    """Whether a pair's file exists and was made from its present recordings."""
    if not (output / f"{pair.name}.wav").exists():
        return False
    return not stale(output / f"{pair.name}.made_from", {}, _sources(pair))


def _sources(pair: Pair) -> dict[str, Source]:
    return {"source": Source(pair.source), "target": Source(pair.target)}


def _convert(
    converter: VoiceConverter, pair: Pair, system: str, output: Path, sampling: dict
) -> None:
    """Write the record of a result, then NAME.yaml with its numbers, then NAME.wav."""
    stopwatch, made_from = Stopwatch(), Provenance({})
    (output / f"{pair.name}.wav").unlink(missing_ok=True)
    for name, source in _sources(pair).items():
        made_from.note(name, source)
    made = _make(converter, pair, system, sampling)
    is_conversion = system not in SYSTEMS
    record = {
        "rate_hz": round(made.rate_hz, 3) if is_conversion else None,
        "seconds": round(len(made.wave) / made.sample_rate, 3),
        "took_seconds": round(stopwatch.elapsed, 3),
        "vocoder": made.vocoder or None,
    }
    made_from.save(output / f"{pair.name}.made_from")
    write_yaml(output / f"{pair.name}.yaml", record)
    write_wave(output / f"{pair.name}.wav", made.wave, made.sample_rate)


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


def _make(converter: VoiceConverter, pair: Pair, system: str, sampling: dict) -> Converted:
    if system == "copy":
        return converter.copy(pair.source)
    if system == "source":
        rate = converter.mel_config.sample_rate
        return Converted(read_audio(pair.source, rate), rate, None, 0.0, "")
    return converter(pair.source, pair.target, **sampling)
