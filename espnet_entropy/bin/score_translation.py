"""BLEU and chrF of translations against references, by sacrebleu.

Both files have lines `id text` with case and punctuation as a reader would see them: sacrebleu's
own tokenizer (`--tokenize`) is all that is done to them. An id without text is empty.
"""

import argparse
import json
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import write_json
from espnet_entropy.evaluate.scoring import BOOTSTRAP_SAMPLES, check_same_ids, read_text

DIGITS = 4  # behind the point, of intervals
TOKENIZERS = ("13a", "intl", "zh", "char", "none")  # those of sacrebleu that need no other package


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--ref", type=Path, required=True, help="references, `id text` lines")
    parser.add_argument("--hyp", type=Path, required=True, help="translations, the same ids")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--name", default="", help="shown in the printed line")
    parser.add_argument("--tgt_lang", default="", help="language of the text; zh tokenizes as such")
    parser.add_argument("--tokenize", choices=TOKENIZERS, help="sacrebleu's, for BLEU")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def translation_scores(
    refs: dict[str, str], hyps: dict[str, str], *, tgt_lang: str = "", tokenize: str | None = None
) -> dict[str, dict]:
    """BLEU and chrF over a set: score, 95 % interval (bootstrap over utterances), signature.

    Args:
        refs: references by id.
        hyps: translations by id, the same ids.
        tgt_lang: language of the text, from which sacrebleu chooses its tokenizer.
        tokenize: its tokenizer, whatever the language.

    Returns:
        `{"bleu" | "chrf": {"score", "mean", "low", "high", "signature", "verbose_score"}}`; scores
        are from 0 to 100, `mean` is that of the bootstrap's samples, and `verbose_score` holds the
        parts of the score. Tiny sets, in which some samples have no score, have no interval.

    Raises:
        ValueError: ids differ, or all references are empty.
    """
    check_same_ids(refs, hyps)
    if not any(refs.values()):
        raise ValueError("all references are empty: there is no score")
    utts = sorted(refs)
    texts, references = [hyps[utt] for utt in utts], [[refs[utt] for utt in utts]]
    metrics = {"bleu": BLEU(tokenize=tokenize, trg_lang=tgt_lang), "chrf": CHRF()}
    return {name: _score(metric, texts, references) for name, metric in metrics.items()}


def _score(metric: BLEU | CHRF, texts: list[str], references: list[list[str]]) -> dict:
    try:
        result = metric.corpus_score(texts, references, n_bootstrap=BOOTSTRAP_SAMPLES)
    except TypeError:  # sacrebleu mixes types of numbers where nothing in a sample is right
        result = metric.corpus_score(texts, references)
    signature = str(metric.get_signature())
    told = json.loads(result.format(width=DIGITS, signature=signature, is_json=True))
    score = {"score": result.score, "signature": signature}
    if "verbose_score" in told:  # of BLEU
        score["verbose_score"] = told["verbose_score"]
    if "confidence_mean" in told:
        mean, half = told["confidence_mean"], told["confidence_var"]
        score |= {"mean": mean, "low": mean - half, "high": mean + half}
    return score


def run(args: argparse.Namespace) -> None:
    """Score a set, write the JSON file, print a line and the signatures."""
    refs, hyps = read_text(args.ref), read_text(args.hyp)
    try:
        scores = translation_scores(refs, hyps, tgt_lang=args.tgt_lang, tokenize=args.tokenize)
    except ValueError as error:
        raise ValueError(f"{args.hyp} against {args.ref}: {error}") from None
    empty = sum(not text for text in hyps.values())
    write_json(args.output, {"utterances": len(refs), "empty_hypotheses": empty, **scores})
    parts = []
    for label, score in (("BLEU", scores["bleu"]), ("chrF", scores["chrf"])):
        interval = f" [{score['low']:.1f}, {score['high']:.1f}]" if "low" in score else ""
        parts.append(f"{label} {score['score']:.2f}{interval}")
    print(
        f"{args.name or 'score'}: {', '.join(parts)}, {len(refs)} utterances, {empty} empty "
        "translations"
    )
    for score in scores.values():
        print(f"  {score['signature']}")


if __name__ == "__main__":
    main()
