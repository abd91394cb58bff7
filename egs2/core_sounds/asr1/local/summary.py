#!/usr/bin/env python
"""One trained model in a few lines: error rates, segments per second, decoded sentences."""

import argparse
from pathlib import Path

from espnet_entropy.evaluate.outcome import load_score, reached_rate_hz
from espnet_entropy.evaluate.scoring import read_text


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="exp/asr_TAG")
    parser.add_argument("--model_file", default="valid.cer_ctc.ave.pth")
    parser.add_argument("--dump", type=Path, required=True, help="dump/raw/SET")
    parser.add_argument("--sentences", type=int, default=5)
    parser.add_argument("--most_cer", type=float, help="in %%; a higher CER is an error")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    score = load_score(args.model, args.dump.name)
    for name in ("wer", "cer"):
        rate = score[name]
        print(
            f"{args.dump.name} {name.upper()} {rate['percent']:.1f} % "
            f"(95 % interval {rate['low']:.1f} to {rate['high']:.1f})"
        )
    rate_hz = reached_rate_hz(args.model, args.model_file, args.dump)
    print(f"{args.dump.name} rate {rate_hz:.2f} segments/s")
    refs = read_text(args.dump / "text")
    hyps = read_text(args.model / f"decode_{args.dump.name}" / "text")
    # Spread over the set: neighbours in it are often variants of one prompt.
    for utt in sorted(refs)[:: max(len(refs) // args.sentences, 1)][: args.sentences]:
        print(f"\n  {utt}\n    said     {refs[utt]}\n    decoded  {hyps[utt]}")
    if args.most_cer is not None and score["cer"]["percent"] > args.most_cer:
        raise SystemExit(
            f"summary.py: the CER on {args.dump.name} is {score['cer']['percent']:.1f} %, but at "
            f"most {args.most_cer:g} % is expected; something in the recipe is broken"
        )


if __name__ == "__main__":
    main()
