"""Learn the text tokens of a recogniser: sentencepiece BPE, or characters.

Writes `tokens.txt` (`<blank>`, `<unk>`, the tokens, `<sos/eos>`: ESPnet's order) and, for BPE,
`bpe.model`.
"""

import argparse
import re
import tempfile
from collections import Counter
from pathlib import Path

import sentencepiece
from espnet2.text.char_tokenizer import CharTokenizer

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.evaluate.scoring import read_text

BLANK, UNKNOWN, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"


def learn_bpe(
    sentences: list[str], vocab_size: int, mode: str, symbols: list[str], output: Path
) -> list[str]:
    """Learn a sentencepiece model, write it to `output`, return its pieces.

    `mode` is unigram or bpe. Each of `symbols` is a piece of its own.

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


def get_parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--text", type=Path, required=True, help="training text, `id text` lines")
    parser.add_argument("--token_type", choices=("bpe", "char"), default="bpe")
    parser.add_argument("--vocab_size", type=int, default=120, help="BPE pieces, <unk> included")
    parser.add_argument(
        "--bpemode", choices=("unigram", "bpe"), default="bpe", help="model type of sentencepiece"
    )
    parser.add_argument(
        "--non_linguistic_symbols", type=Path, help="list of symbols that are tokens, one per line"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    return parser


def main(cmd=None) -> None:
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args: argparse.Namespace) -> None:
    """Write the tokens, and with BPE the model."""
    sentences = [text for text in read_text(args.text).values() if text]
    if not sentences:
        raise ValueError(f"{args.text}: no utterance has text")
    symbols = []
    if args.non_linguistic_symbols:
        symbols = args.non_linguistic_symbols.read_text(encoding="utf-8").split()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.token_type == "bpe":
        tokens = learn_bpe(
            sentences, args.vocab_size, args.bpemode, symbols, args.output / "bpe.model"
        )
    else:
        tokens = characters(sentences, symbols)
    # Last and in one step: with this file the list is complete.
    lines = [BLANK, UNKNOWN, *tokens, SOS_EOS]
    with atomic_text(args.output / "tokens.txt") as file:
        file.writelines(f"{t}\n" for t in lines)
    print(f"{len(lines)} tokens ({args.token_type}) from {len(sentences)} sentences")


if __name__ == "__main__":
    main()
