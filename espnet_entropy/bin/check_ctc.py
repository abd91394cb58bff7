"""Count utterances with fewer segments than CTC needs for their labels.

ESPnet gives such an utterance a loss of zero without a word. CTC needs a segment a label and one
more between equal neighbours.
"""

from collections.abc import Callable
from itertools import pairwise

import sentencepiece

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data import load_padded_dump, read_dump, read_table, read_yaml
from espnet_entropy.frontend import EntropyFrontend
from espnet_entropy.segment import find_boundaries

# Segments per encoder frame, of ESPnet's input layers.
SUBSAMPLING = {"conv2d": 4, "conv2d2": 2, "conv2d6": 6, "conv2d8": 8, "conv1d2": 2, "conv1d3": 3}


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of the training set")
    parser.add_argument("--bpemodel", default="none", help="sentencepiece model, or none")
    parser.add_argument("--asr_config", required=True, help="a model's config.yaml")
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument(
        "--max_share", type=float, default=0.02, help="fail if more utterances than this are short"
    )
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Count, and fail above the tolerated share."""
    config = read_yaml(args.asr_config)
    if config.get("model_conf", {}).get("ctc_weight", 0.5) == 0.0:
        print("no CTC in this model, nothing to check")
        return
    encoder = EntropyFrontend(**{**config["frontend_conf"], "bundle": args.bundle}).encoder
    boundaries = find_boundaries(
        *load_padded_dump(args.dump), encoder.segmenter, encoder.thresholds
    )
    layer = config.get("encoder_conf", {}).get("input_layer", "conv2d")
    frames = (boundaries.sum(1) // SUBSAMPLING.get(layer, 1)).tolist()
    labels_of = tokenizer(config["token_type"], args.bpemodel)
    texts = read_table(f"{args.dump}/text")
    short = []
    for (utt, *_), available in zip(read_dump(args.dump), frames, strict=True):
        needed = ctc_frames(labels_of(texts[utt]))
        if available < needed:
            short.append(f"; {utt}: {available} segments, {needed} needed for {texts[utt]!r}")
    print(
        f"{len(short)} of {len(frames)} utterances have fewer segments than CTC needs"
        + (short[0] if short else "")
    )
    if len(short) > args.max_share * len(frames):
        raise ValueError(
            f"that is more than {100 * args.max_share:g} % of the training set; set "
            "frontend_conf.min_rate, raise the rate, or take larger text units (nbpe)"
        )


def ctc_frames(labels: list) -> int:
    """Frames that CTC needs at least: one a label, and a blank between equal neighbours."""
    return len(labels) + sum(a == b for a, b in pairwise(labels))


def tokenizer(token_type: str, bpemodel: str) -> Callable[[str], list]:
    """Text to labels, as ESPnet's tokenizers do it for bpe, char and word."""
    if token_type == "bpe":
        return sentencepiece.SentencePieceProcessor(model_file=bpemodel).encode
    if token_type in ("char", "word"):
        return list if token_type == "char" else str.split
    raise ValueError(f"token_type is {token_type}; this check knows bpe, char and word")


if __name__ == "__main__":
    main()
