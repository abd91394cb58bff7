"""Pictures of boundary scores, readable in black and white."""

from pathlib import Path

import numpy as np

from espnet_entropy.evaluate.boundary_report import ScoredMethod
from espnet_entropy.report.plot import pyplot_for, save_figure

CHANCE_MARKERS = {"random": "v", "uniform": "s", "shift": "o"}
LINES = ("-", "--", ":", "-.")


def plot_boundary_scores(output: Path | str, rows: list[ScoredMethod], rate_hz: float) -> None:
    """F1 of every method beside its chance levels, by level and tolerance, and the offset scan.

    Args:
        output: PNG to write.
        rows: of one set.
        rate_hz: the rate that is drawn; methods without a rate are drawn too.

    Raises:
        ValueError: `output` does not end in .png, or nothing has this rate.
    """
    rows = [row for row in rows if row.rate_hz in (rate_hz, None)]
    if not rows:
        raise ValueError(f"no method was scored at {rate_hz:g} Hz; draw another rate")
    plt = pyplot_for(output)
    levels = list(dict.fromkeys(row.level for row in rows))
    tolerances = sorted({row.tolerance_sec for row in rows})
    methods = list(dict.fromkeys(row.method for row in rows))
    figure, panels = plt.subplots(
        len(levels),
        len(tolerances) + 1,
        figsize=(5.0 * (len(tolerances) + 1), 0.9 + max(2.8, 0.34 * len(methods)) * len(levels)),
        layout="constrained",
        squeeze=False,
    )
    for panel_row, level in zip(panels, levels, strict=True):
        chosen = [row for row in rows if row.level == level]
        for panel, tolerance in zip(panel_row, tolerances, strict=False):
            _draw_bars(panel, [row for row in chosen if row.tolerance_sec == tolerance])
            panel.set_title(f"{level}, {1000 * tolerance:.0f} ms")
        _draw_scan(panel_row[-1], [row for row in chosen if row.tolerance_sec == tolerances[0]])
        panel_row[-1].set_title(f"{level}, {1000 * tolerances[0]:.0f} ms, by offset")
    figure.suptitle(f"{rows[0].set_name}: {rate_hz:g} boundaries per second inside speech")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    save_figure(figure, output)


def _draw_bars(panel, rows: list[ScoredMethod]) -> None:
    """A bar a method with its interval; its own chance levels as marks on it."""
    places = np.arange(len(rows))[::-1]
    f1 = np.array([row.scores.f1 for row in rows])
    panel.barh(places, f1, height=0.7, color="0.8", edgecolor="black", linewidth=0.7)
    spread = [
        (0.0, 0.0)
        if row.interval is None
        else (row.scores.f1 - row.interval[0], row.interval[1] - row.scores.f1)
        for row in rows
    ]
    panel.errorbar(
        f1,
        places,
        xerr=np.clip(np.array(spread).T, 0, None),
        fmt="none",
        ecolor="black",
        capsize=2,
        linewidth=0.9,
        label="95 % over utterances",
    )
    for chance, marker in CHANCE_MARKERS.items():
        panel.plot(
            [row.chance_f1[chance] for row in rows],
            places,
            marker,
            color="black",
            mfc="white",
            markersize=5,
            label=f"chance: {chance}",
        )
    panel.set_yticks(places, [_name(row) for row in rows])
    panel.set(xlabel="F1", xlim=(0, 1))
    panel.grid(axis="x", alpha=0.3)


def _draw_scan(panel, rows: list[ScoredMethod]) -> None:
    """F1 by offset; the best six methods, told apart by line and marker."""
    ranked = sorted(rows, key=lambda row: -max(row.offset_f1))[:6]
    for number, row in enumerate(ranked):
        panel.plot(
            1000 * np.array(row.offsets_sec),
            row.offset_f1,
            LINES[number % len(LINES)],
            marker="osv^Dx"[number],
            markevery=2,
            markersize=4,
            color=f"{0.12 * number}",
            mfc="white",
            linewidth=1.0,
            label=_name(row),
        )
    panel.axvline(0, color="0.6", linewidth=0.7)
    panel.set(xlabel="boundaries moved by [ms]", ylabel="F1", ylim=(0, None))
    panel.legend(fontsize="small", frameon=False)


def _name(row: ScoredMethod) -> str:
    """With its rate where that is not the picture's."""
    return row.method if row.rate_hz is not None else f"{row.method}, {row.speech_hz:.0f} Hz"
