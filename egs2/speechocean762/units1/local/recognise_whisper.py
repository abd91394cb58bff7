#!/usr/bin/env python
"""What a whole Whisper model recognises in a set: the figure to which ours is compared.

Writes `ref` and `hyp` for `espnet_entropy.bin.score`. faster-whisper decodes with a beam of 5 and
its other defaults: what is unlikely or repetitive is decoded again at higher temperatures.
Whisper writes numbers in digits, which become words one by one, as this corpus reads them.
"""

import argparse
import sys
from pathlib import Path

from faster_whisper import WhisperModel
from tqdm import tqdm

from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table, write_table
from espnet_entropy.vc.judges import SAMPLE_RATE, normalize


def main(cmd=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="data/SET")
    parser.add_argument("--model", default="downloads/whisper-tiny.en", help="folder of the model")
    parser.add_argument("--every", type=int, default=1, help="take every N-th utterance")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(cmd)
    model = WhisperModel(args.model, device="cpu", compute_type="float32", local_files_only=True)
    texts = read_table(args.data / "text")
    recordings = [*read_table(args.data / "wav.scp").items()][:: args.every]
    heard = {}
    for utt, path in tqdm(recordings, file=sys.stderr, mininterval=10):
        segments, _ = model.transcribe(read_audio(path, SAMPLE_RATE), language="en", beam_size=5)
        heard[utt] = normalize(" ".join(segment.text for segment in segments))
    args.output.mkdir(parents=True, exist_ok=True)
    write_table(args.output / "ref", {utt: texts[utt] for utt in heard})
    write_table(args.output / "hyp", heard)


if __name__ == "__main__":
    main()
