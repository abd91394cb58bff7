#!/usr/bin/env python
"""Recordings as MP3, and how far units and scores of these differ from those of the originals."""

import argparse
import json
import os
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from tqdm import tqdm

from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.kaldi import atomic_bytes, write_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.report.render import write_result

RATE = 16000  # Hz


def write_mp3(path: Path, wave: np.ndarray, bit_rate: int) -> None:
    """(N,) float32 at 16 kHz -> an MP3 with one channel, which appears when it is whole."""
    with atomic_bytes(path) as file, av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def encode(args) -> None:
    """Data folders OUTPUT/original and OUTPUT/mp3 of the same utterances."""
    output, data = args.output.resolve(), args.recipe.resolve() / "data" / args.set
    os.chdir(args.recipe)  # to which the paths in its tables may be relative
    recordings = read_recordings(data / "wav.scp")
    if any(recording.is_cut for recording in recordings.values()):
        raise ValueError(f"{data} has segments; take a set of whole recordings")
    mp3 = {utt: output / "mp3/audio" / f"{utt}.mp3" for utt in recordings}
    (output / "mp3/audio").mkdir(parents=True, exist_ok=True)
    for utt, recording in tqdm(recordings.items(), desc="encoding", mininterval=10):
        write_mp3(mp3[utt], recording.samples(RATE), args.bit_rate)
    originals = {u: os.path.abspath(recording.source) for u, recording in recordings.items()}
    for name, table in (("original", originals), ("mp3", mp3)):
        (output / name).mkdir(exist_ok=True)
        for tier in ("text", "utt2spk"):
            shutil.copyfile(data / tier, output / name / tier)
        write_table(output / name / "wav.scp", {utt: str(path) for utt, path in table.items()})


def changed(results: Path) -> dict[str, float]:
    """The share of frames with another unit, and the entropies' mean difference in nats."""
    pairs = zip(*(read_dump(results / "dump" / form) for form in ("original", "mp3")), strict=True)
    others = frames = nats = 0
    for (utt, units, entropies), (_, mp3_units, mp3_entropies) in pairs:
        # Decoders leave out the encoder's padding, but for its last samples.
        if not 0 <= len(mp3_units) - len(units) <= 2:
            raise ValueError(f"utt {utt}: {len(units)} units, but {len(mp3_units)} of the MP3")
        others += int((units != mp3_units[: len(units)]).sum())
        nats += float(np.abs(entropies - mp3_entropies[: len(units)]).sum())
        frames += len(units)
    return dict(frames=frames, changed_share=others / frames, entropy_nats=nats / frames)


def compare(args) -> None:
    """Write RESULTS/mp3_cost.md and .json, print the table."""
    units, rows = changed(args.results), [["", "original", "MP3", "difference"]]
    read = [
        json.loads((args.results / f"{form}{kind}.json").read_text())
        for kind in ("_units", "")
        for form in ("original", "mp3")
    ]
    for frames in ("all frames", "speech"):
        rows.append(_row(f"PNMI, {frames}", *(r["units"][frames]["pnmi"] for r in read[:2])))
    for one, other in zip(*(result["boundaries"] for result in read[2:]), strict=True):
        rate = "" if one["rate_hz"] is None else f" {one['rate_hz']:g} Hz"
        name = f"{one['method']}{rate}, phones, {1000 * one['tolerance_sec']:.0f} ms, F1"
        rows.append(_row(name, one["scores"]["f1"], other["scores"]["f1"]))
    told = (
        f"{100 * units['changed_share']:.1f} % of {units['frames']} frames have another unit; "
        f"entropies differ by {units['entropy_nats']:.2f} nats in the mean"
    )
    print(write_result(args.results, "mp3_cost", units | dict(rows=rows), lambda _: [told, rows]))


def _row(name: str, original: float, mp3: float) -> list[str]:
    return [name, f"{original:.3f}", f"{mp3:.3f}", f"{mp3 - original:+.3f}"]


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    encoder = commands.add_parser("encode", help="data folders with originals and MP3s")
    encoder.add_argument("--recipe", type=Path, required=True, help="folder of a units1 recipe")
    encoder.add_argument("--set", required=True, help="one of its sets")
    encoder.add_argument("--bit_rate", type=int, default=24000, help="bits per second")
    encoder.add_argument("--output", type=Path, required=True, help="folder to write")
    encoder.set_defaults(run=encode)
    comparer = commands.add_parser("compare", help="table of what differs")
    comparer.add_argument("--results", type=Path, required=True, help="folder of mp3_cost.sh")
    comparer.set_defaults(run=compare)
    args = parser.parse_args(cmd)
    args.run(args)


if __name__ == "__main__":
    try:
        main()
    except ValueError as problem:
        sys.exit(f"mp3.py: {problem}")
