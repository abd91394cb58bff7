"""`frontend: entropy`: the ESPnet frontend around `SegmentEncoder`."""

from pathlib import Path

import torch
from espnet2.asr.frontend.abs_frontend import AbsFrontend
from torch import Tensor

from espnet_entropy.aggregate.encoder import Encoded, SegmentEncoder
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.origin_record import OriginRecord
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.batch import valid_mask
from espnet_entropy.espnet.settings import EARLIER, Settings, frame_rate
from espnet_entropy.segment import RECOMMENDED_SEGMENTER
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.segmenters import SEGMENTERS


class EntropyFrontend(AbsFrontend):
    """Dumped units `(B, T, 2)` or raw speech `(B, N)` in, one vector per segment out.

    Args:
        conf: the settings of `Settings`, or a `preset`; `bundle` and `rate` are enough.

    Raises:
        ValueError: settings that are out of range, do not go together or do not fit the bundle.
    """

    # The default, and the segmenter of a `config.yaml` of an earlier version that names none.
    default_segmenter, earlier_segmenter = RECOMMENDED_SEGMENTER, EARLIER["segmenter"]

    def __init__(self, **conf):
        super().__init__()
        settings = Settings.resolve(conf)
        rare, rate, segmenter = settings.experimental, settings.rate, settings.segmenter
        if rare.unit_init not in ("centroids", "random"):
            raise ValueError(f"unit_init is {rare.unit_init!r}, but must be centroids or random")
        config = SegmenterConfig(
            segmenter,
            settings.on_change,
            rate,
            rare.min_rate,
            rare.max_segment,
            frame_rate(settings.fs),
            rare.gap_cost,
            rare.lead,
            rare.distortion_weight,
            rare.entropy_weight,
            rare.components,
        )
        if rare.threshold is not None and not config.kind.by_rank:
            names = ", ".join(name for name, kind in SEGMENTERS.items() if kind.by_rank)
            raise ValueError(f"threshold works with {names}, not with {segmenter}")
        if rare.threshold is not None and rate is not None:
            raise ValueError(
                f"rate {rate} Hz and threshold {rare.threshold} nats are given, but one follows "
                "from the other; leave one out (rate: null)"
            )
        if settings.num_units is None:
            raise ValueError(
                f"num_units is unknown: there is no bundle at {settings.bundle}; give "
                "frontend_conf.bundle"
            )
        self.bundle = settings.bundle
        self.extractor_path = settings.extractor_path
        self.encoder = SegmentEncoder(
            settings.num_units,
            settings.output_size,
            config,
            rate_range_hz=settings.rate_range,
            threshold_nats=rare.threshold,
            aggregator=settings.aggregator,
            aggregator_conf=settings.aggregator_conf,
            durations=rare.durations,
            unit_mask=settings.unit_mask,
            mask_span=rare.mask_span,
            dropout=settings.dropout,
        )
        self.origin = OriginRecord(settings.reads_entropies)
        # A list hides the tokenizer from torch: its weights are no part of this model.
        self._tokenizer: list[UnitTokenizer] = []
        if self.bundle is not None and Path(self.bundle).is_dir():
            self._fill_from_bundle(Bundle.open(self.bundle), rare.unit_init)

    def _fill_from_bundle(self, bundle: Bundle, unit_init: str) -> None:
        config = self.encoder.segmenter
        if bundle.num_units != self.encoder.num_units:
            raise ValueError(
                f"num_units is {self.encoder.num_units}, but {bundle.folder} has {bundle.num_units}"
            )
        if abs(bundle.frame_rate_hz - config.frame_rate_hz) > 1e-6:
            raise ValueError(
                f"fs is {config.frame_rate_hz}, but the units of {bundle.folder} come at "
                f"{bundle.frame_rate_hz} Hz; give --fs {bundle.frame_rate_hz:g}"
            )
        if unit_init == "centroids":
            self.encoder.init_embedding(bundle.codebook().centroids)
        self.encoder.set_thresholds(bundle.calibration())
        self.origin.take(bundle.folder, bundle.origin)

    def output_size(self) -> int:
        """D."""
        return self.encoder.embedding.embedding_dim

    def set_rate(self, rate_hz: float) -> None:
        """Choose the rate of a model of many rates, in Hz; see `SegmentEncoder.set_rate`."""
        self.encoder.set_rate(rate_hz)

    def forward(self, input: Tensor, input_lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors of a padded batch.

        Args:
            input: (B, T, 2) float32, unit id and entropy in nats; or (B, N) float32 waveforms.
            input_lengths: (B,) int64 frames or samples.

        Returns:
            (B, S, D) float32 and (B,) int64 segments.

        Raises:
            ValueError: half precision, ids that are no units, a missing bundle.
        """
        encoded = self.encode(input, input_lengths)
        return encoded.vectors, encoded.num_segments

    def encode(self, input: Tensor, input_lengths: Tensor) -> Encoded:
        """As forward, with segment lengths and ids."""
        if input.dtype not in (torch.float32, torch.float64):
            raise ValueError(
                f"the input is {input.dtype}, in which unit ids above 256 break; "
                "use float32 (autocast is fine)"
            )
        if input.dim() > 1 and input_lengths.shape != input.shape[:1]:
            raise ValueError(
                f"{tuple(input.shape)} is a batch of {len(input)}, but its lengths are "
                f"{tuple(input_lengths.shape)}"
            )
        if self.encoder.thresholds.isnan().any():
            raise ValueError(
                f"no bundle at {self.bundle} and no checkpoint loaded: embeddings and thresholds "
                "are unknown; give frontend_conf.bundle"
            )
        if input.dim() == 2:
            units, entropies, lengths = self._tokenize(input, input_lengths)
        elif input.dim() == 3 and input.shape[2] == 2:
            lengths = input_lengths
            valid = valid_mask(lengths, input.shape[1]).unsqueeze(-1)
            input = input.masked_fill(~valid, 0.0)
            units, entropies = self._split(input)
        else:
            raise ValueError(
                f"the input is {tuple(input.shape)}; expected units and entropies (B, T, 2) "
                "or waveforms (B, N)"
            )
        return self.encoder.encode(units, entropies, lengths)

    def _split(self, input: Tensor) -> tuple[Tensor, Tensor]:
        if not input.isfinite().all():
            raise ValueError("the dump holds NaN or infinite values; make it again")
        units = input[..., 0].round()
        if (units != input[..., 0]).any():
            raise ValueError(
                "unit ids are not integers: was the dump changed by augmentation (speed, noise, "
                "volume) or normalisation? Switch these off, and normalize: null"
            )
        return units.long(), input[..., 1].float()

    def _tokenize(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        for index, length in enumerate(lengths.tolist()):
            if is_flattened_dump(waveforms[index, :length], self.encoder.num_units):
                raise ValueError(
                    f"utterance {index} of the batch is not a waveform: its {length} values "
                    "alternate between unit ids and entropies, as in a flattened "
                    f"({length // 2}, 2) matrix of a dump. espnet3 flattens matrices when it "
                    "decodes in batches; set batch_size: null in its inference.yaml"
                )
        if not self._tokenizer or self._tokenizer[0].device != waveforms.device:
            if self.bundle is None:
                raise ValueError("raw speech needs frontend_conf.bundle")
            self._tokenizer[:] = [
                UnitTokenizer.from_bundle(
                    self.bundle, device=waveforms.device, extractor_path=self.extractor_path
                )
            ]
        tokens = self._tokenizer[0](waveforms.float(), lengths)
        # Copies: what was made in inference mode cannot take part in training.
        return tokens.units.clone(), tokens.entropies.clone(), tokens.lengths.clone()


def is_flattened_dump(values: Tensor, num_units: int) -> bool:
    """Whether (N,) values alternate between ids in [0, K) and entropies, and are not a waveform.

    Samples are in [-1, 1]. Values without an id above 1 could be silence, clicks or clipped sound,
    so they count as a waveform.
    """
    units, entropies = values[::2], values[1::2]
    return (
        len(units) == len(entropies) > 0
        and 1 < units.max().item() < num_units
        and entropies.min().item() >= 0
        and bool(((units >= 0) & (units == units.round())).all())
    )
