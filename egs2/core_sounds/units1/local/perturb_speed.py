#!/usr/bin/env python
"""A data folder with speed-perturbed copies beside the originals.

As with sox's "speed", pitch and tempo change together: the wave is resampled with an exact ratio
and played at the old rate. Units are made from waveforms, so this comes before the dump. Recordings
are read as the dump reads them, in any format, rate and number of channels.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
from flac import RATE, is_current, run_jobs, write_atomically, write_flac
from scipy.signal import resample_poly

from espnet_entropy.audio import read_audio
from espnet_entropy.data import read_table

COPIED = ("text", "text.tc", "utt2dur", "utt2prompt")
TRANSLATIONS = "text.tc.*"  # copied too; not every utterance has one


def perturbed_length(samples: int, factor: Fraction) -> int:
    """ceil(samples / factor), which is what resample_poly returns."""
    return -(-samples * factor.denominator // factor.numerator)


def perturb(wave: np.ndarray, factor: Fraction) -> np.ndarray:
    """(N,) -> (ceil(N / factor),), clipped to [-1, 1]; 0.9 is slower, lower and longer."""
    return np.clip(resample_poly(wave, factor.denominator, factor.numerator), -1, 1)


def perturb_file(job: tuple[str, str, Path, Fraction]) -> tuple[int, str]:
    """Write one perturbed clip unless it is there and current.

    Returns:
        Its samples, and why there is none: an error message, or "".
    """
    _, source, target, factor = job
    try:
        wave = read_audio(source, RATE)
    except ValueError as error:
        return 0, str(error)
    samples = perturbed_length(len(wave), factor)
    if not is_current(target, source, samples):
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
    reasons = {utt: reason for (utt, *_), (_, reason) in zip(jobs, done, strict=True) if reason}
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
    sorted: an utterance id starts with its speaker.
    """
    joined = {name: dict(table) for name, table in tables.items()}
    for prefix in factors:
        for name, table in tables.items():
            for utt, value in table.items():
                if utt in failed:
                    continue
                new = f"{prefix}-{utt}"
                if name == "wav.scp":
                    value = f"{output / 'audio' / new}.flac"
                elif name == "utt2spk":
                    value = f"{prefix}-{value}"
                elif name == "utt2dur":
                    value = f"{float(value) / float(factors[prefix]):.3f}"
                joined[name][new] = value
    speakers: dict[str, list[str]] = {}
    ids = sorted(joined["wav.scp"], key=str.encode)
    for utt in ids:
        speakers.setdefault(joined["utt2spk"][utt], []).append(utt)
    lines = (f"{s} {' '.join(speakers[s])}\n" for s in sorted(speakers, key=str.encode))
    write_atomically(output / "spk2utt", "".join(lines))
    for name in sorted(joined):  # wav.scp comes last
        table = joined[name]
        write_atomically(output / name, "".join(f"{u} {table[u]}\n" for u in ids if u in table))


def read_tables(folder: Path) -> dict[str, dict[str, str]]:
    """The tables of a data folder by name.

    Raises:
        ValueError: one of them lacks an utterance, or cannot be read.
    """
    names = ("wav.scp", "utt2spk", *(n for n in COPIED if n == "text" or (folder / n).exists()))
    tables = {name: read_table(folder / name) for name in names}
    for name, table in tables.items():
        lacking = sorted(tables["wav.scp"].keys() - table.keys())
        if lacking:
            raise ValueError(f"{folder / name} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    return tables | {path.name: read_table(path) for path in folder.glob(TRANSLATIONS)}


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
    originals = tables["wav.scp"]
    jobs = [
        (utt, source, args.output / "audio" / f"{prefix}-{utt}.flac", factor)
        for prefix, factor in factors.items()
        for utt, source in originals.items()
    ]
    if args.tables_only == "true":
        failed = {utt for utt, _, target, _ in jobs if not target.exists()}
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
