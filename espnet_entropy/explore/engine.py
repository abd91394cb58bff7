"""What the page shows of a sound: units and entropies once, segments for every rate anew."""

import secrets
import threading
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.segmented import Segmentation, Segmented
from espnet_entropy.bundle.tokenizer import Tokens, UnitTokenizer
from espnet_entropy.data.audio import read_audio
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import Recording, read_recordings
from espnet_entropy.segment.boundaries import SegmenterConfig
from espnet_entropy.segment.segmenters import SEGMENTERS

# Uploads are opened as these and nothing else: FFmpeg's playlists would open what they name.
CONTAINERS = "wav w64 aiff au caf flac ogg mp3 aac matroska webm mov mp4 m4a 3gp amr asf".split()
SUFFIXES = tuple(".wav .flac .mp3 .ogg .opus .m4a .webm .aac .aiff .au .g722 .sph .wma".split())
# Of a spectrogram: window and its transform in samples, and as many columns as a screen can show.
WINDOW, TRANSFORM, MOST_COLUMNS = 400, 512, 6000
DEPTH_DB = 65.0


@dataclass
class Sound:
    """A recording that the page can show.

    Attributes:
        key: by which the page asks for it.
        name: for people; of the file, without folders.
        waveform: (N,) float32 in [-1, 1].
        tokens: its units and entropies, a batch of one.
        words: (start, end, word) in seconds, if a text was aligned.
        text: what is said, if it came with the sound.
    """

    key: str
    name: str
    waveform: np.ndarray
    tokens: Tokens
    words: list[tuple[float, float, str]] = field(default_factory=list)
    text: str = ""


@dataclass(frozen=True)
class Example:
    """A sound on the server's disk that the page offers."""

    recording: Recording
    text: str = ""

    @property
    def name(self) -> str:
        """Name of the utterance, or of the file without its folders."""
        return self.recording.utterance


class Explorer:
    """Computes all that the page shows, and holds the sounds it was last given.

    Args:
        folder: the bundle.
        device: where units are computed.
        extractor_path: the extractor's weights, if they are not where the bundle says.
        examples: sounds to offer.
        max_sec: longer sounds are refused.
        max_sounds: held in memory; the one longest unused makes room.

    Raises:
        ValueError: no bundle there, or its parts do not fit.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        device: str = "cpu",
        extractor_path: str | None = None,
        examples: list[Example] | None = None,
        max_sec: float = 300.0,
        max_sounds: int = 8,
    ):
        self.bundle = Bundle.open(folder)
        self.calibration = self.bundle.calibration()
        self.tokenizer = UnitTokenizer.from_bundle(
            folder, device=device, extractor_path=extractor_path
        )
        self.examples = examples or []
        self.max_sec, self.max_sounds = max_sec, max_sounds
        self._sounds: OrderedDict[str, Sound] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def sample_rate(self) -> int:
        """Hz."""
        return self.tokenizer.sample_rate

    @property
    def frame_rate_hz(self) -> float:
        """Units per second."""
        return self.bundle.frame_rate_hz

    def add(self, path: Path | str, name: str) -> Sound:
        """Tokenize an uploaded sound and hold it.

        Args:
            path: where it was put.
            name: what errors call it.

        Raises:
            ValueError: it is no sound, too long, or too short.
        """
        with _errors_for_people(name, path):
            waveform = read_audio(
                path, self.sample_rate, max_sec=self.max_sec, containers=CONTAINERS
            )
            return self._add(name, waveform)

    def add_example(self, number: int) -> Sound:
        """Tokenize a sound of `examples` and hold it; raises what `add` does."""
        example = self.examples[number]
        recording = example.recording
        with _errors_for_people(example.name, recording.source):
            waveform = recording.samples(self.sample_rate, max_sec=self.max_sec)
            return self._add(example.name, waveform, example.text)

    def sound(self, key: str) -> Sound | None:
        """A sound if it is still held; it becomes the last one to be removed."""
        with self._lock:
            if key in self._sounds:
                self._sounds.move_to_end(key)
            return self._sounds.get(key)

    def _add(self, name: str, waveform: np.ndarray, text: str = "") -> Sound:
        tokens = self.tokenizer.tokenize(waveform)
        sound = Sound(secrets.token_hex(8), name, waveform, tokens, text=text)
        with self._lock:
            self._sounds[sound.key] = sound
            while len(self._sounds) > self.max_sounds:
                self._sounds.popitem(last=False)
        return sound

    def methods(self) -> list[dict]:
        """Methods with the lowest and highest rate in Hz at which each can be asked for.

        Those of the calibration, then those without one; the latter's rates are None if what
        comes of the units is all there is.
        """
        grids = self.calibration.methods.items()
        found = [
            dict(name=name, min_hz=grid["rate_hz"][0], max_hz=grid["rate_hz"][-1])
            for name, grid in grids
            if grid["rate_hz"]
        ]
        found.sort(key=lambda method: not method["name"].startswith("dp"))
        for name, kind in SEGMENTERS.items():
            if not kind.thresholds and name != "stored":
                limits = (1.0, self.frame_rate_hz) if kind.has_rate else (None, None)
                found.append(dict(name=name, min_hz=limits[0], max_hz=limits[1]))
        return found

    def segmentation(self, method: str, rate_hz: float) -> Segmentation:
        """Where segments start at a rate; at the frame rate every unit is a segment.

        Args:
            method: a name in `methods`, such as `peaks+on_change`.
            rate_hz: segments a second to aim at.

        Raises:
            ValueError: there is no such method, or it does not reach this rate.
        """
        if method == "stored":
            raise ValueError("method 'stored' segments dumps that hold boundaries, not recordings")
        calibration, own = self.calibration, dict(frame_rate_hz=self.frame_rate_hz)
        config = calibration.config(method, rate_hz, **own)
        if config.kind.thresholds and -0.5 < rate_hz - self.frame_rate_hz <= 0:
            config = SegmenterConfig.of_method("dense", **own)
        thresholds = calibration.thresholds(config)
        return Segmentation(self.tokenizer, config, thresholds, calibration.points)

    def segmented(self, sound: Sound, method: str, rate_hz: float) -> Segmented:
        """Segments of a sound; raises what `segmentation` does."""
        return self.segmentation(method, rate_hz).cut(sound.tokens)


@contextmanager
def _errors_for_people(name: str, path: Path | str):
    """Put the sound's name into errors, and remove the path of its file."""
    try:
        yield
    except ValueError as error:
        message = str(error).replace(str(path), "the file")
        raise ValueError(f"{name}: {message}") from error


def spectrogram(waveform: np.ndarray) -> tuple[np.ndarray, int]:
    """Power over time and frequency, for the eye.

    Args:
        waveform: (N,) float32.

    Returns:
        (columns, rows) uint8: 0 is DEPTH_DB or more below the loudest 0.1 %, 255 that or more. Row
        0 is the lowest frequency, the last ends at half the sample rate. And the samples between
        two columns; the first is centred on the first sample.
    """
    hop = max(160, -(-len(waveform) // MOST_COLUMNS))
    padded = np.pad(waveform, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop]
    columns = []
    for part in np.array_split(frames, max(1, len(frames) // 500)):
        power = np.abs(np.fft.rfft(part * np.hanning(WINDOW), TRANSFORM)[:, :-1]) ** 2
        columns.append(10 * np.log10(power.reshape(len(part), -1, 2).mean(2) + 1e-10))
    level = np.concatenate(columns)
    top = np.percentile(level, 99.9)
    return (np.clip((level - top) / DEPTH_DB + 1, 0, 1) * 255).astype(np.uint8), hop


def find_examples(folder: Path | str | None) -> list[Example]:
    """Sounds in a folder, or in a Kaldi data folder with their texts.

    Args:
        folder: with sound files, and texts as NAME.txt beside them; or with `wav.scp` and `text`.

    Raises:
        ValueError: no such folder, or no sounds in it.
    """
    if folder is None:
        return []
    folder = Path(folder)
    if (folder / "wav.scp").is_file():
        texts = read_table(folder / "text") if (folder / "text").is_file() else {}
        recordings = read_recordings(folder / "wav.scp")
        return [Example(made, texts.get(utt, "")) for utt, made in recordings.items()]
    if not folder.is_dir():
        raise ValueError(f"--sounds {folder} is no folder")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds neither wav.scp nor sound files ({' '.join(SUFFIXES)})")
    return [Example(Recording(path.name, str(path)), _text_beside(path)) for path in files]


def _text_beside(path: Path) -> str:
    try:
        return path.with_suffix(".txt").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
