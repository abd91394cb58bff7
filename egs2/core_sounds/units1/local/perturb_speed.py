#!/usr/bin/env python
"""Write a data folder with speed-perturbed copies beside the originals.

As with sox's "speed", pitch and tempo change together: the wave is resampled by an exact ratio and
played at the old rate. This comes before the dump, because units are made from waveforms.
Recordings are read as the dump reads them: in any format, sample rate and number of channels, and
cut by `segments`.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np
from flac import RATE, is_current, run_jobs, write_atomically, write_flac
from scipy.signal import resample_poly

from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import CHANNELS, SEGMENTS, Recording, read_recordings

COPIED = ("text.tc", "utt2dur", "utt2prompt")
TRANSLATIONS = "text.tc.*"  # copied too; not every utterance has one
RECORDING_TABLES = ("wav.scp", SEGMENTS, CHANNELS)


def perturbed_length(samples: int, factor: Fraction) -> int:
    """ceil(samples / factor), which is what resample_poly returns."""
    return -(-samples * factor.denominator // factor.numerator)


def perturb(wave: np.ndarray, factor: Fraction) -> np.ndarray:
    """(N,) -> (ceil(N / factor),), clipped to [-1, 1]; 0.9 is slower, lower and longer."""
    return np.clip(resample_poly(wave, factor.denominator, factor.numerator), -1, 1)


def copy_path(output: Path, name: str, recording: Recording) -> Path:
    """Path of a copy; it contains a hash of the original's place, so copies are never mixed up."""
    origin = hashlib.sha256(repr(recording.origin).encode()).hexdigest()[:8]
    return output / "audio" / f"{name}-{origin}.flac"


def perturb_file(job: tuple[Recording, Path, Fraction]) -> tuple[int, str]:
    """Write one perturbed clip unless it exists and is newer than its original.

    Returns:
        Number of samples, and the error message if the original cannot be read, else "".
    """
    recording, target, factor = job
    try:
        wave = recording.samples(RATE)
    except ValueError as error:
        return 0, str(error)
    samples = perturbed_length(len(wave), factor)
    if not is_current(target, recording.origin.path, samples):
        write_flac(target, perturb(wave, factor))
    return samples, ""


def perturb_all(jobs: list[tuple], nj: int, most: int) -> tuple[int, set[str]]:
    """Run all jobs of `perturb_file`.

    Args:
        jobs: arguments of `perturb_file`.
        nj: number of processes.
        most: number of recordings that may fail; the dump reads the originals too and lists them.

    Returns:
        Number of samples of all clips, and the utterances without a clip.

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
            f"{len(reasons)} recordings cannot be read, but --max_failed_utts allows {most}: "
            f"utt {utt}: {reason}"
        )
    return sum(samples for samples, _ in done), set(reasons)


def parse_factors(text: str) -> dict[str, Fraction]:
    """ "0.9 1.0,1.1" -> `{"sp0.9": 9/10, "sp1.1": 11/10}`, without 1.0, the original speed."""
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
        raise ValueError(f"--factors: '{text}' has no other speed than that of the originals")
    return factors


def write_folder(
    output: Path, tables: dict[str, dict], factors: dict, copies: dict[str, Path | str]
) -> None:
    """Write the tables of originals and copies, sorted as in the C locale.

    As in Kaldi, speakers get the prefix too. Utterance ids begin with their speaker, so both
    columns of utt2spk stay sorted.

    Args:
        output: folder to write.
        tables: tables of the originals, by name.
        factors: speed factors by prefix.
        copies: sound files by id of the copy; an utterance that could not be read has no copy.
    """
    joined = {name: dict(table) for name, table in tables.items()}
    for prefix, factor in factors.items():
        for name, table in tables.items():
            if name in RECORDING_TABLES:
                continue
            for utt, value in table.items():
                if name == "utt2spk":
                    value = f"{prefix}-{value}"
                elif name == "utt2dur":
                    value = f"{float(value) / float(factor):.3f}"
                if f"{prefix}-{utt}" in copies:
                    joined[name][f"{prefix}-{utt}"] = value
    for new, path in copies.items():
        joined["wav.scp"][new] = str(path)
        # A copy is a whole file with one channel.
        if SEGMENTS in joined:
            joined[SEGMENTS][new] = f"{new} 0 -1"
        if CHANNELS in joined:
            joined[CHANNELS][new] = f"{new} 1"
    speakers: dict[str, list[str]] = {}
    utts = sorted(joined[SEGMENTS if SEGMENTS in joined else "wav.scp"], key=str.encode)
    for utt in utts:
        speakers.setdefault(joined["utt2spk"][utt], []).append(utt)
    lines = (f"{s} {' '.join(speakers[s])}\n" for s in sorted(speakers, key=str.encode))
    write_atomically(output / "spk2utt", "".join(lines))
    (output / SEGMENTS).unlink(missing_ok=True)
    (output / CHANNELS).unlink(missing_ok=True)
    for name in sorted(joined):  # wav.scp comes last
        table = joined[name]
        keys = sorted(table, key=str.encode) if name in RECORDING_TABLES else utts
        write_atomically(output / name, "".join(f"{k} {table[k]}\n" for k in keys if k in table))


def read_tables(folder: Path, utts: Iterable[str]) -> dict[str, dict[str, str]]:
    """The tables of a data folder by name.

    Raises:
        ValueError: a table lacks an utterance, or cannot be read.
    """
    required = ("text", "utt2spk")
    names = (*required, *(name for name in COPIED if (folder / name).exists()))
    tables = {name: read_table(folder / name) for name in names}
    for name, table in tables.items():
        lacking = sorted(set(utts) - table.keys())
        if lacking:
            raise ValueError(f"{folder / name} lacks {len(lacking)} utterances ({lacking[0]}, ...)")
    paths = [*folder.glob(TRANSLATIONS), *(folder / name for name in RECORDING_TABLES)]
    return tables | {path.name: read_table(path) for path in paths if path.exists()}


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the originals")
    parser.add_argument("--factors", default="0.9,1.1", help="speeds, with commas or spaces")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument(
        "--max_failed_utts", type=int, default=0, help="number of recordings that may fail"
    )
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    factors = parse_factors(args.factors)
    originals = read_recordings(args.data / "wav.scp")
    tables = read_tables(args.data, originals)
    copies = {
        f"{prefix}-{utt}": (recording, copy_path(args.output, f"{prefix}-{utt}", recording), factor)
        for prefix, factor in factors.items()
        for utt, recording in originals.items()
    }
    samples, failed = perturb_all(list(copies.values()), args.nj, args.max_failed_utts)
    made = {new: job[1] for new, job in copies.items() if job[0].utterance not in failed}
    write_folder(args.output, tables, factors, made)
    print(
        f"perturb_speed.py: {len(originals)} originals and {len(made)} perturbed utterances "
        f"({samples / RATE / 3600:.2f} hours perturbed) -> {args.output}"
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"perturb_speed.py: {problem}")
