"""Word and character error rates of hypotheses against references.

Both files have lines `id text`, already normalised: scoring changes nothing in them. An id without
text is an empty hypothesis (all words deleted), an empty reference counts insertions only.
"""

import argparse
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import jiwer
import numpy as np

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import atomic_text, read_table

# What each line of a file in another format looks like; its first word would be taken for an id.
OTHER_FORMATS = {
    "a trn file (`text (id)`)": r"(.*\s)?\([^()\s]+\)",
    "a JSON file": r"\{.*",
    "a table with commas or bars": r"[^\s,|]+[,|].*",
}
NAMED_IDS = 5
BOOTSTRAP_SAMPLES = 1000


@dataclass(frozen=True)
class ErrorRate:
    """Error counts over a set, the rate, and its 95 % interval over utterances (both in %)."""

    percent: float
    low: float
    high: float
    errors: int
    substitutions: int
    deletions: int
    insertions: int
    reference_tokens: int


def read_text(path: Path) -> dict[str, str]:
    """Texts of a Kaldi table by utterance, with single spaces between words, as jiwer needs them.

    Raises:
        ValueError: `read_table` fails, or the file is empty or looks like another format.
    """
    texts = {utt: " ".join(text.split()) for utt, text in read_table(path).items()}
    if not texts:
        raise ValueError(f"{path}: no utterances")
    for name, pattern in OTHER_FORMATS.items():
        if all(re.fullmatch(pattern, f"{utt} {text}".strip()) for utt, text in texts.items()):
            raise ValueError(f"{path} looks like {name}; write lines of the form `id text`")
    return texts


def check_same_ids(refs: dict[str, str], hyps: dict[str, str]) -> None:
    """Refuse to score part of a set: a missing hypothesis would flatter the result."""
    for what, ids in (
        ("without a hypothesis", refs.keys() - hyps.keys()),
        ("without a reference", hyps.keys() - refs.keys()),
    ):
        if ids:
            some = ", ".join(sorted(ids)[:NAMED_IDS]) + (", ..." if len(ids) > NAMED_IDS else "")
            raise ValueError(
                f"{len(ids)} utterances {what} ({some}): {len(refs)} references, {len(hyps)} "
                f"hypotheses; decode the whole set again, or give the text of the decoded set"
            )


def count_errors(ref: str, hyp: str, *, characters: bool) -> tuple[int, int, int, int]:
    """Substitutions, deletions, insertions and reference tokens of one utterance."""
    if not ref:  # jiwer has no rate for an empty reference
        return 0, 0, len(hyp if characters else hyp.split()), 0
    process = jiwer.process_characters if characters else jiwer.process_words
    out = process(ref, hyp)
    tokens = out.hits + out.substitutions + out.deletions
    return out.substitutions, out.deletions, out.insertions, tokens


def error_rate(
    refs: dict[str, str], hyps: dict[str, str], *, characters: bool, seed: int = 0
) -> ErrorRate:
    """Rate over the set, with a percentile bootstrap over utterances (1,000 samples).

    Args:
        refs: references by id.
        hyps: hypotheses by id, the same ids.
        characters: characters, blanks among them, in place of words.
        seed: of the bootstrap.

    Raises:
        ValueError: if ids differ or all references are empty.
    """
    check_same_ids(refs, hyps)
    counts = np.array([count_errors(refs[u], hyps[u], characters=characters) for u in sorted(refs)])
    substitutions, deletions, insertions, tokens = (int(n) for n in counts.sum(axis=0))
    if tokens == 0:
        raise ValueError("all references are empty: there is no error rate")
    errors, lengths = counts[:, :3].sum(axis=1), counts[:, 3]
    draws = np.random.default_rng(seed).integers(len(counts), size=(BOOTSTRAP_SAMPLES, len(counts)))
    sampled = lengths[draws].sum(axis=1)
    # A sample of empty references alone (tiny sets) has no rate.
    rates = 100 * errors[draws].sum(axis=1)[sampled > 0] / sampled[sampled > 0]
    low, high = np.percentile(rates, [2.5, 97.5])
    return ErrorRate(
        percent=100 * int(errors.sum()) / tokens,
        low=float(low),
        high=float(high),
        errors=int(errors.sum()),
        substitutions=substitutions,
        deletions=deletions,
        insertions=insertions,
        reference_tokens=tokens,
    )


def get_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--ref", type=Path, required=True, help="references, `id text` lines")
    parser.add_argument("--hyp", type=Path, required=True, help="hypotheses, the same ids")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--name", default="", help="shown in the printed line")
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap interval")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args: argparse.Namespace) -> None:
    """Score a set, write the JSON file, print one line."""
    refs, hyps = read_text(args.ref), read_text(args.hyp)
    try:
        wer = error_rate(refs, hyps, characters=False, seed=args.seed)
        cer = error_rate(refs, hyps, characters=True, seed=args.seed)
    except ValueError as error:
        raise ValueError(f"{args.hyp} against {args.ref}: {error}") from None
    result = {
        "utterances": len(refs),
        "empty_hypotheses": sum(not text for text in hyps.values()),
        "sentence_errors": sum(refs[utt] != hyps[utt] for utt in refs),
        "wer": asdict(wer),
        "cer": asdict(cer),
    }
    with atomic_text(args.output) as file:
        file.write(json.dumps(result, indent=2) + "\n")
    parts = [f"{args.name}:" if args.name else "score:"]
    for label, rate in (("WER", wer), ("CER", cer)):
        parts.append(
            f"{label} {rate.percent:.2f} % [{rate.low:.1f}, {rate.high:.1f}] "
            f"({rate.substitutions} sub, {rate.deletions} del, {rate.insertions} ins "
            f"of {rate.reference_tokens})"
        )
    parts.append(f"{len(refs)} utterances, {result['empty_hypotheses']} empty hypotheses")
    print(parts[0] + " " + ", ".join(parts[1:]))


if __name__ == "__main__":
    main()
