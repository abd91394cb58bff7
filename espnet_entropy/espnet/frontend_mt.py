"""`frontend: entropy` of ESPnet's MT task: units as source text in, one vector a segment out.

MT hands over token ids alone, so the segmenters that read entropies have nothing to read there.
"""

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor

from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.settings import Settings
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.segmenters import SEGMENTERS


class UnitTextFrontend(AbsFrontend):
    """Source token ids `(B, 1 + T)`, `<sos/eos>` first as ESPnet's MT model puts it, to vectors.

    The source token list must be the codebook's `tokens.txt` (units 0 .. K-1, `<unk>`,
    `<sos/eos>`), so that token ids are unit ids.

    Args:
        input_size: K + 2, the length of the source token list; ESPnet gives it.
        conf: settings of `EntropyFrontend`, with a segmenter that needs no entropy: dense, dedup
            (the default), fixed, uniform or random. No bundle is needed in decoding, nor with
            `unit_init: random`.

    Raises:
        ValueError: a segmenter or option that reads entropies, or a token list that is not the
            bundle's.
    """

    default_segmenter = earlier_segmenter = "dedup"

    def __init__(self, input_size: int, **conf):
        super().__init__()
        num_units = input_size - 2
        if conf.get("num_units") not in (None, num_units):
            raise ValueError(
                f"num_units does not fit a source token list of {input_size}, which is K + 2; "
                "leave it out, and set src_token_list to the codebook's tokens.txt"
            )
        settings = Settings.resolve(conf | dict(num_units=num_units), self.default_segmenter)
        needless = [name for name, kind in SEGMENTERS.items() if not kind.thresholds]
        if settings.segmenter not in needless:
            raise ValueError(
                f"segmenter {settings.segmenter!r} reads entropies, but the MT task has none (its "
                f"source is unit ids alone); choose one of {', '.join(needless)}, or train the ASR "
                "or ST task on the dump"
            )
        min_rate = settings.experimental.min_rate
        if min_rate is not None:
            raise ValueError(
                f"min_rate {min_rate} Hz adds the frames of highest entropy, but the MT task has "
                "no entropies; leave it out, or train the ASR or ST task on the dump"
            )
        self.speech = EntropyFrontend(**settings.conf)
        if settings.bundle is None and settings.experimental.unit_init == "random":
            # Nothing is left that a bundle would tell: the record says which segmenter this is.
            config = self.speech.encoder.segmenter
            nothing = Calibration(num_units, config.frame_rate_hz, {}, {})
            self.speech.encoder.set_thresholds(nothing)

    def output_size(self) -> int:
        """D."""
        return self.speech.output_size()

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of a padded batch.

        Args:
            input: (B, 1 + T) int64, `<sos/eos>` and units; anything on the padding.
            input_lengths: (B,) int64, `<sos/eos>` counted.

        Returns:
            (B, S, D) float32 and (B,) int64 segments.

        Raises:
            ValueError: no `<sos/eos>` in front, ids that are no units, nothing after `<sos/eos>`.
        """
        sos = self.speech.encoder.num_units + 1
        if input.dim() != 2 or input.is_floating_point() or (input[:, 0] != sos).any():
            raise ValueError(
                f"the input is {tuple(input.shape)}, {input.dtype}; expected <sos/eos>, which is "
                f"{sos}, and then units (B, 1 + T); set src_token_list to the codebook's "
                "tokens.txt, and leave patch_size at 1"
            )
        units = input[:, 1:].to(torch.float32)
        return self.speech(torch.stack([units, torch.zeros_like(units)], 2), input_lengths - 1)
