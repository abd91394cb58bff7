#!/usr/bin/env python
"""Claims about pairs of trained systems, each held, failed or too small to decide: table, picture.

A claim says that `ours` makes fewer word errors than `other`; both are systems of run_rates.sh.
"""

from pathlib import Path

import numpy as np
import yaml
from verdicts import Difference, paired_difference, plot_differences, verdict

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.evaluate.outcome import decoding_seconds
from espnet_entropy.evaluate.scoring import check_same_ids, count_errors, read_text
from espnet_entropy.evaluate.training_log import training_minutes
from espnet_entropy.report.results_page import insert, provenance

HEADER = ["claim", "compared", "seeds", "difference in WER, points (95 %)", "by seed",
          "training time", "decoding time", "verdict"]  # fmt: skip
NOTE = (
    "Intervals are over utterances and seeds (t, both variances added up), each claim by itself; a "
    "claim is held or failed where the interval leaves out zero. Times are those of the first over "
    "those of the second, means over the seeds."
)


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--claims", required=True, help="YAML: a list of claim, ours, other")
    parser.add_argument(
        "--models", required=True, help="a model's folder, with %%system%% and %%seed%% in its name"
    )
    parser.add_argument("--seeds", nargs="+", required=True)
    parser.add_argument("--set", required=True, help="the decoded set")
    parser.add_argument("--reference", required=True, help="its text")
    parser.add_argument("--command", required=True, help="what the reader would type")
    parser.add_argument("--block", default="claims", help="name of the block in the output")
    parser.add_argument("--picture", help="PNG to draw beside it")
    parser.add_argument("--output", type=Path, required=True, help="Markdown file")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Write the block, print it."""
    if len(set(args.seeds)) < len(args.seeds):
        raise ValueError(f"--seeds {' '.join(args.seeds)}: each counts once, so name it once")
    judged = [_judge(claim, args) for claim in read_claims(args.claims)]
    rows = [HEADER, *(row for row, _ in judged)]
    parts = [f"{provenance(args.command, args.seeds)} On {args.set}.", rows, NOTE]
    drawn = [(row[0], gap, row[-1]) for row, gap in judged if gap]
    if args.picture and drawn:
        plot_differences(args.picture, drawn, label="difference in WER, points")
        parts.append(f"![claims]({Path(args.picture).name})")
    print(insert(args.output, args.block, *parts))


def read_claims(path: Path | str) -> list[dict[str, str]]:
    """A list of mappings with `claim`, `ours` and `other`; ValueError if it is none."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
    fields = {"claim", "ours", "other"}
    if not isinstance(content, list) or not content:
        raise ValueError(f"{path} is no list of claims")
    for number, claim in enumerate(content, 1):
        if not isinstance(claim, dict) or set(claim) != fields:
            raise ValueError(f"{path}, claim {number}: it needs {', '.join(sorted(fields))}")
    return content


def _judge(claim: dict[str, str], args) -> tuple[list[str], Difference | None]:
    """Row of the claim, and the difference; None if both systems have not run with one seed."""
    compared = f"{claim['ours']}, {claim['other']}"
    pairs = [[_model(claim[name], seed, args) for name in ("ours", "other")] for seed in args.seeds]
    pairs = [pair for pair in pairs if all(_decoded(model, args).is_file() for model in pair)]
    if not pairs:
        return [claim["claim"], compared, "0", "-", "-", "-", "-", "not run"], None
    references = read_text(Path(args.reference))
    errors = np.array([[_errors(model, references, args) for model in pair] for pair in pairs])
    tokens = np.array([len(text.split()) for text in references.values()])
    gap = paired_difference(errors[:, 0], errors[:, 1], tokens)
    return [
        claim["claim"],
        compared,
        str(len(gap.by_seed)),
        f"{gap.mean:+.1f} ({gap.low:+.1f} to {gap.high:+.1f})",
        " ".join(f"{one:+.1f}" for one in gap.by_seed),
        _ratio(pairs, training_minutes),
        _ratio(pairs, decoding_seconds),
        verdict(gap),
    ], gap


def _model(system: str, seed: str, args) -> Path:
    return Path(args.models.replace("%system%", system).replace("%seed%", seed))


def _decoded(model: Path, args) -> Path:
    return model / f"decode_{args.set}" / "text"


def _errors(model: Path, references: dict[str, str], args) -> list[int]:
    """Word errors of each utterance, in the references' order."""
    heard = read_text(_decoded(model, args))
    check_same_ids(references, heard)
    counts = (count_errors(text, heard[utt], characters=False) for utt, text in references.items())
    return [sum(count[:3]) for count in counts]


def _ratio(pairs: list[list[Path]], measure) -> str:
    """Mean over the seeds of the first systems, over that of the second."""
    ours, other = (sum(measure(pair[index]) for pair in pairs) for index in (0, 1))
    return f"{ours / other:.2f}" if other else "-"


if __name__ == "__main__":
    main()
