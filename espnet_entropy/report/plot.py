"""Pictures of utterances."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from espnet_entropy.segment.boundaries import SegmenterConfig


def pyplot_for(output: Path | str):
    """matplotlib's pyplot without a window, to draw what `save_figure` writes to `output`.

    Raises:
        ValueError: `output` does not end in .png.
    """
    if Path(output).suffix != ".png":
        raise ValueError(f"{output}: the picture is a PNG; let its name end in .png")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure, output: Path | str) -> None:
    """Write a matplotlib figure in greys as a PNG, whole or not at all, and close it."""
    from matplotlib import pyplot
    from PIL import Image

    output = Path(output)
    temporary = output.with_name(f".{output.stem}.tmp.png")
    output.parent.mkdir(parents=True, exist_ok=True)
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=110, format="png")
    pyplot.close(figure)
    # 64 greys do, and take a third of the bytes, which pages and repositories hold.
    Image.open(drawn).convert("RGB").quantize(64).save(temporary, optimize=True)
    temporary.replace(output)


def plot_utterance(
    output: Path | str,
    *,
    waveform: np.ndarray,
    sample_rate: int,
    entropies: np.ndarray,
    boundaries: np.ndarray,
    frame_rate_hz: float,
    title: str,
    threshold_nats: float | None = None,
    words: Sequence[tuple[float, float, str]] = (),
) -> None:
    """Spectrogram, entropy curve and boundaries of one utterance, as a PNG.

    Readable in black and white: grey spectrogram, black curve, dashed boundaries.

    Args:
        output: PNG to write.
        waveform: (N,) float32.
        sample_rate: Hz.
        entropies: (T,) float32, nats.
        boundaries: (T,) bool.
        frame_rate_hz: units per second.
        title: stands above the picture.
        threshold_nats: drawn as a horizontal line if given.
        words: (start, end, word) in seconds, written above the spectrogram; silences have no word.

    Raises:
        ValueError: `output` does not end in .png.
    """
    plt = pyplot_for(output)
    seconds = len(waveform) / sample_rate
    figure, panels = plt.subplots(
        2 + bool(words),
        1,
        sharex=True,
        figsize=(max(8.0, min(3.2 * seconds, 24.0)), 5.0),
        layout="constrained",
        height_ratios=[0.12] * bool(words) + [1, 1],
    )
    upper, lower = panels[-2:]
    if words:
        _write_words(panels[0], words)
    upper.specgram(
        waveform + 1e-6, NFFT=400, Fs=sample_rate, noverlap=240, cmap="Greys", vmin=-140, vmax=-40
    )
    upper.set(ylabel="frequency [Hz]", ylim=(0, sample_rate / 2))
    panels[0].set_title(title)
    frames = np.arange(len(entropies)) / frame_rate_hz
    lower.step(frames, entropies, where="post", color="black", linewidth=1.0, label="entropy")
    if threshold_nats is not None:
        label = f"threshold, {threshold_nats:.2f} nats"
        lower.axhline(threshold_nats, color="black", linestyle=":", linewidth=1.0, label=label)
    for number, start in enumerate(frames[boundaries]):
        label = "boundary" if number == 0 else None
        upper.axvline(start, color="black", linestyle="--", linewidth=0.6)
        lower.axvline(start, color="0.55", linestyle="--", linewidth=0.6, label=label)
    lower.set(ylabel="entropy [nats]", xlabel="time [s]", xlim=(0, seconds))
    # Between the panels, where it hides nothing.
    lower.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    save_figure(figure, output)


def _write_words(panel, words: Sequence[tuple[float, float, str]]) -> None:
    """A strip of boxes, from each word's start to its end."""
    for start, end, word in words:
        if word:
            panel.broken_barh([(start, end - start)], (0, 1), facecolor="white", edgecolor="black")
            place = dict(ha="center", va="center", fontsize=8, clip_on=True)
            panel.text((start + end) / 2, 0.5, word, **place)
    panel.set(ylim=(-0.05, 1.05), yticks=[])
    panel.spines[:].set_visible(False)
    panel.tick_params(bottom=False)


def plot_segmentation(
    output: Path | str,
    *,
    name: str,
    waveform: np.ndarray,
    sample_rate: int,
    entropies: np.ndarray,
    boundaries: np.ndarray,
    config: SegmenterConfig,
    threshold_nats: float,
    words: Sequence[tuple[float, float, str]] = (),
) -> None:
    """`plot_utterance` with method and rate in the title, and the threshold where it is a height.

    Args:
        output: PNG to write.
        name: of the recording.
        waveform: (N,) float32.
        sample_rate: Hz.
        entropies: (T,) float32, nats.
        boundaries: (T,) bool.
        config: what placed the boundaries.
        threshold_nats: its first threshold.
        words: see `plot_utterance`.
    """
    rate_hz = boundaries.sum() * config.frame_rate_hz / len(boundaries)
    # A threshold of peaks below zero is a rank, no height (see segment.PEAKS_FIRST_NATS).
    is_height = config.segmenter in ("global", "peaks") and threshold_nats > 0
    plot_utterance(
        output,
        waveform=waveform,
        sample_rate=sample_rate,
        entropies=entropies,
        boundaries=boundaries,
        frame_rate_hz=config.frame_rate_hz,
        title=f"{name}: {config.method}, {rate_hz:.1f} segments/s",
        threshold_nats=threshold_nats if is_height else None,
        words=words,
    )
