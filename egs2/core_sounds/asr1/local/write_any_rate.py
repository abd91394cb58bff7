#!/usr/bin/env python
"""The table of run_any_rate.sh, written into RESULTS.md: one model of many rates, or one a rate."""

import argparse
from pathlib import Path

from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.evaluate.outcome import load_score
from espnet_entropy.report.results_page import insert, provenance, spread


def scores(args: argparse.Namespace, model: str, decoding: str, set_name: str) -> list[dict]:
    """Of the seeds that have run: the numbers of a decoded set."""
    folders = [args.expdir / f"asr_rates_{model}_seed{seed}" for seed in args.seeds]
    folders = [f for f in folders if (f / f"{decoding}_{set_name}" / "score.json").is_file()]
    return [load_score(folder, set_name, decoding) for folder in folders]


def row(args: argparse.Namespace, rate: str, model: str, decoding: str) -> list[str]:
    cells = [rate, "one for all rates" if model == "anyrate" else "one for this rate"]
    found = {name: scores(args, model, decoding, name) for name in args.sets}
    seeds = min(map(len, found.values()))
    if not seeds:
        return [*cells, "not run", *[""] * (2 * len(args.sets))]
    cells.append(str(seeds))
    for name in args.sets:
        for kind in ("wer", "cer"):
            cells.append(spread([score[kind]["percent"] for score in found[name]], 1))
    return cells


def block(args: argparse.Namespace) -> list:
    header = ["rate (Hz)", "model", "seeds"]
    for name in args.sets:
        header += [f"{name} WER %", f"{name} CER %"]
    rows = [header]
    for rate in args.rates:
        rows.append(row(args, rate, f"dp{rate}", "decode"))
        rows.append(row(args, rate, "anyrate", f"decode_{rate}hz"))
    configs = args.expdir.glob("asr_rates_anyrate_seed*/config.yaml")
    epochs = sorted({read_yaml(config)["max_epoch"] for config in configs})
    return [provenance(args.command, args.seeds, epochs), rows]


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, default=Path("exp"))
    parser.add_argument("--rates", nargs="+", required=True, help="Hz")
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument("--sets", nargs="+", required=True)
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    print(insert(args.output, "run_any_rate", *block(args)))


if __name__ == "__main__":
    main()
