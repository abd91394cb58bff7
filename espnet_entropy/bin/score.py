"""Word, character and token error rates of hypotheses against references.

Both files have lines `id text`, already normalised: scoring changes nothing in them. An id without
text is an empty hypothesis (all words deleted), an empty reference counts insertions only.

--groups: a table `id group ...`, as `utt2groups` of a data folder. Each group is scored apart, in
GROUP/ beside the output: `compare_systems --sets SET/GROUP` and `show_results` find it there.
"""

import argparse
from dataclasses import asdict
from pathlib import Path

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.kaldi import read_table, write_json
from espnet_entropy.evaluate.scoring import as_pieces, error_rate, read_text, without


def get_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--ref", type=Path, required=True, help="references, `id text` lines")
    parser.add_argument("--hyp", type=Path, required=True, help="hypotheses, the same ids")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument(
        "--bpemodel", type=Path, help="SentencePiece model, for the error rate of its tokens (TER)"
    )
    parser.add_argument(
        "--non_linguistic_symbols",
        type=Path,
        help="list of symbols that are left out, one per line",
    )
    parser.add_argument("--groups", type=Path, help="`id group ...` lines; see above")
    parser.add_argument("--name", default="", help="shown in the printed line")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap interval")
    return parser


@command(get_parser)
def main(args) -> None:
    """Score a set and its groups: for each, write the JSON file and print one line."""
    refs, hyps = read_text(args.ref), read_text(args.hyp)
    if args.non_linguistic_symbols:
        symbols = args.non_linguistic_symbols.read_text(encoding="utf-8").split()
        refs, hyps = without(symbols, refs), without(symbols, hyps)
    name = args.name or "score"
    score(refs, hyps, args, args.output, name)
    for group, utts in read_groups(args.groups, refs).items() if args.groups else ():
        output = args.output.parent / group / args.output.name
        parts = ({utt: texts[utt] for utt in utts} for texts in (refs, hyps))
        score(*parts, args, output, f"{name} {group}")


def read_groups(path: Path, refs: dict[str, str]) -> dict[str, list[str]]:
    """Utterances by group, in the order of the groups' names.

    Raises:
        ValueError: the table lacks a scored utterance.
    """
    table = read_table(path)
    lacking = sorted(refs.keys() - table.keys())
    if lacking:
        raise ValueError(
            f"{path} lacks {len(lacking)} of {len(refs)} utterances ({lacking[0]}, ...)"
        )
    groups: dict[str, list[str]] = {}
    for utt in refs:
        for name in table[utt].split():
            groups.setdefault(name, []).append(utt)
    return dict(sorted(groups.items()))


def score(refs: dict[str, str], hyps: dict[str, str], args, output: Path, name: str) -> None:
    """Write the JSON file of some utterances, and print their line."""
    try:
        rates = {
            "wer": error_rate(refs, hyps, characters=False, seed=args.seed),
            "cer": error_rate(refs, hyps, characters=True, seed=args.seed),
        }
    except ValueError as error:
        raise ValueError(f"{args.hyp} against {args.ref}: {error}") from None
    if args.bpemodel:
        pieces = [as_pieces(texts, args.bpemodel) for texts in (refs, hyps)]
        rates["ter"] = error_rate(*pieces, characters=False, seed=args.seed)
    result = {
        "utterances": len(refs),
        "empty_hypotheses": sum(not text for text in hyps.values()),
        "sentence_errors": sum(refs[utt] != hyps[utt] for utt in refs),
    }
    write_json(output, result | {kind: asdict(rate) for kind, rate in rates.items()})
    parts = [
        f"{kind.upper()} {rate.percent:.2f} % [{rate.low:.1f}, {rate.high:.1f}] "
        f"({rate.substitutions} sub, {rate.deletions} del, {rate.insertions} ins "
        f"of {rate.reference_tokens})"
        for kind, rate in rates.items()
    ]
    parts.append(f"{len(refs)} utterances, {result['empty_hypotheses']} empty hypotheses")
    print(f"{name}: {', '.join(parts)}")


if __name__ == "__main__":
    main()
