"""Waveform to frame features: Whisper encoders, s3prl upstreams (HuBERT, WavLM, ...) and MFCC.

Every extractor is an ``nn.Module`` with ``name``, ``conf`` (rebuilds it), ``sample_rate`` (Hz),
``frame_shift_sec``, ``dim``, ``batch_invariant``, ``chunk_samples`` (or None), ``shortest``
(samples), ``num_frames`` and ``content_hash``; calling it takes waveforms (B, N) to features
(B, T, D). See :func:`build_extractor`.

With ``chunk_sec`` long audio is encoded in pieces that do not see each other, which bounds memory
and lets units come while audio arrives; see ``chunks.py``.

``batch_invariant`` says whether a padded batch may be computed as one. None of the three may, so
each forward runs the utterances one at a time: padding changes what attention and group norms
see, and even masked padding changes the shapes, so the order of float additions, so the last
bits, and a k-means decision hangs on those. Units must not depend on an utterance's neighbours.
"""

import hashlib
import inspect
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_entropy.units.chunks import SAMPLE_RATE, chunk_samples
from espnet_entropy.units.one_by_one import ceil_div, chunked, hash_tensors, one_by_one
from espnet_entropy.units.s3prl_upstreams import S3prlExtractor
from espnet_entropy.units.whisper import WhisperEncoder
from espnet_entropy.units.whisper_weights import load_whisper_encoder

WINDOW = 400  # samples, 25 ms


def build_extractor(name: str, **conf) -> nn.Module:
    """Build a frozen feature extractor in eval mode.

    Args:
        name: a key of ``EXTRACTORS``: ``whisper``, ``s3prl`` or ``mfcc``.
        conf: ``whisper``: path, layer, chunk_sec; ``s3prl``: upstream, path, layer,
            chunk_sec; ``mfcc``: num_mel, num_ceps, deltas, chunk_sec.

    Returns:
        Module: ``extractor(waveforms (B, N) float32 in [-1, 1], lengths (B,) int64)`` gives
        ``(features (B, T, D) float32, feature_lengths (B,) int64)``, zeros on padding.

    Raises:
        ValueError: unknown name, or a conf the extractor cannot be built from.
    """
    if name not in EXTRACTORS:
        raise ValueError(f"extractor {name!r} is unknown; choose one of {sorted(EXTRACTORS)}")
    signature = inspect.signature(EXTRACTORS[name])
    try:
        signature.bind(**conf)
    except TypeError as error:
        raise ValueError(f"extractor {name!r} with {conf}: {error}") from error
    for key, value in conf.items():
        kind = signature.parameters[key].annotation
        if kind is inspect.Parameter.empty:
            continue
        accepted = (int, float) if kind is float else kind
        # A bool counts as an int in Python, but is none in a YAML.
        if not isinstance(value, accepted) or isinstance(value, bool) != (kind is bool):
            wanted = getattr(kind, "__name__", kind)
            raise ValueError(f"extractor {name!r}: {key} is {value!r}, but must be {wanted}")
    return EXTRACTORS[name](**conf).eval().requires_grad_(False)


class WhisperExtractor(nn.Module):
    """A Whisper encoder on audio of any length (Radford et al. 2023; openai/whisper ``model.py``).

    The encoder is our own: openai's, transformers' and CTranslate2's refuse audio that is not
    padded to 30 s, which for an utterance of 3 s is ten times the work and lets silence in.

    Frame t is centred at t * 20 ms. Audio longer than ``chunk_sec`` is cut into pieces that are
    encoded on their own; see `chunks.py`.

    Args:
        path: openai ``.pt`` file, Hugging Face directory or CTranslate2 directory (local).
        layer: 0 gives the convolutions' output with positions; a layer below the last, the raw
            residual stream after it; the last, the encoder's output after its layer norm.
        chunk_sec: longest piece in seconds, a multiple of 0.02, at most what the positions
            allow (30 s in all released models).

    Raises:
        ValueError: unreadable weights, or layer or chunk_sec out of range.
    """

    name = "whisper"
    sample_rate = SAMPLE_RATE
    shortest = WINDOW  # samples
    frame_shift_sec = 0.02
    batch_invariant = False

    def __init__(self, path: str | Path, layer: int, chunk_sec: float = 30.0):
        super().__init__()
        self.conf = {"path": str(path), "layer": layer, "chunk_sec": chunk_sec}
        weights = load_whisper_encoder(path, layer=layer)
        self.encoder = WhisperEncoder(weights.tensors, weights.num_heads)
        self.dim = self.encoder.positions.shape[1]
        max_samples = 320 * self.encoder.positions.shape[0]
        self.chunk_samples = chunk_samples(
            chunk_sec, hop=320, shortest=WINDOW, longest=max_samples, name=str(path)
        )
        num_mel = self.encoder.conv1.in_channels
        # Not persistent: constants, no weights, so neither in checkpoints nor in the hash.
        self.register_buffer("filters", _mel_filters(num_mel), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Frames that forward gives for ``num_samples``; 0 where it raises (under 400 samples)."""
        return ceil_div(num_samples // 160, 2) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the weights in use; equal for equal weights in any of the formats."""
        return hash_tensors(self.encoder.state_dict())

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return one_by_one(self, self._encode, waveforms, lengths)

    def _encode(self, waveform: Tensor) -> Tensor:
        return self.encoder(self._log_mel(waveform))

    def _log_mel(self, waveform: Tensor) -> Tensor:
        """Whisper's input (M, N // 160) of one piece (openai/whisper ``audio.py``)."""
        power = _power_spectrogram(waveform, self.window, hop=160)[:, :-1]
        log_mel = (self.filters @ power).clamp(min=1e-10).log10()
        return (log_mel.clamp(min=log_mel.max() - 8.0) + 4.0) / 4.0


class MfccExtractor(nn.Module):
    """MFCC at 50 Hz, 25 ms windows; frame t is centred at t * 20 ms. Has no learned weights.

    Args:
        num_mel: mel bands up to 8 kHz (slaney scale).
        num_ceps: cepstra kept, the 0th (level) included.
        deltas: append first and second derivatives over 5 frames: D = 3 * num_ceps.
        chunk_sec: longest piece in seconds, a multiple of 0.02; None: all audio is one piece.

    Raises:
        ValueError: num_ceps outside ``1 ... num_mel``, or chunk_sec out of range.
    """

    name = "mfcc"
    sample_rate = SAMPLE_RATE
    shortest = WINDOW  # samples
    frame_shift_sec = 0.02
    batch_invariant = False

    def __init__(
        self,
        num_mel: int = 40,
        num_ceps: int = 13,
        deltas: bool = True,
        chunk_sec: int | float | None = None,
    ):
        super().__init__()
        if not 1 <= num_ceps <= num_mel:
            raise ValueError(f"num_ceps {num_ceps} must lie between 1 and num_mel {num_mel}")
        self.conf = {"num_mel": num_mel, "num_ceps": num_ceps, "deltas": deltas}
        self.conf |= chunked(chunk_sec)
        self.chunk_samples = chunk_samples(chunk_sec, hop=320, shortest=WINDOW, name=self.name)
        self.dim = num_ceps * (3 if deltas else 1)
        self.register_buffer("filters", _mel_filters(num_mel), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("dct", _dct(num_ceps, num_mel), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Frames that forward gives for ``num_samples``; 0 where it raises (under 400 samples)."""
        return ceil_div(num_samples, 320) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the settings, there being no weights."""
        return hashlib.sha256(json.dumps(self.conf, sort_keys=True).encode()).hexdigest()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return one_by_one(self, self._encode, waveforms, lengths)

    def _encode(self, waveform: Tensor) -> Tensor:
        power = _power_spectrogram(waveform, self.window, hop=320)
        # A frame centred exactly on the end is half mirror image; drop it.
        power = power[:, : self.num_frames(len(waveform))]
        ceps = self.dct @ (self.filters @ power).clamp(min=1e-10).log()  # (num_ceps, T)
        if not self.conf["deltas"]:
            return ceps.T
        return torch.cat([ceps, _deltas(ceps), _deltas(_deltas(ceps))]).T


EXTRACTORS = {"whisper": WhisperExtractor, "s3prl": S3prlExtractor, "mfcc": MfccExtractor}


def _power_spectrogram(waveform: Tensor, window: Tensor, *, hop: int) -> Tensor:
    """Centred, mirrored at the ends: (N,) -> (201, 1 + N // hop)."""
    spectrum = torch.stft(waveform, WINDOW, hop, window=window, return_complex=True)
    return spectrum.abs().square()


def _mel_filters(num_mel: int) -> Tensor:
    """Slaney's mel filters (num_mel, 201), those that Whisper was trained with."""
    import librosa  # here, because it is slow to import

    return torch.from_numpy(librosa.filters.mel(sr=SAMPLE_RATE, n_fft=WINDOW, n_mels=num_mel))


def _dct(num_ceps: int, num_mel: int) -> Tensor:
    """Orthonormal DCT-II (num_ceps, num_mel)."""
    n = torch.arange(num_mel, dtype=torch.float64)
    k = torch.arange(num_ceps, dtype=torch.float64)[:, None]
    dct = torch.cos(torch.pi / num_mel * (n + 0.5) * k) * (2.0 / num_mel) ** 0.5
    dct[0] *= 0.5**0.5
    return dct.float()


def _deltas(x: Tensor) -> Tensor:
    """Regression slope over 5 frames, ends repeated: (D, T) -> (D, T)."""
    weight = torch.arange(-2.0, 3.0, device=x.device)[None, None] / 10.0
    return F.conv1d(F.pad(x[:, None], (2, 2), mode="replicate"), weight)[:, 0]
