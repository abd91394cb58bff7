"""The settings of `frontend: entropy`, which are `frontend_conf` in a training's YAML."""

import inspect
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from espnet_entropy.aggregate import RECOMMENDED_AGGREGATOR
from espnet_entropy.aggregate.aggregators import AGGREGATORS
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.segment import RECOMMENDED_SEGMENTER
from espnet_entropy.segment.segmenters import SEGMENTERS

# The setting of arXiv 2509.00503.
PRESETS = {"paper": dict(segmenter="global", on_change=False, aggregator="cale")}
# Values of these settings if a `config.yaml` leaves them out, as earlier versions did.
EARLIER = dict(segmenter="global", aggregator="cale", gap_cost=0.3, fs=50)


@dataclass
class Experimental:
    """Settings that no result supports.

    Recipes and models of earlier versions have them beside the other settings, which still works.

    Attributes:
        threshold: nats, instead of a rate (`rate: null`).
        min_rate, max_segment, gap_cost, lead: see `SegmenterConfig`; Hz, frames, nats, frames.
        distortion_weight, entropy_weight, components: of segmenter content, see `SegmenterConfig`.
            The defaults of these and of gap_cost are those of the bundle's calibration.
        durations: add to each vector a learnt vector for the length of its segment, see
            `SegmentEncoder`.
        unit_init: `centroids` (from the bundle's codebook) or `random`.
        mask_span: length in units of the spans that `unit_mask` hides.
    """

    threshold: float | None = None
    min_rate: float | None = None
    max_segment: int | None = None
    gap_cost: float | None = None
    lead: int = 0
    distortion_weight: float | None = None
    entropy_weight: float | None = None
    components: int | None = None
    durations: bool = False
    unit_init: str = "centroids"
    mask_span: int = 8


@dataclass
class Settings:
    """All settings of a frontend.

    Attributes:
        bundle: folder of the bundle. Needed to train and for raw speech. Decoding a dump works
            without it: embeddings and thresholds then come from the checkpoint. A checkpoint of
            a model that was trained with another bundle is refused.
        rate: segments per second.
        rate_range: [lowest, highest] in Hz, for one model of many rates: a training draws one for
            each batch, `rate` is that of validation and decoding, and `set_rate` or another `rate`
            in the model's `config.yaml` chooses among them afterwards.
        segmenter, on_change: see `SegmenterConfig`.
        aggregator: a key of AGGREGATORS.
        aggregator_conf: its keyword arguments.
        unit_mask, dropout: regularisation in training, see `SegmentEncoder`.
        output_size: D, the dimension of the vectors.
        extractor_path: weights of the extractor for raw speech, if not where the bundle says.
        num_units: K; the default is the bundle's.
        fs: units per second; the default is the bundle's. ESPnet's recipes set it to their `--fs`.
        experimental: settings that no result supports.
    """

    bundle: str | None = None
    rate: float | None = None
    rate_range: list[float] | None = None
    segmenter: str = RECOMMENDED_SEGMENTER
    on_change: bool = False
    aggregator: str = RECOMMENDED_AGGREGATOR
    aggregator_conf: dict | None = None
    unit_mask: float = 0.0
    dropout: float = 0.0
    output_size: int = 256
    extractor_path: str | None = None
    num_units: int | None = None
    fs: int | float | str | None = None
    experimental: Experimental = field(default_factory=Experimental)

    @classmethod
    def resolve(cls, conf: dict | None, segmenter: str = RECOMMENDED_SEGMENTER) -> "Settings":
        """The settings that a training's YAML means.

        Args:
            conf: `frontend_conf`, which may name a preset and have experimental settings at its
                top level. What it leaves out comes from the preset, the bundle and the defaults.
            segmenter: the default segmenter.

        Raises:
            ValueError: a setting that does not exist, that contradicts the preset or that is given
                twice, or no bundle in the folder.
        """
        conf = _with_preset(dict(conf or {}))
        rare = conf.pop("experimental", None) or {}
        if not isinstance(rare, dict):
            raise ValueError(f"experimental is {rare!r}, but must be a mapping of settings")
        for name in _names(Experimental) & conf.keys():
            value = conf.pop(name)
            if name in rare and rare[name] != value:
                raise ValueError(f"{name} is {value}, but experimental has {name}: {rare[name]}")
            rare = rare | {name: value}
        unknown = sorted(conf.keys() - _names(cls) | rare.keys() - _names(Experimental))
        if unknown:
            raise ValueError(f"frontend: entropy has no setting {', '.join(unknown)}")
        if not isinstance(conf.get("bundle"), str | None):
            raise ValueError(f"bundle is {conf['bundle']!r}, but must be the path of a folder")
        made = cls(**{"segmenter": segmenter} | conf, experimental=Experimental(**rare))
        aggregator, given = AGGREGATORS.get(str(made.aggregator)), made.aggregator_conf or {}
        if aggregator is not None and isinstance(given, dict):
            own = inspect.signature(aggregator).parameters.values()
            made.aggregator_conf = {p.name: p.default for p in own if p.default != p.empty} | given
        made._ask_bundle()
        return made

    def _ask_bundle(self) -> None:
        """Fill in the settings that the bundle determines."""
        rare = self.experimental
        kind = SEGMENTERS.get(str(self.segmenter))
        costs = {"gap_cost", *(kind.settings if kind else ())}
        is_open = None in (self.num_units, self.fs, *(getattr(rare, name) for name in costs))
        if is_open and self.bundle is not None and Path(self.bundle).is_dir():
            bundle = Bundle.open(self.bundle)
            if self.num_units is None:
                self.num_units = bundle.num_units
            if self.fs is None:
                self.fs = bundle.frame_rate_hz
            calibration = bundle.calibration()
            known = dict(gap_cost=calibration.gap_cost) | calibration.settings_of(self.segmenter)
            _fill_in(rare, known)
        self.fs = 50 if self.fs is None else self.fs
        _fill_in(rare, dict(gap_cost=0.3) | dict(kind.settings if kind else {}))

    @property
    def conf(self) -> dict:
        """Every setting, for a `config.yaml`."""
        return asdict(self)

    @property
    def reads_entropies(self) -> bool:
        """Whether the segments depend on the unit LM; unknown segmenters are refused elsewhere."""
        kind = SEGMENTERS.get(str(self.segmenter))
        return kind is None or bool(kind.thresholds) or self.experimental.min_rate is not None


def of_config(conf: dict | None, segmenter: str = EARLIER["segmenter"]) -> dict:
    """The `frontend_conf` of a model's `config.yaml`, complete, whichever version wrote it.

    Args:
        conf: as it is in the file.
        segmenter: the segmenter of a file of an earlier version that names none.
    """
    conf = conf or {}
    # Trainings of this version record all settings, `experimental` among them.
    return conf if "experimental" in conf else EARLIER | {"segmenter": segmenter} | conf


def frame_rate(fs: int | float | str) -> float:
    """ESPnet's `fs` as units per second; ValueError if it is an audio sample rate."""
    try:
        rate = float(fs)
    except ValueError:
        rate = float("inf")
    if not 0 < rate <= 200:
        raise ValueError(
            f"fs is {fs}, but for units it is their rate (50); call the recipe with --fs 50"
        )
    return rate


def _fill_in(settings: Experimental, values: dict) -> None:
    for name, value in values.items():
        if getattr(settings, name) is None:
            setattr(settings, name, value)


def _names(settings: type) -> set[str]:
    return {setting.name for setting in fields(settings)}


def _with_preset(conf: dict) -> dict:
    """Replace `preset` by its settings; ValueError if others contradict it."""
    name = conf.pop("preset", None)
    if name is None:
        return conf
    if not isinstance(name, str) or name not in PRESETS:
        raise ValueError(f"preset {name!r} is none of {', '.join(PRESETS)}")
    for setting, value in PRESETS[name].items():
        if conf.get(setting, value) != value:
            raise ValueError(
                f"preset {name} is {setting}: {value}, but {setting} is {conf[setting]}; leave "
                f"out one of the two"
            )
    return PRESETS[name] | conf
