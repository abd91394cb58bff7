"""Tokens of text for a recogniser: pieces of a sentencepiece BPE model, or characters."""

import re
import tempfile
from collections import Counter
from pathlib import Path

import sentencepiece
from espnet2.text.char_tokenizer import CharTokenizer

BLANK, UNKNOWN, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"


def learn_bpe(
    sentences: list[str], vocab_size: int, mode: str, symbols: list[str], output: Path
) -> list[str]:
    """Learn a sentencepiece model, write it to `output`, return its pieces.

    Args:
        sentences: texts without line breaks.
        vocab_size: number of pieces, <unk> included.
        mode: unigram or bpe.
        symbols: each of these is a piece of its own.
        output: file of the model.

    Raises:
        ValueError: if the text does not carry `vocab_size` pieces, with what it does carry.
    """
    with tempfile.TemporaryDirectory(dir=output.parent) as folder:
        text, prefix = Path(folder) / "text", Path(folder) / "bpe"
        text.write_text("".join(f"{s}\n" for s in sentences), encoding="utf-8")
        try:
            sentencepiece.SentencePieceTrainer.Train(
                input=str(text),
                model_prefix=str(prefix),
                vocab_size=vocab_size,
                model_type=mode,
                user_defined_symbols=symbols,
                character_coverage=1.0,
                # Start and end belong to the recogniser, not to the pieces.
                bos_id=-1,
                eos_id=-1,
                # Its default would change the text once more after the corpus' normalisation.
                normalization_rule_name="identity",
                input_sentence_size=10_000_000,
                minloglevel=2,
            )
        except RuntimeError as error:
            characters = len(set("".join(sentences)) - {" "}) + 2
            found = re.search(r"<= (\d+)", str(error))
            limit = f" to {found[1]}" if found else " or more"
            raise ValueError(
                f"--vocab_size {vocab_size} does not fit {len(sentences)} sentences with "
                f"{characters - 2} characters: choose {characters}{limit}"
            ) from error
        model = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
        Path(f"{prefix}.model").replace(output)
    pieces = [model.id_to_piece(i) for i in range(model.get_piece_size())]
    return [p for p in pieces if p != UNKNOWN]


def characters(sentences: list[str], symbols: list[str]) -> list[str]:
    """All characters, frequent ones first, the blank as `<space>`; a symbol is one character."""
    tokenizer = CharTokenizer(non_linguistic_symbols=symbols, space_symbol=SPACE)
    counts = Counter(token for sentence in sentences for token in tokenizer.text2tokens(sentence))
    return sorted(counts, key=lambda c: (-counts[c], " " if c == SPACE else c))
