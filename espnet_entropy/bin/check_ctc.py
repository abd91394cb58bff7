"""Count utterances with fewer segments than CTC needs for their labels.

ESPnet gives such an utterance a loss of zero without a word. CTC needs a segment a label and one
more between equal neighbours.
"""

from collections.abc import Callable
from itertools import pairwise

import sentencepiece

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.bundle import Bundle
from espnet_entropy.data import read_table, read_yaml
from espnet_entropy.dump import padded_batches
from espnet_entropy.frontend import EntropyFrontend

# (kernel, stride) along time of the convolutions in ESPnet's input layers (espnet/nets/
# pytorch_backend/transformer/subsampling.py); what is not in this table is refused.
INPUT_LAYERS = {
    None: (),
    "linear": (),
    "embed": (),
    "wav2vec": (),
    "conv1d1": ((3, 1), (3, 1)),
    "conv1d2": ((3, 1), (3, 2)),
    "conv1d3": ((3, 1), (5, 3)),
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
}


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of the training set")
    parser.add_argument("--bpemodel", default="none", help="sentencepiece model, or none")
    parser.add_argument("--asr_config", required=True, help="a model's config.yaml")
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--keys", help="check only the utterances in this file's first column")
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
    if (config.get("model_conf") or {}).get("ctc_weight", 0.5) == 0.0:
        print("no CTC in this model, nothing to check")
        return
    labels_of = tokenizer(config.get("token_type"), args.bpemodel)
    texts = read_table(f"{args.dump}/text")
    rate_range = (config.get("frontend_conf") or {}).get("rate_range")
    if rate_range:
        # Few batches of a training have its lowest rate: what it costs is shown, and not refused.
        frames = encoder_frames(args, config, rate_hz=rate_range[0])
        print(f"at {rate_range[0]:g} Hz, the lowest rate of the training: ", end="")
        report_short(args, frames, texts, labels_of)
    frames = encoder_frames(args, config)
    if report_short(args, frames, texts, labels_of) > args.max_share * len(frames):
        raise ValueError(
            f"that is more than {100 * args.max_share:g} % of the training set; set "
            "frontend_conf.min_rate, raise the rate, or take larger text units (nbpe)"
        )


def report_short(args, frames: dict, texts: dict, labels_of: Callable) -> int:
    """Print and return how many utterances are too short for their labels, and the first one."""
    short = []
    for utt in sorted(frames):
        if utt not in texts:
            raise ValueError(f"{args.dump}/text has no utterance {utt}; make this dump again")
        needed = ctc_frames(labels_of(texts[utt]))
        if frames[utt] < needed:
            short.append(f"; {utt}: {frames[utt]} segments, {needed} needed for {texts[utt]!r}")
    print(
        f"{len(short)} of {len(frames)} utterances have fewer segments than CTC needs"
        + (short[0] if short else "")
    )
    return len(short)


def encoder_frames(args, config: dict, rate_hz: float | None = None) -> dict[str, int]:
    """What is left of each utterance's segments behind the encoder's input layer."""
    conf = config.get("frontend_conf") or {}
    if "num_units" not in conf:
        raise ValueError(
            f"{args.asr_config} has no frontend_conf with num_units: it is no model with "
            "frontend: entropy, and its segments cannot be counted"
        )
    Bundle.open(args.bundle).check_dump(args.dump)
    encoder = EntropyFrontend(**{**conf, "bundle": args.bundle}).encoder
    layer = (config.get("encoder_conf") or {}).get("input_layer", "conv2d")
    keys = None if args.keys is None else read_table(args.keys)
    frames = {}
    for utts, *batch in padded_batches(args.dump, keys):
        boundaries = encoder.find_boundaries(*batch, rate_hz=rate_hz)
        for utt, segments in zip(utts, boundaries.sum(1).tolist(), strict=True):
            frames[utt] = subsampled(segments, layer)
    return frames


def subsampled(segments: int, layer: str | None) -> int:
    """Frames that ESPnet's input layer makes of an utterance of so many segments.

    This is the number for an utterance alone; in a batch with longer ones ESPnet may give it one
    or two more, which look at the padding.
    """
    if layer not in INPUT_LAYERS:
        known = ", ".join(str(name) for name in INPUT_LAYERS)
        raise ValueError(f"encoder_conf.input_layer is {layer!r}; this check knows {known}")
    for kernel, stride in INPUT_LAYERS[layer]:
        segments = max(0, (segments - kernel) // stride + 1)
    return segments


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
