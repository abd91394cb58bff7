#!/usr/bin/env python
"""Copies of a set with pauses around the speech and with background noise: OUTPUT/NAME.

The conditions are `clean`, `pink` (1/f noise) and `babble` (six pieces of other sets'
speech at once). The noise lies so many dB below the mean power of the recording.
"""

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
from flac import RATE, write_flac
from tqdm import tqdm

from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.recordings import read_recordings

PAUSE = RATE // 2  # samples before and behind each recording
NOISES = ("clean", "pink", "babble")
FLOOR = 1e-4  # amplitude of the white noise in which clean recordings are
VOICES = 6


def pink(length: int, rng: np.random.Generator) -> np.ndarray:
    """(N,) noise whose power falls with the frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(length))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, length)


def babble(length: int, rng: np.random.Generator, voices: list[np.ndarray]) -> np.ndarray:
    """(N,) several pieces of speech at once, each from a random place on.

    Raises:
        ValueError: there are fewer than VOICES.
    """
    if len(voices) < VOICES:
        raise ValueError(f"--voices hold {len(voices)} half minutes; babble needs {VOICES}")
    chosen = [voices[i] for i in rng.choice(len(voices), VOICES, replace=False)]
    places = [np.arange(length) + rng.integers(len(voice)) for voice in chosen]
    return sum(v.take(at, mode="wrap") for v, at in zip(chosen, places, strict=True))


def in_noise(wave: np.ndarray, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """The wave between two pauses, in noise (N + 2 * PAUSE,) at this signal-to-noise ratio.

    Raises:
        ValueError: one of them is silent, or the ratio is not finite.
    """
    if not (np.any(wave) and np.any(noise) and np.isfinite(snr_db)):
        raise ValueError(
            f"no noise {snr_db} dB below speech can be added where one of them is silent, or the "
            "ratio is not finite"
        )
    level = np.sqrt(np.mean(wave**2) / np.mean(noise**2)) * 10 ** (-snr_db / 20)
    mixed = np.pad(wave, PAUSE) + level * noise
    return mixed / max(1.0, np.abs(mixed).max())


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="data folder of a set")
    parser.add_argument("--noises", nargs="+", choices=NOISES, default=list(NOISES))
    parser.add_argument("--voices", type=Path, nargs="+", help="data folders for babble")
    parser.add_argument("--snr_db", type=float, default=10.0, help="dB of speech above the noise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, required=True, help="folder of the new sets")
    args = parser.parse_args(cmd)
    rng = np.random.default_rng(args.seed)
    voices = [
        np.concatenate([r.samples(RATE) for r in read_recordings(data / "wav.scp").values()])
        for data in args.voices or []
    ]
    # Pieces of half a minute, so that one voice can be there more than once.
    voices = [voice[i : i + 30 * RATE] for voice in voices for i in range(0, len(voice), 30 * RATE)]
    makers = dict(
        clean=lambda length: rng.standard_normal(length),
        pink=lambda length: pink(length, rng),
        babble=lambda length: babble(length, rng, voices),
    )
    for name in args.noises:
        folder = args.output / f"{args.data.name}_{name}"
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        table = {}
        for utt, recording in tqdm(read_recordings(args.data / "wav.scp").items(), desc=name):
            wave = recording.samples(RATE).astype(np.float64)
            noise = makers[name](len(wave) + 2 * PAUSE)
            snr_db = args.snr_db
            if name == "clean":
                snr_db = 20 * np.log10(np.sqrt(np.mean(wave**2)) / FLOOR)
            path = folder / "audio" / f"{utt}.flac"
            write_flac(path, in_noise(wave, noise, snr_db))
            table[utt] = str(path)
        for tier in ("text", "utt2spk"):
            shutil.copyfile(args.data / tier, folder / tier)
        write_table(folder / "wav.scp", table)


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"add_noise.py: {problem}")
