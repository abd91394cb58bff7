"""Pictures of trained systems beside each other, readable in black and white."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from espnet_entropy.report.plot import pyplot_for, save_figure

RATE_TICKS = (5, 7, 10, 15, 25, 50)  # Hz
MARKERS = "osD^v<>PX*phd"
# Rates closer than this share count as one; its systems are drawn side by side, this far apart.
SAME_RATE = 1.25
STEP = 1.04


def apart(rates_hz: Sequence[float]) -> list[float]:
    """Rates at which points are drawn: those of nearly one rate side by side, in their order."""
    order = sorted(range(len(rates_hz)), key=lambda i: rates_hz[i])
    groups: list[list[int]] = []
    for i in order:
        if groups and rates_hz[i] < SAME_RATE * rates_hz[groups[-1][0]]:
            groups[-1].append(i)
        else:
            groups.append([i])
    drawn = list(rates_hz)
    for group in groups:
        centre = mean(rates_hz[i] for i in group)
        for place, i in enumerate(sorted(group)):
            if len(group) > 1:
                drawn[i] = centre * STEP ** (place - (len(group) - 1) / 2)
    return drawn


def plot_rates(
    output: Path | str,
    sets: Mapping[str, Mapping[str, tuple[float, Sequence[float]]]],
    *,
    label: str,
) -> None:
    """Scores by segments per second, a panel a set; the bars span the seeds.

    Args:
        output: PNG to write.
        sets: name of the set -> system -> its rate in Hz, its score by seed.
        label: what the scores are, with their unit.

    Raises:
        ValueError: `output` does not end in .png.
    """
    pyplot = pyplot_for(output)
    names = list(next(iter(sets.values())))
    columns = -(-len(names) // 13)
    figure, panels = pyplot.subplots(
        1,
        len(sets),
        figsize=(4.2 * len(sets) + 1.6 * columns, 3.9),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for panel, (set_name, systems) in zip(panels[0], sets.items(), strict=True):
        places = apart([rate for rate, _ in systems.values()])
        for number, (name, (_, values)) in enumerate(systems.items()):
            centre = mean(values)
            bars = [[centre - min(values)], [max(values) - centre]]
            panel.errorbar(
                places[number],
                centre,
                yerr=bars,
                label=name,
                marker=MARKERS[number % len(MARKERS)],
                # The second round of markers is filled.
                mfc="none" if number < len(MARKERS) else "black",
                color="black",
                capsize=2,
                elinewidth=0.8,
                ls="none",
            )
        panel.set_xscale("log")
        panel.set_xticks(RATE_TICKS, map(str, RATE_TICKS))
        panel.minorticks_off()
        panel.set_xlim(RATE_TICKS[0] * 0.9, RATE_TICKS[-1] * 1.15)
        panel.set(title=set_name, xlabel="segments per second (near ones side by side)")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel(label)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", ncols=columns, frameon=False)
    save_figure(figure, output)
