"""A page on which one hears source, prompt and results side by side, whole in one file."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet_entropy.vc.mel import MelConfig, log_mel

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { padding: .25rem .5rem; font-size: .9rem; text-align: right; border-bottom: 1px solid #ccc }
th:first-child, td:first-child { text-align: left }
.sounds { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem }
figure { margin: 0 } figure img { width: 100%; height: 6rem; display: block }
figure audio { width: 100%; height: 2rem } figcaption { font-size: .9rem }
.heard { color: #555 }
"""


@dataclass(frozen=True)
class Sound:
    """One player.

    Attributes:
        label: what it is.
        wave: (N,) float32 in [-1, 1].
        heard: what a judge wrote down; empty if none has listened.
    """

    label: str
    wave: np.ndarray
    heard: str = ""


@dataclass(frozen=True)
class Example:
    """Sounds that belong together."""

    title: str
    sounds: Sequence[Sound]


def make_page(
    title: str,
    table: Sequence[Sequence[str]],
    notes: Sequence[str],
    examples: Sequence[Example],
    config: MelConfig,
) -> str:
    """The page as HTML, which needs no network.

    Args:
        title: of the page.
        table: rows of cells, the header first.
        notes: paragraphs under it.
        examples: what can be heard.
        config: of the spectrograms and the rate of all sounds.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>",
        _table(table),
        *(f"<p>{html.escape(note)}</p>" for note in notes),
    ]
    for example in examples:
        parts.append(f"<h2>{html.escape(example.title)}</h2><div class=sounds>")
        parts += [_figure(sound, config) for sound in example.sounds]
        parts.append("</div>")
    return "\n".join(parts) + "\n</html>\n"


def _table(rows: Sequence[Sequence[str]]) -> str:
    def row(cells: Sequence[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    return "<table>" + row(rows[0], "th") + "".join(row(r, "td") for r in rows[1:]) + "</table>"


def _figure(sound: Sound, config: MelConfig) -> str:
    label, heard = html.escape(sound.label), html.escape(sound.heard)
    caption = f"{label}<br><span class=heard>&ldquo;{heard}&rdquo;</span>" if heard else label
    return (
        f"<figure><img alt='spectrogram of {label}' src='{_picture(sound.wave, config)}'>"
        f"<audio controls preload=none src='{_flac(sound.wave, config.sample_rate)}'></audio>"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _flac(wave: np.ndarray, sample_rate: int) -> str:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, wave, sample_rate, format="FLAC", subtype="PCM_16")
    return _inline("audio/flac", buffer.getvalue())


def _picture(wave: np.ndarray, config: MelConfig) -> str:
    """A grey spectrogram, loud is dark."""
    import matplotlib.image

    mel = log_mel(wave, config)
    grey = np.clip((mel.max() - mel) / 4.0, 0.0, 1.0).T[::-1]
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, grey, cmap="gray", vmin=0.0, vmax=1.0, format="png")
    return _inline("image/png", buffer.getvalue())


def _inline(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
