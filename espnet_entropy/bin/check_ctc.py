"""Count utterances with fewer segments than CTC needs for their labels.

ESPnet gives such an utterance a loss of zero without a word. CTC needs a segment a label and one
more between equal neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import sentencepiece

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import read_table, read_yaml
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import Settings, of_config

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
    parser.add_argument("--text", help="the labels' text (default: the dump's text)")
    parser.add_argument("--bpemodel", default="none", help="sentencepiece model, or none")
    parser.add_argument("--src_text", help="of a translation model: what is said")
    parser.add_argument("--src_bpemodel", default="none", help="the same, of --src_text")
    parser.add_argument("--asr_config", required=True, help="config.yaml of an asr or st model")
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


@dataclass(frozen=True)
class Labels:
    """What one CTC loss of a model is to read out of the segments."""

    path: str
    texts: dict[str, str]
    of: Callable[[str], list]


def ctc_labels(args, config: dict) -> list[Labels]:
    """The labels of each CTC loss that has a weight; a translation model may have two."""
    model = config.get("model_conf") or {}
    text, source = args.text or f"{args.dump}/text", args.src_text
    if "src_token_list" not in config:
        used = [(model.get("ctc_weight", 0.5), text, config.get("token_type"), args.bpemodel)]
    else:
        spoken = model.get("asr_weight", 0.0) * model.get("mtlalpha", 0.0)
        used = [
            (spoken, source, config.get("src_token_type"), args.src_bpemodel),
            (model.get("st_mtlalpha", 0.0), text, config.get("token_type"), args.bpemodel),
        ]
    if any(weight and path is None for weight, path, *_ in used):
        raise ValueError("this model has a CTC loss of what is said; give that as --src_text")
    return [
        Labels(path, read_table(path), tokenizer(token_type, bpemodel))
        for weight, path, token_type, bpemodel in used
        if weight
    ]


def run(args) -> None:
    """Count, and fail above the tolerated share."""
    config = read_yaml(args.asr_config)
    losses = ctc_labels(args, config)
    if not losses:
        print("no CTC in this model, nothing to check")
        return
    rate_range = (config.get("frontend_conf") or {}).get("rate_range")
    if rate_range:
        # Few batches of a training have its lowest rate: what it costs is shown, and not refused.
        frames = encoder_frames(args, config, rate_hz=rate_range[0])
        for labels in losses:
            print(f"at {rate_range[0]:g} Hz, the lowest rate of the training: ", end="")
            report_short(frames, labels)
    frames = encoder_frames(args, config)
    # All losses are told before the first is refused.
    if max([report_short(frames, labels) for labels in losses]) > args.max_share * len(frames):
        raise ValueError(
            f"that is more than {100 * args.max_share:g} % of the training set; set "
            "frontend_conf.experimental.min_rate, raise the rate, or take larger text units (nbpe)"
        )


def report_short(frames: dict[str, int], labels: Labels) -> int:
    """Print and return how many utterances are too short for their labels, and the first one."""
    short = []
    for utt in sorted(frames):
        if utt not in labels.texts:
            raise ValueError(f"{labels.path} has no utterance {utt}; make this dump again")
        text = labels.texts[utt]
        needed = ctc_frames(labels.of(text))
        if frames[utt] < needed:
            short.append(f"; {utt}: {frames[utt]} segments, {needed} needed for {text!r}")
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
    settings = Settings.resolve(of_config(conf) | dict(bundle=args.bundle))
    Bundle.open(args.bundle).check_dump(args.dump, needs_unit_lm=settings.reads_entropies)
    encoder = EntropyFrontend(**settings.conf).encoder
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
