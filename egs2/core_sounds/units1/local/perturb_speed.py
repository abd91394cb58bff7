#!/usr/bin/env python
"""A data folder with speed-perturbed copies beside the originals.

As with sox's "speed", pitch and tempo change together: the wave is resampled with an exact ratio
and played at the old rate. Units are made from waveforms, so this comes before the dump. Recordings
are read as the dump reads them, in any format, rate and number of channels, and cut by `segments`.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from flac import RATE, is_current, run_jobs, write_atomically, write_flac
from scipy.signal import resample_poly

from espnet_entropy.data import read_table
from espnet_entropy.recordings import CHANNELS, SEGMENTS, Recording, read_recordings

COPIED = ("text.tc", "utt2dur", "utt2prompt")
TRANSLATIONS = "text.tc.*"  # copied too; not every utterance has one


def perturbed_length(samples: int, factor: Fraction) -> int:
    """ceil(samples / factor), which is what resample_poly returns."""
    return -(-samples * factor.denominator // factor.numerator)


def perturb(wave: np.ndarray, factor: Fraction) -> np.ndarray:
    """(N,) -> (ceil(N / factor),), clipped to [-1, 1]; 0.9 is slower, lower and longer."""
    return np.clip(resample_poly(wave, factor.denominator, factor.numerator), -1, 1)


def perturb_file(job: tuple[Recording, list[Path], Path, Fraction]) -> tuple[int, str]:
    """Write one perturbed clip unless it is there and newer than recording and tables.

    Returns:
        Its samples, and why there is none: an error message, or "".
    """
    recording, tables, target, factor = job
    try:
        wave = recording.samples(RATE)
    except ValueError as error:
        return 0, str(error)
    samples = perturbed_length(len(wave), factor)
    if not all(is_current(target, path, samples) for path in (recording.origin.path, *tables)):
        write_flac(target, perturb(wave, factor))
    return samples, ""


def perturb_all(jobs: list[tuple], nj: int, most: int) -> tuple[int, set[str]]:
    """Make the clips of all jobs.

    Args:
        jobs: of `perturb_file`.
        nj: processes.
        most: recordings that may fail; the dump, which reads the originals too, lists them.

    Returns:
        The samples of all clips, and the utterances that have none.

    Raises:
        ValueError: more recordings cannot be read.
    """
    done = run_jobs(perturb_file, jobs, nj, "perturbing")
    reasons = {
        recording.utterance: reason
        for (recording, *_), (_, reason) in zip(jobs, done, strict=True)
        if reason
    }
    if len(reasons) > most:
        utt, reason = next(iter(reasons.items()))
        raise ValueError(
            f"{len(reasons)} recordings cannot be read, {most} are tolerated (--max_failed_utts): "
            f"utt {utt}: {reason}"
        )
    return sum(samples for samples, _ in done), set(reasons)


def parse_factors(text: str) -> dict[str, Fraction]:
    """ "0.9 1.0,1.1" -> `{"sp0.9": 9/10, "sp1.1": 11/10}`: 1.0 is the original."""
    factors = {}
    for name in text.replace(",", " ").split():
        try:
            factor = Fraction(name)
        except ValueError:
            raise ValueError(f"--factors: '{name}' is not a number") from None
        if not Fraction(1, 2) <= factor <= 2 or factor.denominator > 1000:
            raise ValueError(
                f"--factors: '{name}' is not from 0.5 to 2 with at most three decimals"
            )
        if factor != 1 and factor not in factors.values():
            factors[f"sp{name}"] = factor
    if not factors:
        raise ValueError(f"--factors: '{text}' names no other speed than that of the originals")
    return factors


def write_folder(
    output: Path, tables: dict[str, dict], factors: dict, failed: frozenset | set = frozenset()
) -> None:
    """Originals and copies, sorted as in the C locale; the utterances of `failed` have no copies.

    As in Kaldi, the prefix goes before the speaker too, so that both columns of utt2spk stay
    sorted: an utterance id starts with its speaker. Where `segments` cuts the originals, a copy is
    still a recording of its own.
    """
    joined = {name: dict(table) for name, table in tables.items()}
    for prefix, factor in factors.items():
        for utt in utterances_of(tables).keys() - failed:
            new = f"{prefix}-{utt}"
            made = {name: table[utt] for name, table in tables.items() if utt in table}
            made["utt2spk"] = f"{prefix}-{made['utt2spk']}"
            if "utt2dur" in made:
                made["utt2dur"] = f"{float(made['utt2dur']) / float(factor):.3f}"
            made["wav.scp"] = f"{output / 'audio' / new}.flac"
            made |= {SEGMENTS: f"{new} 0 -1", CHANNELS: f"{new} 1"}
            for name, table in joined.items():
                if name in made:
                    table[new] = made[name]
    speakers: dict[str, list[str]] = {}
    ids = sorted(utterances_of(joined), key=str.encode)
    for utt in ids:
        speakers.setdefault(joined["utt2spk"][utt], []).append(utt)
    lines = (f"{s} {' '.join(speakers[s])}\n" for s in sorted(speakers, key=str.encode))
    write_atomically(output / "spk2utt", "".join(lines))
    for name in {SEGMENTS, CHANNELS} - joined.keys():
        (output / name).unlink(missing_ok=True)  # of other originals
    for name in sorted(joined):  # wav.scp comes last
        table = joined[name]
        keys = sorted(table, key=str.encode) if name in ("wav.scp", CHANNELS) else ids
        write_atomically(output / name, "".join(f"{k} {table[k]}\n" for k in keys if k in table))


def utterances_of(tables: dict[str, dict[str, str]]) -> dict[str, str]:
    """The table whose keys are the utterances."""
    return tables.get(SEGMENTS, tables["wav.scp"])


def read_tables(folder: Path) -> dict[str, dict[str, str]]:
    """The tables of a data folder by name.

    Raises:
        ValueError: one of them lacks an utterance, or cannot be read.
    """
    names = ("wav.scp", "utt2spk", "text", *(name for name in COPIED if (folder / name).exists()))
    tables = {name: read_table(folder / name) for name in names}
    tables |= {path.name: read_table(path) for path in tables_beside(folder)}
    for name, table in tables.items():
        lacking = sorted(utterances_of(tables).keys() - table.keys())
        if lacking and name not in ("wav.scp", CHANNELS):
            raise ValueError(f"{folder / name} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    return tables | {path.name: read_table(path) for path in folder.glob(TRANSLATIONS)}


def tables_beside(folder: Path) -> list[Path]:
    """The tables that say what of the recordings in wav.scp is heard."""
    return [folder / name for name in (SEGMENTS, CHANNELS) if (folder / name).is_file()]


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the originals")
    parser.add_argument("--factors", default="0.9,1.1", help="speeds, by commas or blanks")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument(
        "--max_failed_utts", type=int, default=0, help="recordings that may have no copies"
    )
    parser.add_argument(
        "--tables_only",
        choices=("true", "false"),
        default="false",
        help="true: the copies are there already, and the tables are written again",
    )
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    factors = parse_factors(args.factors)
    tables = read_tables(args.data)
    originals, beside = read_recordings(args.data / "wav.scp"), tables_beside(args.data)
    jobs = [
        (recording, beside, args.output / "audio" / f"{prefix}-{utt}.flac", factor)
        for prefix, factor in factors.items()
        for utt, recording in originals.items()
    ]
    if args.tables_only == "true":
        failed = {recording.utterance for recording, _, target, _ in jobs if not target.exists()}
        write_folder(args.output, tables, factors, failed)
        print(f"perturb_speed.py: tables of {args.output} written again")
        return
    samples, failed = perturb_all(jobs, args.nj, args.max_failed_utts)
    write_folder(args.output, tables, factors, failed)
    print(
        f"perturb_speed.py: {len(originals)} originals and "
        f"{len(jobs) - len(failed) * len(factors)} perturbed utterances "
        f"({samples / RATE / 3600:.2f} hours perturbed) -> {args.output}"
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"perturb_speed.py: {problem}")
