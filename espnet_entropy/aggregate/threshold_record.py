"""The thresholds in a model's state, with a text that says which settings they were made for."""

import torch
from torch import Tensor, nn

from espnet_entropy.data.float_bytes import from_floats, to_floats
from espnet_entropy.segment.rates import GRID_POINTS
from espnet_entropy.segment.segmenters import THRESHOLD_NAMES

TEXT_BYTES = 256
RECORD_SIZE = TEXT_BYTES + GRID_POINTS * len(THRESHOLD_NAMES)
# Earlier versions saved a buffer `threshold_record`: thresholds, then these settings as numbers
# (the last two only in models of many rates), and the segmenter as its place in OLD_SEGMENTERS.
OLD_SETTINGS = (
    "segmenter on_change frame_rate_hz rate_hz threshold_given threshold_nats gap_cost"
    " lowest_hz highest_hz"
).split()
OLD_SEGMENTERS = "global relative combined peaks dp dense dedup fixed uniform random stored".split()


def settings_text(**settings: str | bool | float | None) -> str:
    """`segmenter=dp on_change=false rate_hz=15`, without the settings that are None."""
    shown = {
        name: str(value).lower() if isinstance(value, (str, bool)) else f"{value:g}"
        for name, value in settings.items()
        if value is not None
    }
    return " ".join(f"{name}={value}" for name, value in shown.items())


class ThresholdRecord(nn.Module):
    """Thresholds of one or many rates, which are only loaded with the settings they were made for.

    Text and thresholds are one buffer, so that neither is loaded without the other. It holds
    TEXT_BYTES bytes of UTF-8, then GRID_POINTS rows of THRESHOLD_NAMES, of which the first
    `num_rates` are used. The points of the units, which segmenter content reads, are a buffer of
    their own.
    ESPnet's `--init_param MODEL.pth:::frontend.encoder.threshold_record` leaves out this record and
    that of earlier versions.

    Args:
        made_for: `settings_text` of the model.
        num_rates: number of rates.
        is_read: whether the segmenter reads thresholds; otherwise any record is accepted.
        points: (K, C) of `unit_points`; None if the segmenter reads none.
    """

    def __init__(
        self,
        made_for: str,
        num_rates: int,
        is_read: bool,
        points: tuple[int, int] | None = None,
    ):
        super().__init__()
        self.made_for, self.num_rates, self.is_read = made_for, num_rates, is_read
        self.register_buffer("text_and_thresholds", torch.zeros(RECORD_SIZE))
        self.register_buffer("points", None if points is None else torch.zeros(points))
        self.thresholds.fill_(float("nan"))
        self.register_load_state_dict_post_hook(_check_loaded)

    @property
    def thresholds(self) -> Tensor:
        """(num_rates, 2) float32, nats, a part of the buffer; NaN until they are known."""
        grid = self.text_and_thresholds[TEXT_BYTES:].view(GRID_POINTS, len(THRESHOLD_NAMES))
        return grid[: self.num_rates]

    @property
    def text(self) -> str:
        """What the thresholds were made for; empty until they are known."""
        content = from_floats(self.text_and_thresholds[:TEXT_BYTES])
        return content.rstrip(b"\0").decode(errors="replace")

    @torch.no_grad()
    def take(self, thresholds: Tensor, points: Tensor | None) -> None:
        """Store (num_rates, 2) thresholds in nats, made for this model's settings, and points."""
        self.thresholds.copy_(thresholds)
        if self.points is not None and points is None:
            raise ValueError(f"no codebook for {self.made_for}; take the calibration of a bundle")
        if self.points is not None:
            self.points.copy_(points)
        self.text_and_thresholds[:TEXT_BYTES] = to_floats(self.made_for.encode(), TEXT_BYTES)


def convert_old_record(encoder: nn.Module, state: dict, prefix: str, *_) -> None:
    """Replace the record of an earlier version in a state of the encoder, before it is loaded."""
    old = state.pop(f"{prefix}threshold_record", None)
    if old is None:
        return
    many = len(old) > len(THRESHOLD_NAMES) + len(OLD_SETTINGS)
    count = len(THRESHOLD_NAMES) * (GRID_POINTS if many else 1)
    text = "" if old.isnan().any() else _text_of_old(old[count:].tolist())
    made = old.new_zeros(RECORD_SIZE)
    made[:TEXT_BYTES] = to_floats(text.encode(), TEXT_BYTES)
    made[TEXT_BYTES:][:count] = old[:count]
    state[f"{prefix}threshold_record.text_and_thresholds"] = made


def _text_of_old(numbers: list[float]) -> str:
    old = dict(zip(OLD_SETTINGS, numbers, strict=False))
    name = dict(enumerate(OLD_SEGMENTERS)).get(round(old["segmenter"]), "unknown")
    return settings_text(
        segmenter=name,
        on_change=bool(round(old["on_change"])),
        rate_hz=old["rate_hz"] or None,
        lowest_hz=old.get("lowest_hz"),
        highest_hz=old.get("highest_hz"),
        threshold_nats=old["threshold_nats"] if old["threshold_given"] else None,
        frame_rate_hz=old["frame_rate_hz"],
        gap_cost=old["gap_cost"] if name == "dp" else None,
    )


def _check_loaded(record: ThresholdRecord, incompatible_keys) -> None:
    """Refuse thresholds that were made for other settings than the model's.

    Without this, a model that starts from another one's parameters would keep its rate.
    """
    if not record.is_read or record.text in ("", record.made_for):
        return
    raise ValueError(
        f"the thresholds in this checkpoint were made for {record.text}, but the config says "
        f"{record.made_for}; use those, or, to start a new model from this one, leave them out: "
        "--init_param MODEL.pth:::frontend.encoder.threshold_record"
    )
