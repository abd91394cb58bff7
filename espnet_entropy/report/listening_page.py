"""Players on the page of conversions: recordings side by side, embedded in the page."""

import io

import numpy as np

from espnet_entropy.report.render import inline
from espnet_entropy.vc.mel import MelConfig, log_mel


def sound(label: str, wave: np.ndarray, config: MelConfig, heard: str = "") -> dict:
    """A player with a spectrogram, for a part `{"sounds": [...]}` of a page.

    Args:
        label: what it is.
        wave: (N,) float32 in [-1, 1].
        config: of the spectrogram; its rate is that of the sound.
        heard: what a judge wrote down; empty if none has listened.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, wave, config.sample_rate, format="FLAC", subtype="PCM_16")
    audio = inline("audio/flac", buffer.getvalue())
    return dict(label=label, heard=heard, audio=audio, spectrogram=_spectrogram(wave, config))


def _spectrogram(wave: np.ndarray, config: MelConfig) -> str:
    """A grey picture in which loud parts are dark."""
    import matplotlib.image

    mel = log_mel(wave, config)
    grey = np.clip((mel.max() - mel) / 4.0, 0.0, 1.0).T[::-1]
    buffer = io.BytesIO()
    matplotlib.image.imsave(buffer, grey, cmap="gray", vmin=0.0, vmax=1.0, format="png")
    return inline("image/png", buffer.getvalue())
