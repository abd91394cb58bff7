"""Trained systems compared: means over seeds as a table in RESULTS.md, and a picture by rate.

What has not been trained and scored yet is marked so; the rest does not wait for it.
"""

import argparse
from pathlib import Path

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.evaluate.outcome import load_score
from espnet_entropy.report.comparison import METRICS, Comparison
from espnet_entropy.report.plot_systems import plot_rates
from espnet_entropy.report.results_page import insert, provenance


def get_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument(
        "--models", required=True, help="a model's folder, with %%system%% and %%seed%% in its name"
    )
    parser.add_argument("--systems", nargs="+", required=True, help="rows, e.g. dense dp15")
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument(
        "--sets", nargs="+", required=True,
        help="the first is to choose on, the last to compare on; SET/GROUP: a group of one",
    )  # fmt: skip
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=["wer", "cer"])
    parser.add_argument("--dump", default="dump/raw", help="folder of the sets' dumps")
    parser.add_argument(
        "--stored_dump",
        default="dump/bpe/raw",
        help="the same with stored boundaries, for `stored`",
    )
    parser.add_argument("--rate", type=float, help="Hz, of a segmenter to be recommended")
    parser.add_argument(
        "--model_file", default="valid.cer_ctc.ave.pth", help="the checkpoint's name"
    )
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--block", default="run_rates", help="name of the block in RESULTS.md")
    parser.add_argument("--picture", help="PNG to draw beside it")
    parser.add_argument("--output", type=Path, default=Path("RESULTS.md"))
    return parser


@command(get_parser)
def main(args) -> None:
    """Measure, draw, write the block, print it."""
    compared = Comparison(
        args.models, args.systems, args.seeds, args.sets, args.metrics, args.model_file
    )
    ran = compared.ran
    dumps = Path(args.dump), Path(args.stored_dump)
    rates_hz = {system.name: compared.rates_hz(system, *dumps) for system in ran}
    epochs = sorted({read_yaml(system.config)["max_epoch"] for system in ran})
    parts = [
        provenance(args.command, args.seeds, epochs)
        + " Mean ± standard deviation over the seeds that have run; decoding is of all these sets, "
        "without loading.",
        compared.rows(rates_hz),
    ]
    if "bleu" in args.metrics and ran:
        score = load_score(next(iter(ran[0].models.values())), args.sets[0])
        signed = (f"{METRICS[m].label}: `{score[m]['signature']}`  " for m in args.metrics)
        parts.append("\n".join(signed))
    if args.rate is not None:
        parts.append(compared.recommendation(args.rate))
    # A single system is no comparison.
    if args.picture and len(ran) > 1:
        plot_rates(args.picture, compared.points(rates_hz), label=compared.metric.label)
        parts.append(f"![score by rate]({Path(args.picture).name})")
    print(insert(args.output, args.block, *parts))


if __name__ == "__main__":
    main()
