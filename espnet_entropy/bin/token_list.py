"""Learn the text tokens of a recogniser: sentencepiece BPE, or characters.

Writes `tokens.txt` (`<blank>`, `<unk>`, the tokens, `<sos/eos>`: ESPnet's order) and, for BPE,
`bpe.model`.
"""

import argparse
from pathlib import Path

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.text_tokens import BLANK, SOS_EOS, UNKNOWN, characters, learn_bpe
from espnet_entropy.evaluate.scoring import read_text


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
