"""Pictures of bundles and trainings, readable in black and white."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_entropy.report.plot import pyplot_for, save_figure
from espnet_entropy.segment.calibration import Calibration
from espnet_entropy.segment.segmenters import PEAKS_FIRST_NATS

SHOWN_FRAMES = 12
PANELS_A_ROW = 4
# (line style, marker) of a method, whatever the order they come in.
STYLES = {
    "global": ("-", "o"),
    "relative": ("--", "s"),
    "combined": (":", "^"),
    "peaks": ("-.", "D"),
    "dp": ((0, (7, 2)), "v"),
}


def length_shares(segment_lengths: np.ndarray, shown_frames: int = SHOWN_FRAMES) -> np.ndarray:
    """Shares of the segments that are 1, 2, ... `shown_frames` frames long, and longer.

    Args:
        segment_lengths: (S,) frames, each at least 1.
        shown_frames: number of lengths told apart.

    Returns:
        (shown_frames + 1,) float64, of sum 1; the last is the share of all longer ones.

    Raises:
        ValueError: there is no segment, or one of no frames.
    """
    lengths = np.asarray(segment_lengths)
    if not lengths.size or lengths.min() < 1:
        raise ValueError(f"{lengths.size} segments, shortest {lengths.min(initial=0)} frames")
    counts = np.bincount(np.minimum(lengths, shown_frames + 1) - 1, minlength=shown_frames + 1)
    return counts / lengths.size


def plot_segment_lengths(
    output: Path | str,
    *,
    lengths: dict[str, np.ndarray],
    frame_rate_hz: float,
    title: str,
) -> None:
    """How long the segments of each method are: a panel of bars a method.

    Args:
        output: PNG to write.
        lengths: method -> (S,) frames of all its segments.
        frame_rate_hz: units per second.
        title: stands above the picture.

    Raises:
        ValueError: no method, or a method without a segment.
    """
    if not lengths:
        raise ValueError(f"{output}: no method whose segments could be drawn")
    plt = pyplot_for(output)
    columns = min(PANELS_A_ROW, len(lengths))
    rows = -(-len(lengths) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        sharex=True,
        sharey=True,
        squeeze=False,
        figsize=(2.7 * columns + 0.6, 2.5 * rows + 0.7),
        layout="constrained",
    )
    frame_ms = 1000 / frame_rate_hz
    places = np.arange(1, SHOWN_FRAMES + 2)
    shown = (1, 4, 8)
    ticks, labels = [*shown, SHOWN_FRAMES + 1], [*(f"{n * frame_ms:g}" for n in shown), "more"]
    highest = 0.0
    for panel, (method, frames) in zip(panels.flat, lengths.items(), strict=False):
        frames = np.asarray(frames)
        shares = 100 * length_shares(frames)
        style = dict(width=0.8, edgecolor="black", linewidth=0.8)
        panel.bar(places[:-1], shares[:-1], color="0.75", **style)
        panel.bar(places[-1:], shares[-1:], color="white", hatch="////", **style)
        rate_hz = len(frames) * frame_rate_hz / frames.sum()
        panel.set_title(f"{method}, {rate_hz:.1f} segments/s", fontsize=10)
        told = f"one frame long: {shares[0]:.0f} %\nlongest: {frames.max() / frame_rate_hz:.2f} s"
        panel.text(0.97, 0.96, told, transform=panel.transAxes, ha="right", va="top", fontsize=9)
        panel.set_xticks(ticks, labels)
        highest = max(highest, shares.max())
    panels[0][0].set_ylim(0, 1.3 * highest)
    for panel in list(panels.flat)[len(lengths) :]:
        panel.set_visible(False)
    figure.supxlabel("length of a segment [ms]", fontsize=10)
    figure.supylabel("share of the segments [%]", fontsize=10)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, output)


def plot_thresholds(output: Path | str, calibration: Calibration, *, title: str) -> None:
    """Which threshold gives which rate: a curve a method, a panel a kind of threshold.

    Where `peaks` has no maxima left, other frames join it by their entropy; that part of its curve
    shows the entropy above which they do (the calibration holds it less `PEAKS_FIRST_NATS`).

    Args:
        output: PNG to write.
        calibration: its grids.
        title: stands above the picture.
    """
    plt = pyplot_for(output)
    figure, panels = plt.subplots(1, 3, sharex=True, figsize=(11.5, 4.2), layout="constrained")
    nats, rise = "threshold of the entropy [nats]", "threshold of its rise in one frame [nats]"
    panels[1].sharey(panels[0])
    kinds = (
        ("global_nats", False, nats, "any frame may begin a segment"),
        ("global_nats", True, nats, "only where the unit changes"),
        ("relative_nats", None, rise, "rise of the entropy"),
    )
    handles = {}
    for panel, (name, on_change, label, heading) in zip(panels, kinds, strict=True):
        for method, grid in calibration.methods.items():
            is_here = on_change in (None, "+" in method)
            if name not in grid or not grid["rate_hz"] or not is_here:
                continue
            for part in _curve_parts(method, grid["rate_hz"], grid[name]):
                handles[method] = panel.plot(*part, label=method, **_style(method))[0]
        panel.set(xlabel="segments per second", ylabel=label, xlim=(0, calibration.frame_rate_hz))
        panel.set_title(heading, fontsize=10)
        panel.grid(alpha=0.3)
    legend = dict(loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    figure.legend(handles.values(), handles.keys(), **legend)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, output)


def _curve_parts(method: str, rates: Sequence[float], thresholds: Sequence[float]) -> list:
    """(rates, thresholds) of each line to draw."""
    rates, thresholds = np.asarray(rates), np.asarray(thresholds)
    if not method.startswith("peaks"):
        return [(rates, thresholds)]
    is_height = thresholds > 0
    parts = ((is_height, 0.0), (~is_height, PEAKS_FIRST_NATS))
    return [(rates[which], thresholds[which] + offset) for which, offset in parts if which.any()]


def _style(method: str) -> dict:
    """Black with filled marks; grey with open ones where boundaries need a change of unit."""
    line, marker = STYLES.get(method.partition("+")[0], ("-", "x"))
    is_on_change = "+" in method
    colour = "0.45" if is_on_change else "black"
    fill = "white" if is_on_change else colour
    return dict(
        linestyle=line, marker=marker, color=colour, mfc=fill, ms=5, markevery=0.08, linewidth=1.2
    )


def plot_training(output: Path | str, epochs: Sequence, *, title: str) -> None:
    """Losses by epoch, and beside them what else the validation reports.

    Args:
        output: PNG to write.
        epochs: `records.Epoch`, at least one.
        title: stands above the picture.
    """
    plt = pyplot_for(output)
    measures = [name for name in ("cer_ctc", "cer", "wer", "acc") if _values(epochs, name)[0]]
    figure, panels = plt.subplots(
        1,
        1 + bool(measures),
        squeeze=False,
        figsize=(5.2 * (1 + bool(measures)), 3.4),
        layout="constrained",
    )
    numbers = [epoch.number for epoch in epochs]
    left = panels[0][0]
    style = dict(color="black", markersize=5, linewidth=1.2)
    for part, line, marker in (("train", "--", "o"), ("valid", "-", "s")):
        at = [(e.number, getattr(e, part)["loss"]) for e in epochs if "loss" in getattr(e, part)]
        if at:
            fill = "white" if part == "train" else "black"
            label = dict(train="training", valid="validation")[part]
            left.plot(*zip(*at, strict=True), line, marker=marker, mfc=fill, label=label, **style)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    for measure, line, marker in zip(measures, ("-", "--", ":", "-."), "^Dvx", strict=False):
        at, values = _values(epochs, measure)
        panels[0][1].plot(at, values, line, marker=marker, label=f"validation {measure}", **style)
    if measures:
        panels[0][1].set(xlabel="epoch", ylim=(0, None))
        panels[0][1].legend(frameon=False)
    for panel in panels[0]:
        panel.grid(alpha=0.3)
        if len(numbers) <= 20:
            panel.set_xticks(numbers)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, output)


def _values(epochs: Sequence, name: str) -> tuple[list[int], list[float]]:
    """Epochs and what the validation says of `name` there; none where it is no number."""
    found = [(e.number, e.valid[name]) for e in epochs if np.isfinite(e.valid.get(name, np.nan))]
    return [at for at, _ in found], [value for _, value in found]
