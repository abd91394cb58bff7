"""Thresholds for target rates, measured on held-out units.

A calibration is a grid per method of reached rates against thresholds; the threshold for a rate
between two grid points is interpolated. It needs entropies only, never the unit LM.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor
from yaml import YAMLError

from espnet_entropy.data.batch import check_unit_range
from espnet_entropy.data.dump import padded_batches
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.segment.boundaries import (
    ON_CHANGE,
    SegmenterConfig,
    parse_method,
)
from espnet_entropy.segment.points import unit_points
from espnet_entropy.segment.segmenters import SEGMENTERS, THRESHOLD_NAMES
from espnet_entropy.segment.threshold_search import (
    Batch,
    count_reached,
    ranked_scores,
    threshold_for_rate,
)

# Farther beside the aim than this, a method has run out of frames at which to fire.
REACH_HZ = 0.25
DEFAULT_METHODS = tuple(
    (name, on_change)
    for name, segmenter in SEGMENTERS.items()
    if segmenter.thresholds
    for on_change in (False, True)
)


@dataclass(frozen=True)
class Calibration:
    """Grids of reached rates against thresholds.

    Attributes:
        num_units: K of the codebook it was measured with.
        frame_rate_hz: units per second.
        held_out: what it was measured on (free keys: dump, utterances, hours; codebook and unit_lm,
            the sha256 that the dump names, None where it names none).
        methods: method name -> {"rate_hz": [...], "global_nats": [...], ...}, rates ascending.
        gap_cost: of dp; the default in files that do not name it.
        content: the settings of content; None if it was not calibrated.
        points: (K, C) float32, of the units; not in the file, see `Bundle.calibration`.
    """

    num_units: int
    frame_rate_hz: float
    held_out: dict
    methods: dict[str, dict[str, list[float]]]
    gap_cost: float = SEGMENTERS["dp"].settings["gap_cost"]
    content: dict[str, float] | None = None
    points: Tensor | None = field(default=None, compare=False, repr=False)

    def settings_of(self, segmenter: str) -> dict[str, float]:
        """The settings with which a segmenter was calibrated; empty if it depends on none."""
        known = dict(dp=dict(gap_cost=self.gap_cost), content=self.content or {})
        return known.get(segmenter, {})

    def config(self, method: str, rate_hz: float | None = None, **settings) -> SegmenterConfig:
        """The configuration of a method as it was calibrated; see `SegmenterConfig.of_method`."""
        known = self.settings_of(parse_method(method)[0]) | dict(frame_rate_hz=self.frame_rate_hz)
        return SegmenterConfig.of_method(method, rate_hz, **known | settings)

    def with_points(self, centroids: Tensor) -> "Calibration":
        """The same, with the points of the units (K, D') if content was calibrated.

        Raises:
            ValueError: not K centroids, or all of them are equal.
        """
        if self.content is None:
            return self
        if len(centroids) != self.num_units:
            raise ValueError(f"{len(centroids)} centroids for {self.num_units} units")
        return replace(self, points=unit_points(centroids, self.content["components"]))

    def check_origin(self, path: object, other: Origin, name: object) -> None:
        """Refuse units or entropies of other parts than those that were measured.

        Args:
            path: of this calibration, for the message.
            other: hashes of the codebook and unit LM that it is used with.
            name: of their dump or bundle.

        Raises:
            ValueError: a hash differs; hashes that are not known are not compared.
        """
        known = Origin(self.held_out.get("codebook"), self.held_out.get("unit_lm"))
        difference = known.difference(other, name)
        if difference:
            raise ValueError(
                f"{path} was measured with {difference}; calibrate again on a dump that was made "
                "with the same codebook and unit LM"
            )

    def thresholds(self, config: SegmenterConfig) -> Tensor:
        """Thresholds for `config.rate_hz`.

        Returns:
            (2,) float32, nats, as THRESHOLD_NAMES; 0 where the segmenter reads none.

        Raises:
            ValueError: the method was not calibrated, or with other settings; it has no rate, or
                cannot reach it.
        """
        thresholds = torch.zeros(len(THRESHOLD_NAMES))
        if not config.kind.thresholds:
            return thresholds
        if config.method not in self.methods:
            raise ValueError(
                f"{config.method!r} is not in the calibration ({', '.join(self.methods)}); "
                "measure it with `bundle calibrate`"
            )
        for name, value in self.settings_of(config.segmenter).items():
            given = getattr(config, name)
            if given != value:
                change = f"--{name} {given}"
                if config.kind.has_distortion:
                    change = f"--content '{{{name}: {given}}}'"
                raise ValueError(
                    f"{name} is {given}, but {config.method!r} was calibrated with {value}; set "
                    f"that, or calibrate again with {change}"
                )
        grid = self.methods[config.method]
        rates = grid["rate_hz"]
        if config.rate_hz is None:
            raise ValueError(f"{config.method!r} needs a rate in Hz (or a threshold in nats)")
        if not len(rates):
            raise ValueError(f"{config.method!r} reached no rate on the held-out set")
        # What was aimed at lies inside, though the grid holds what was reached, just beside.
        if not rates[0] - REACH_HZ <= config.rate_hz <= rates[-1] + REACH_HZ:
            raise ValueError(
                f"rate {config.rate_hz} Hz is outside of what {config.method!r} reached on the "
                f"held-out set: {rates[0]:.1f} to {rates[-1]:.1f} Hz"
            )
        for name in config.kind.thresholds:
            value = np.interp(config.rate_hz, rates, grid[name])
            thresholds[THRESHOLD_NAMES.index(name)] = float(value)
        return thresholds

    def reach(self, method: str) -> str:
        """The rates that a method reaches, as `5.0 to 24.0 Hz`."""
        rates = self.methods[method]["rate_hz"]
        return f"{rates[0]:.1f} to {rates[-1]:.1f} Hz" if rates else "no rate reached"

    def save(self, path: Path | str) -> None:
        """Write YAML."""
        with atomic_text(path) as file:
            kept = {name: value for name, value in vars(self).items() if name != "points"}
            if self.content is None:
                del kept["content"]
            yaml.safe_dump(kept, file, sort_keys=False, default_flow_style=None, width=100)

    @classmethod
    def load(cls, path: Path | str) -> "Calibration":
        """Read YAML.

        Raises:
            ValueError: the file is missing or no calibration.
        """
        try:
            made = cls(**yaml.safe_load(Path(path).read_text(encoding="utf-8")))
            for method, grid in made.methods.items():
                _check_grid(method, grid)
            for segmenter in ("dp", "content"):
                SegmenterConfig(segmenter, rate_hz=1.0, **made.settings_of(segmenter))
        except (OSError, TypeError, ValueError, AttributeError, OverflowError, YAMLError) as error:
            raise ValueError(f"{path} is no calibration ({error}); calibrate again") from error
        return made


def _check_grid(method: str, grid: dict[str, list[float]]) -> None:
    """Raise ValueError unless a method's columns are numbers of equal count by ascending rates."""
    names = ["rate_hz", *SEGMENTERS[parse_method(method)[0]].thresholds]
    if set(grid) != set(names):
        raise ValueError(f"{method} has the columns {', '.join(grid)}, not {', '.join(names)}")
    columns = torch.tensor([grid[name] for name in names], dtype=torch.float64)
    if not columns.isfinite().all() or (columns[0].diff() <= 0).any():
        raise ValueError(f"the columns of {method} are not finite numbers by ascending rates")


def calibrate(
    batches: Sequence[Batch],
    *,
    num_units: int,
    frame_rate_hz: float,
    held_out: dict,
    methods: tuple[tuple[str, bool], ...] = DEFAULT_METHODS,
    gap_cost: float = Calibration.gap_cost,
    centroids: Tensor | None = None,
    content: Mapping[str, float] | None = None,
) -> Calibration:
    """Measure thresholds against rates on a held-out set.

    Args:
        batches: units (B, T) int64, entropies (B, T) float32 in nats and lengths (B,) int64
            frames of each. How utterances are grouped into batches changes nothing; those of
            similar length waste the least on padding.
        num_units: K.
        frame_rate_hz: units per second.
        held_out: description kept in the result.
        methods: (segmenter, on_change) pairs.
        gap_cost: of dp, see `SegmenterConfig`.
        centroids: (K, D') float32, of the codebook; without them `content` is left out.
        content: its settings where they are not the defaults.

    Returns:
        The calibration; the rates in it are those reached, not those aimed at. Rates that a
        method cannot reach are left out.

    Raises:
        ValueError: frame_rate_hz or a setting is out of range, or centroids that are all equal.
    """
    made = Calibration(num_units, frame_rate_hz, held_out, {}, gap_cost)
    if centroids is None:
        methods = tuple(m for m in methods if not SEGMENTERS[m[0]].has_distortion)
    else:
        settings = SEGMENTERS["content"].settings | dict(content or {})
        SegmenterConfig("content", rate_hz=1.0, **settings)  # which refuses what is out of range
        made = replace(made, content=settings).with_points(centroids)
    seconds = sum(int(lengths.sum()) for *_, lengths in batches) / frame_rate_hz
    for segmenter, on_change in methods:
        config = made.config(segmenter + (ON_CHANGE if on_change else ""), 1.0)
        ranked = ranked_scores(batches, config)
        points = {}
        for rate_hz in config.kind.grid_hz:
            aimed = config.at_rate(float(rate_hz))
            thresholds = threshold_for_rate(batches, ranked, aimed, seconds, made.points)
            if thresholds is None:
                continue
            reached = count_reached(batches, ranked, aimed, thresholds, made.points) / seconds
            if abs(reached - rate_hz) < REACH_HZ:
                points[round(reached, 4)] = [round(v, 6) for v in thresholds.tolist()]
        rates = sorted(points)
        made.methods[config.method] = {"rate_hz": rates} | {
            name: [points[rate][THRESHOLD_NAMES.index(name)] for rate in rates]
            for name in config.kind.thresholds
        }
    return made


def calibrate_dump(
    dump: Path | str, *, num_units: int, frame_rate_hz: float, **settings
) -> Calibration:
    """`calibrate` on `dump/raw/SET`; ValueError if it cannot be read or has unknown units."""
    batches = [batch for _, *batch in padded_batches(dump)]
    for units, *_ in batches:
        check_unit_range(units, num_units)
    lengths = torch.cat([lengths for *_, lengths in batches])
    hours = float(lengths.sum()) / frame_rate_hz / 3600
    measured = dict(dump=str(dump), utterances=len(lengths), hours=round(hours, 4))
    return calibrate(
        batches,
        num_units=num_units,
        frame_rate_hz=frame_rate_hz,
        held_out=measured | origin_of_dump(dump)._asdict(),
        **settings,
    )
