#!/usr/bin/env python
"""Settings of the sampler compared on pairs of dev prompts: one line a setting.

A setting is GUIDANCE,TEMPERATURE,CONTRAST. Choose on dev; test pairs are for what was chosen.
"""

import argparse

import jiwer
import numpy as np

from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.running import progress
from espnet_entropy.report.results_page import commit
from espnet_entropy.vc.convert import VoiceConverter
from espnet_entropy.vc.judges import normalize, whisper_judge
from espnet_entropy.vc.measures import measure_voice, speaker_similarity, spectrum_distance
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.pairs import read_pairs


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("settings", nargs="+", help="GUIDANCE,TEMPERATURE,CONTRAST")
    parser.add_argument("--model", required=True, help="folder of the training")
    parser.add_argument("--bundle", default="../units1/exp/bundle")
    parser.add_argument("--judge", default="../units1/downloads/whisper-tiny.en")
    parser.add_argument("--pairs", default="data/pairs_dev.tsv", help="choose_pairs.py --part dev")
    parser.add_argument("--rate", type=float, default=15.0, help="segments per second")
    args = parser.parse_args(cmd)
    converter = VoiceConverter(args.model, bundle=args.bundle, rate_hz=args.rate)
    judge, pairs, config = whisper_judge(args.judge), read_pairs(args.pairs), MelConfig()
    voices = {}
    for path in {path for pair in pairs for path in (pair.source, pair.target)}:
        voices[path] = measure_voice(read_audio(path, config.sample_rate), config)
    print(f"{len(pairs)} pairs, {args.rate:g} Hz, commit {commit()}", flush=True)
    for setting in args.settings:
        guidance, temperature, contrast = map(float, setting.split(","))
        heard, closer, spectrum_closer = [], [], []
        for seed, pair in enumerate(progress(pairs, setting)):
            made = converter(
                pair.source, pair.target,
                seed=seed, guidance=guidance, temperature=temperature, contrast=contrast,
            )  # fmt: skip
            heard.append(normalize(judge(made.wave)))
            voice, source, target = (
                measure_voice(made.wave, config), voices[pair.source], voices[pair.target],
            )  # fmt: skip
            closer.append(speaker_similarity(voice, target) > speaker_similarity(voice, source))
            spectrum_closer.append(
                spectrum_distance(voice, target) < spectrum_distance(voice, source)
            )
        wer = 100 * jiwer.wer([normalize(pair.text) for pair in pairs], heard)
        print(
            f"guidance {guidance:g}, temperature {temperature:g}, contrast {contrast:g}: "
            f"WER {wer:.1f} %, closer to the target {100 * np.mean(closer):.0f} %, by spectrum "
            f"{100 * np.mean(spectrum_closer):.0f} %",
            flush=True,
        )


if __name__ == "__main__":
    main()
