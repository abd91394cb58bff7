"""Count utterances with fewer segments than CTC needs for their labels.

ESPnet gives such an utterance a loss of zero without a word. CTC needs a segment a label and one
more between equal neighbours.
"""

import torch

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data import read_dump, read_table, read_yaml
from espnet_entropy.frontend import EntropyFrontend

# Segments per encoder frame, of ESPnet's input layers.
SUBSAMPLING = {"conv2d": 4, "conv2d2": 2, "conv2d6": 6, "conv2d8": 8, "conv1d2": 2, "conv1d3": 3}


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of the training set")
    parser.add_argument("--token_list", required=True, help="tokens.txt")
    parser.add_argument(
        "--bpemodel", default="none", help="sentencepiece model, or none: characters"
    )
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
    frontend = EntropyFrontend(**{**config["frontend_conf"], "bundle": args.bundle}).eval()
    layer = config.get("encoder_conf", {}).get("input_layer", "conv2d")
    subsampling = SUBSAMPLING.get(layer, 1)
    tokenize = build_tokenizer(config, args)
    texts = read_table(f"{args.dump}/text")
    short, total, example = 0, 0, ""
    for utt, units, entropies in read_dump(args.dump):
        labels = tokenize(texts[utt])
        needed = len(labels) + sum(a == b for a, b in zip(labels, labels[1:], strict=False))
        matrix = torch.stack((torch.from_numpy(units).float(), torch.from_numpy(entropies)), 1)
        frames = segments(frontend, matrix) // subsampling
        total += 1
        if frames < needed:
            short += 1
            example = example or f"{utt}: {frames} segments, {needed} needed for {texts[utt]!r}"
    print(f"{short} of {total} utterances have fewer segments than CTC needs. {example}")
    if short > args.max_share * total:
        raise ValueError(
            f"that is more than {100 * args.max_share:g} % of the training set; set "
            "frontend_conf.min_rate, raise the rate, or take larger text units (nbpe)"
        )


@torch.no_grad()
def segments(frontend: EntropyFrontend, matrix: torch.Tensor) -> int:
    """How many segments the frontend makes of one (T, 2) utterance."""
    return int(frontend.encode(matrix.unsqueeze(0), torch.tensor([len(matrix)])).num_segments)


def build_tokenizer(config: dict, args):
    """ESPnet's tokenizer of the model: text -> list of tokens."""
    from espnet2.text.build_tokenizer import build_tokenizer as build

    model = None if args.bpemodel == "none" else args.bpemodel
    return build(token_type=config["token_type"], bpemodel=model).text2tokens


if __name__ == "__main__":
    main()
