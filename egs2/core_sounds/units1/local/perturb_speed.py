#!/usr/bin/env python
"""A data folder with speed-perturbed copies beside the originals.

As with sox's "speed", pitch and tempo change together: the wave is resampled with an exact ratio
and played at the old rate. Units are made from waveforms, so this comes before the dump.
"""

import argparse
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from flac import RATE, is_current, total_samples, write_atomically, write_flac
from scipy.signal import resample_poly

from espnet_entropy.data import read_table

COPIED = ("text", "text.tc", "utt2dur", "utt2prompt")
TRANSLATIONS = "text.tc.*"  # copied too; not every utterance has one


def perturbed_length(samples: int, factor: Fraction) -> int:
    """ceil(samples / factor), which is what resample_poly returns."""
    return -(-samples * factor.denominator // factor.numerator)


def perturb(wave: np.ndarray, factor: Fraction) -> np.ndarray:
    """(N,) -> (ceil(N / factor),), clipped to [-1, 1]; 0.9 is slower, lower and longer."""
    return np.clip(resample_poly(wave, factor.denominator, factor.numerator), -1, 1)


def perturb_file(job: tuple[str, str, Path, Fraction]) -> int:
    """Write one perturbed clip unless it is there and current; returns its samples."""
    utt, source, target, factor = job
    try:
        wave, rate = soundfile.read(source, dtype="float32")
    except (soundfile.LibsndfileError, OSError) as error:
        message = f"utt {utt}: cannot read {source} ({error}); run local/data.sh again"
        raise ValueError(message) from error
    if rate != RATE or wave.ndim != 1:
        raise ValueError(f"utt {utt}: {source} is not {RATE} Hz mono; run local/data.sh again")
    samples = perturbed_length(len(wave), factor)
    if not is_current(target, source, samples):
        write_flac(target, perturb(wave, factor))
    return samples


def parse_factors(text: str) -> dict[str, Fraction]:
    """ "0.9,1.1" -> `{"sp0.9": 9/10, "sp1.1": 11/10}`."""
    factors = {}
    for name in text.split(","):
        try:
            factor = Fraction(name)
        except ValueError:
            raise ValueError(f"--factors: '{name}' is not a number") from None
        if not Fraction(1, 2) <= factor <= 2 or factor == 1 or factor.denominator > 1000:
            raise ValueError(
                f"--factors: '{name}' is not from 0.5 to 2 without 1, with at most "
                "three decimals (the originals are always included)"
            )
        factors[f"sp{name}"] = factor
    return factors


def write_folder(output: Path, tables: dict[str, dict], factors: dict) -> None:
    """Originals and copies, sorted as in the C locale.

    As in Kaldi, the prefix goes before the speaker too, so that both columns of utt2spk stay
    sorted: an utterance id starts with its speaker.
    """
    joined = {name: dict(table) for name, table in tables.items()}
    for prefix in factors:
        for name, table in tables.items():
            for utt, value in table.items():
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


def main(cmd=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the originals")
    parser.add_argument("--factors", default="0.9,1.1", help="speeds, separated by commas")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    args = parser.parse_args(cmd)
    folder = args.data
    factors = parse_factors(args.factors)
    names = ("wav.scp", "utt2spk", *(n for n in COPIED if n == "text" or (folder / n).exists()))
    tables = {name: read_table(folder / name) for name in names}
    for name, table in tables.items():
        if table.keys() != tables["wav.scp"].keys():
            raise ValueError(f"{folder}: {name} and wav.scp name different utterances")
    tables |= {path.name: read_table(path) for path in folder.glob(TRANSLATIONS)}
    originals = tables["wav.scp"]
    jobs = [
        (utt, source, args.output / "audio" / f"{prefix}-{utt}.flac", factor)
        for prefix, factor in factors.items()
        for utt, source in originals.items()
    ]
    samples = total_samples(perturb_file, jobs, args.nj, "perturbing")
    write_folder(args.output, tables, factors)
    print(
        f"perturb_speed.py: {len(originals)} originals and {len(jobs)} perturbed utterances "
        f"({samples / RATE / 3600:.2f} hours perturbed) -> {args.output}"
    )


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"perturb_speed.py: {problem}")
