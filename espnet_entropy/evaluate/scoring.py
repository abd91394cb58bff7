"""Word and character error rates of sets, with intervals over utterances."""

import re
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np

from espnet_entropy.data.kaldi import read_table

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
    """Error counts over a set, the rate, and its 95 % interval over utterances (both in %).

    Attributes:
        percent, low, high: the rate and its interval.
        errors: substitutions, deletions and insertions together.
        substitutions, deletions, insertions, hits: of tokens.
        reference_tokens: hits, substitutions and deletions together.
        sentences, sentence_errors: utterances, and those with at least one error.
    """

    percent: float
    low: float
    high: float
    errors: int
    substitutions: int
    deletions: int
    insertions: int
    hits: int
    reference_tokens: int
    sentences: int
    sentence_errors: int


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


def as_pieces(texts: dict[str, str], bpemodel: Path | str) -> dict[str, str]:
    """Texts as a SentencePiece model's tokens with blanks between them.

    Raises:
        ValueError: the model cannot be read.
    """
    from sentencepiece import SentencePieceProcessor

    try:
        model = SentencePieceProcessor(model_file=str(bpemodel))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{bpemodel} is no SentencePiece model that can be read: {error}"
        ) from error
    return {utt: " ".join(model.encode(text, out_type=str)) for utt, text in texts.items()}


def without(symbols: list[str], texts: dict[str, str]) -> dict[str, str]:
    """Texts without some symbols, such as `<noise>`, wherever they are."""
    if not symbols:
        return texts
    pattern = "|".join(re.escape(symbol) for symbol in sorted(symbols, key=len, reverse=True))
    return {utt: " ".join(re.sub(pattern, " ", text).split()) for utt, text in texts.items()}


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
        hits=tokens - substitutions - deletions,
        reference_tokens=tokens,
        sentences=len(counts),
        sentence_errors=int((errors > 0).sum()),
    )
