"""Raw speech to text with a trained model and a bundle, in one call."""

import inspect
import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from typeguard import TypeCheckError

from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.data.recordings import Recording
from espnet_entropy.espnet.checks import check_pieces
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.espnet.trained import read_settings
from espnet_entropy.segment.boundaries import segments_of
from espnet_entropy.segment.timing import Segment, timed_segments

# Options of ESPnet's decoding that are arguments of their own here.
GIVEN = ("asr_train_config", "asr_model_file", "lm_train_config", "lm_file", "device")


@dataclass(frozen=True)
class Transcript:
    """What a model made of a recording.

    Attributes:
        text: the best hypothesis; empty where nothing was recognised.
        segments: in order, without gaps.
        units: (T,) int64.
        entropies: (T,) float32, nats.
        rate_hz: segments per second that were reached.
    """

    text: str
    segments: list[Segment]
    units: Tensor
    entropies: Tensor
    rate_hz: float


class Speech2Text:
    """A trained `frontend: entropy` model of ESPnet's ASR task, with its bundle.

    ESPnet decodes. Checkpoints that hold more than weights, or do not fit their config, are refused
    (`espnet_checkpoints.py`).

    Args:
        model_config: the model's `config.yaml`.
        model_file: its checkpoint.
        bundle: folder of the bundle; the one it was trained with if None.
        rate_hz: segments per second, of a model of many rates; its own if None.
        lm_config, lm_file: a text language model, both or neither.
        device: torch device.
        extractor_path: the extractor's weights, if they are not where the bundle says.
        decoding: keyword arguments of `espnet2.bin.asr_inference.Speech2Text` (beam_size,
            ctc_weight, lm_weight, bpemodel, ...).

    Raises:
        ValueError: a file is missing, a checkpoint holds more than weights or does not fit its
            config, the model has another frontend, or it was trained with another bundle's codebook
            or unit LM.
    """

    def __init__(
        self,
        model_config: Path | str,
        model_file: Path | str,
        *,
        bundle: Path | str | None = None,
        rate_hz: float | None = None,
        lm_config: Path | str | None = None,
        lm_file: Path | str | None = None,
        device: str = "cpu",
        extractor_path: str | None = None,
        **decoding,
    ):
        if (lm_config is None) != (lm_file is None):
            raise ValueError("lm_config and lm_file belong together: give both or neither")
        settings = read_settings(model_config)
        folder = bundle or settings.bundle
        if folder is None:
            raise ValueError(f"{model_config} names no bundle; give one")
        self._check_bundle(Bundle.open(folder), settings.num_units, model_config)
        if lm_config is not None:
            _check_same_tokens(model_config, lm_config)

        # Imported here because it takes seconds. ESPnet prints notes about optional packages.
        with redirect_stdout(io.StringIO()):
            from espnet2.bin import asr_inference
        known = inspect.signature(asr_inference.Speech2Text).parameters
        unknown = sorted(set(decoding) - (set(known) - set(GIVEN)))
        if unknown:
            more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
            raise ValueError(f"ESPnet's decoding has no option {', '.join(unknown[:3])}{more}")
        _check_decoding(decoding)
        check_pieces(read_yaml(model_config), decoding.get("bpemodel"))
        try:
            with _config_of_bundle(model_config, folder) as config:
                self.espnet = asr_inference.Speech2Text(
                    asr_train_config=str(config),
                    asr_model_file=str(model_file),
                    lm_train_config=None if lm_config is None else str(lm_config),
                    lm_file=None if lm_file is None else str(lm_file),
                    device=device,
                    **decoding,
                )
        except TypeCheckError as error:
            raise ValueError(f"an option of ESPnet's decoding has a wrong type: {error}") from error
        # What ESPnet's builders raise where config and checkpoint do not fit, or the config is not
        # of its ASR task.
        except (RuntimeError, AttributeError, KeyError, TypeError) as error:
            raise ValueError(
                f"ESPnet builds no ASR model from {model_config} and {model_file}: "
                f"{type(error).__name__}: {error}"
            ) from error
        self.tokenizer = UnitTokenizer.from_bundle(
            folder, device=device, extractor_path=extractor_path
        )
        self.frontend: EntropyFrontend = self.espnet.asr_model.frontend
        if rate_hz is not None:
            self.frontend.set_rate(rate_hz)

    @staticmethod
    def _check_bundle(bundle: Bundle, num_units: int, model_config) -> None:
        if bundle.num_units != num_units:
            raise ValueError(
                f"{bundle.folder} has {bundle.num_units} units, but {model_config} was trained on "
                f"{num_units}; give the bundle that its data were dumped with"
            )

    @property
    def sample_rate(self) -> int:
        """Hz, of waveforms; files may have any."""
        return self.tokenizer.sample_rate

    @torch.inference_mode()
    def __call__(self, speech: Tensor | Recording | Path | str) -> Transcript:
        """Recognise one recording.

        Args:
            speech: (N,) float32 in [-1, 1] at `sample_rate`, a sound file, or a `Recording`.

        Raises:
            ValueError: the file cannot be read, the recording is shorter than a frame, or its
                samples are not finite.
        """
        tokens = self.tokenizer.tokenize(speech)
        # What a dump of this recording would hold.
        dumped = torch.stack([tokens.units[0].float(), tokens.entropies[0]], dim=1)
        text, *_ = self.espnet(dumped)[0]
        # ESPnet joins pieces with spaces around them.
        return self._transcript((text or "").strip(), tokens)

    def _transcript(self, text: str, tokens) -> Transcript:
        boundaries = self.frontend.encoder.find_boundaries(
            tokens.units, tokens.entropies, tokens.lengths
        )
        _, lengths = segments_of(boundaries, tokens.lengths)
        units, frame_rate_hz = tokens.units[0].cpu(), self.frontend.encoder.segmenter.frame_rate_hz
        segments = timed_segments(units, lengths[0].cpu(), frame_rate_hz)
        rate_hz = len(segments) * frame_rate_hz / len(units)
        return Transcript(text, segments, units, tokens.entropies[0].cpu(), rate_hz)


@contextmanager
def _config_of_bundle(model_config: Path | str, bundle: Path | str) -> Iterator[Path]:
    """A copy of the model's config with this bundle, which its frontend then compares with."""
    config = read_yaml(model_config)
    config["frontend_conf"]["bundle"] = str(bundle)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        write_yaml(path, config)
        yield path


def _check_decoding(decoding: dict) -> None:
    """Raise ValueError for values on which ESPnet ends in the middle, or writes empty text."""
    for name, value in decoding.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"option {name} of ESPnet's decoding is {value}; give a finite number")
    for name in ("beam_size", "nbest"):
        value = decoding.get(name, 1)
        if isinstance(value, int) and value < 1:
            raise ValueError(
                f"option {name} of ESPnet's decoding is {value}, but must be at least 1"
            )
    model = decoding.get("bpemodel")
    if model is not None and not Path(model).is_file():  # a folder would end the whole process
        raise ValueError(f"bpemodel: there is no file {model}")


def _check_same_tokens(model_config: Path | str, lm_config: Path | str) -> None:
    tokens, others = (read_yaml(path).get("token_list") for path in (model_config, lm_config))
    if tokens != others:
        raise ValueError(
            f"the language model of {lm_config} has other tokens than {model_config}; "
            "train one on the same token list"
        )
