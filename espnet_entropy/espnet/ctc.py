"""Whether utterances have enough segments for CTC.

ESPnet gives an utterance with too few segments a loss of zero without a message. CTC needs one
segment per label, and one more between equal neighbours.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import sentencepiece

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import read_table
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


@dataclass(frozen=True)
class Labels:
    """What one CTC loss of a model is to read out of the segments."""

    path: str
    texts: dict[str, str]
    of: Callable[[str], list]


def ctc_labels(
    config: dict,
    text: str,
    bpemodel: str = "none",
    src_text: str | None = None,
    src_bpemodel: str = "none",
) -> list[Labels]:
    """The labels of each CTC loss that has a weight; a translation model may have two.

    Args:
        config: `config.yaml` of an asr or st model.
        text, bpemodel: table of the labels' text, and its sentencepiece model.
        src_text, src_bpemodel: the same for the transcripts, in a translation model.

    Raises:
        ValueError: a table is missing or cannot be read, or the token type is unknown.
    """
    model = config.get("model_conf") or {}
    if "src_token_list" not in config:
        used = [(model.get("ctc_weight", 0.5), text, config.get("token_type"), bpemodel)]
    else:
        spoken = model.get("asr_weight", 0.0) * model.get("mtlalpha", 0.0)
        used = [
            (spoken, src_text, config.get("src_token_type"), src_bpemodel),
            (model.get("st_mtlalpha", 0.0), text, config.get("token_type"), bpemodel),
        ]
    if any(weight and path is None for weight, path, *_ in used):
        raise ValueError("this model has a CTC loss on the transcripts; give them as --src_text")
    return [
        Labels(path, read_table(path), _tokenizer(token_type, bpemodel))
        for weight, path, token_type, bpemodel in used
        if weight
    ]


def short_utterances(frames: dict[str, int], labels: Labels) -> dict[str, str]:
    """Utterances with fewer frames than CTC needs for their labels, and what they would need.

    Args:
        frames: numbers of frames by utterance (`encoder_frames`).
        labels: labels of at least these utterances.

    Raises:
        ValueError: an utterance has no labels.
    """
    short = {}
    for utt in sorted(frames):
        if utt not in labels.texts:
            raise ValueError(f"{labels.path} has no utterance {utt}; make this dump again")
        text = labels.texts[utt]
        needed = ctc_frames(labels.of(text))
        if frames[utt] < needed:
            short[utt] = f"{frames[utt]} segments, {needed} needed for {text!r}"
    return short


def encoder_frames(
    config: dict,
    dump: Path | str,
    bundle: Path | str,
    *,
    keys: Container[str] | None = None,
    rate_hz: float | None = None,
    name: str = "the config",
) -> dict[str, int]:
    """Number of frames of each utterance after the encoder's input layer.

    Args:
        config: `config.yaml` of an asr or st model.
        dump: `dump/raw/SET`.
        bundle: folder of the bundle, in place of the one in the config.
        keys: the utterances to count; None counts all.
        rate_hz: segments per second of a model of many rates; None takes that of the config.
        name: name of the config, for error messages.

    Raises:
        ValueError: the model has another frontend, its input layer is unknown, or the dump was
            made with another bundle.
    """
    conf = config.get("frontend_conf") or {}
    if "num_units" not in conf:
        raise ValueError(
            f"{name} has no frontend_conf with num_units: it is no model with "
            "frontend: entropy, and its segments cannot be counted"
        )
    settings = Settings.resolve(of_config(conf) | dict(bundle=bundle))
    Bundle.open(bundle).check_dump(dump, needs_unit_lm=settings.reads_entropies)
    encoder = EntropyFrontend(**settings.conf).encoder
    layer = (config.get("encoder_conf") or {}).get("input_layer", "conv2d")
    frames = {}
    for utts, *batch in padded_batches(dump, keys):
        boundaries = encoder.find_boundaries(*batch, rate_hz=rate_hz)
        for utt, segments in zip(utts, boundaries.sum(1).tolist(), strict=True):
            frames[utt] = subsampled(segments, layer)
    return frames


def subsampled(segments: int, layer: str | None) -> int:
    """Number of frames that ESPnet's input layer makes from this number of segments.

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


def _tokenizer(token_type: str, bpemodel: str) -> Callable[[str], list]:
    """Text to labels, as ESPnet's tokenizers do it for bpe, char and word."""
    if token_type == "bpe":
        return sentencepiece.SentencePieceProcessor(model_file=bpemodel).encode
    if token_type in ("char", "word"):
        return list if token_type == "char" else str.split
    raise ValueError(f"token_type is {token_type}; this check knows bpe, char and word")
