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

import contextlib
import hashlib
import inspect
import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from espnet_entropy.data.audio import MAX_PEAK
from espnet_entropy.units.chunks import SAMPLE_RATE, chunk_samples, pieces_of
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
        return _ceil_div(num_samples // 160, 2) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the weights in use; equal for equal weights in any of the formats."""
        return _hash_tensors(self.encoder.state_dict())

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return _one_by_one(self, self._encode, waveforms, lengths)

    def _encode(self, waveform: Tensor) -> Tensor:
        return self.encoder(self._log_mel(waveform))

    def _log_mel(self, waveform: Tensor) -> Tensor:
        """Whisper's input (M, N // 160) of one piece (openai/whisper ``audio.py``)."""
        power = _power_spectrogram(waveform, self.window, hop=160)[:, :-1]
        log_mel = (self.filters @ power).clamp(min=1e-10).log10()
        return (log_mel.clamp(min=log_mel.max() - 8.0) + 4.0) / 4.0


class S3prlExtractor(nn.Module):
    """One hidden layer of any s3prl upstream (s3prl ``nn/upstream.py``, ``S3PRLUpstream``).

    s3prl gives ceil(N / downsample rate) frames, repeating the last one where the model itself
    ends earlier (HuBERT: the last one or two, 20 to 40 ms).

    Args:
        upstream: s3prl's name (``hubert_base``, ``wavlm_large``, ``hf_hubert_custom``, ...).
        path: local checkpoint for the names that end in ``_local`` or ``_custom``; nothing is
            then downloaded. None: s3prl fetches its own registered checkpoint.
        layer: index into the hidden states; 0 is the input of the first transformer layer.
        chunk_sec: longest piece in seconds, a multiple of the frame shift; None: audio of any
            length is one piece, at a cost that grows with its square.

    Raises:
        ValueError: unknown upstream, missing path, or layer or chunk_sec out of range.
    """

    name = "s3prl"
    sample_rate = SAMPLE_RATE
    # Below, s3prl pads with silence (0.05 s) or fails to match lengths (HuBERT, 1039 samples).
    shortest = 1280  # samples
    batch_invariant = False

    def __init__(
        self,
        upstream: str,
        layer: int,
        path: str | Path | None = None,
        chunk_sec: int | float | None = None,
    ):
        super().__init__()
        path = None if path is None else str(path)
        self.conf = {"upstream": upstream, "layer": layer, "path": path} | _chunked(chunk_sec)
        self.upstream = _load_upstream(upstream, path)
        if not 0 <= layer < self.upstream.num_layers:
            last = self.upstream.num_layers - 1
            raise ValueError(f"{upstream}: layer {layer}, but the upstream has layers 0 to {last}")
        self.layer = layer
        self.dim = self.upstream.hidden_sizes[layer]
        self.downsample_rate = self.upstream.downsample_rates[layer]
        self.frame_shift_sec = self.downsample_rate / SAMPLE_RATE
        self.chunk_samples = chunk_samples(
            chunk_sec, hop=self.downsample_rate, shortest=self.shortest, name=upstream
        )

    def train(self, mode: bool = True) -> "S3prlExtractor":
        """Stay in eval mode: dropout and layer drop would make the units random."""
        return super().train(False)

    def num_frames(self, num_samples: int) -> int:
        """Frames that forward gives for ``num_samples``; 0 where it raises (under 0.08 s)."""
        return _ceil_div(num_samples, self.downsample_rate) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the upstream's weights, all layers."""
        return _hash_tensors(self.upstream.state_dict())

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return _one_by_one(self, self._encode, waveforms, lengths)

    def _encode(self, waveform: Tensor) -> Tensor:
        length = torch.tensor([len(waveform)], device=waveform.device)
        hidden_states, _ = self.upstream(waveform[None], length)
        return hidden_states[self.layer][0].float()


def _load_upstream(upstream: str, path: str | None) -> nn.Module:
    takes_path = upstream.endswith(("_local", "_custom"))
    if takes_path != (path is not None):
        # s3prl would quietly ignore the path of the other names and download its own checkpoint.
        raise ValueError(
            f"{upstream}: path is {path!r}, but s3prl takes one exactly for the upstreams whose "
            "names end in _local or _custom"
        )
    if path is not None:
        if not Path(path).exists():
            raise ValueError(f"{upstream}: path {path} does not exist")
        if upstream.startswith("hf_") and not (Path(path) / "preprocessor_config.json").is_file():
            # s3prl would quietly take another model's preprocessor from the Hugging Face hub.
            raise ValueError(
                f"{upstream}: {path} has no preprocessor_config.json; save one beside the model "
                f"with transformers.Wav2Vec2FeatureExtractor(...).save_pretrained({path!r})"
            )
    # s3prl imports ESPnet, whose modules print notes about optional packages.
    with contextlib.redirect_stdout(io.StringIO()):
        from s3prl.nn import S3PRLUpstream
    # Standard output belongs to the caller's data.
    with contextlib.redirect_stdout(sys.stderr):
        if upstream not in S3PRLUpstream.available_names():
            raise ValueError(f"upstream {upstream!r} is not among s3prl's available_names()")
        return S3PRLUpstream(upstream, path_or_url=path)


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
        self.conf |= _chunked(chunk_sec)
        self.chunk_samples = chunk_samples(chunk_sec, hop=320, shortest=WINDOW, name=self.name)
        self.dim = num_ceps * (3 if deltas else 1)
        self.register_buffer("filters", _mel_filters(num_mel), persistent=False)
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("dct", _dct(num_ceps, num_mel), persistent=False)

    def num_frames(self, num_samples: int) -> int:
        """Frames that forward gives for ``num_samples``; 0 where it raises (under 400 samples)."""
        return _ceil_div(num_samples, 320) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the settings, there being no weights."""
        return hashlib.sha256(json.dumps(self.conf, sort_keys=True).encode()).hexdigest()

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return _one_by_one(self, self._encode, waveforms, lengths)

    def _encode(self, waveform: Tensor) -> Tensor:
        power = _power_spectrogram(waveform, self.window, hop=320)
        # A frame centred exactly on the end is half mirror image; drop it.
        power = power[:, : self.num_frames(len(waveform))]
        ceps = self.dct @ (self.filters @ power).clamp(min=1e-10).log()  # (num_ceps, T)
        if not self.conf["deltas"]:
            return ceps.T
        return torch.cat([ceps, _deltas(ceps), _deltas(_deltas(ceps))]).T


def _chunked(chunk_sec: float | None) -> dict[str, float]:
    """A conf's entry; none without chunks, so that the hash of such a conf says nothing of them."""
    return {} if chunk_sec is None else {"chunk_sec": chunk_sec}


EXTRACTORS = {"whisper": WhisperExtractor, "s3prl": S3prlExtractor, "mfcc": MfccExtractor}


def _one_by_one(extractor, encode, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Check a batch, encode its utterances' pieces separately (N,) -> (T, D), pad with zeros."""
    _check_batch(waveforms, lengths)
    features = []
    with _full_float32(waveforms.device):
        for i, length in enumerate(lengths.tolist()):
            # For a batch of one, the caller knows the name of the utterance.
            which = f"utterance {i} of the batch: " if len(lengths) > 1 else ""
            if extractor.num_frames(length) < 1:
                raise ValueError(
                    f"{which}{length} samples ({length / SAMPLE_RATE:.4f} s) are too short for one "
                    f"frame of {extractor.name}; leave it out"
                )
            waveform = waveforms[i, :length]
            peak = waveform.abs().amax().item()
            if not peak <= MAX_PEAK:  # also true for NaN
                raise ValueError(
                    f"{which}the largest sample of {length} is {peak}; "
                    "expected finite floats in [-1, 1] (divide 16-bit integers by 32768)"
                )
            pieces = waveform.split(pieces_of(extractor, length))
            # Copies of their own: kernels may add in another order at another memory alignment.
            features.append(torch.cat([encode(piece.clone()) for piece in pieces]))
        feature_lengths = torch.tensor([len(feature) for feature in features])
        return nn.utils.rnn.pad_sequence(features, True), feature_lengths.to(lengths.device)


def _check_batch(waveforms: Tensor, lengths: Tensor) -> None:
    if waveforms.dim() != 2 or waveforms.dtype != torch.float32:
        raise ValueError(
            f"waveforms must be (B, N) float32, not {tuple(waveforms.shape)} {waveforms.dtype}"
        )
    batch, num_samples = waveforms.shape
    if batch == 0 or lengths.shape != (batch,) or lengths.is_floating_point():
        raise ValueError(
            f"{batch} waveforms, but lengths {tuple(lengths.shape)} {lengths.dtype}; "
            "expected (B,) int64 with B > 0"
        )
    longest = int(lengths.max())
    if longest > num_samples:
        raise ValueError(f"a length of {longest} samples, but waveforms hold {num_samples}")


@contextlib.contextmanager
def _full_float32(device: torch.device) -> Iterator[None]:
    """No gradients, no autocast, and on CUDA neither TF32 nor kernels chosen by timing."""
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        if device.type != "cuda":
            yield
            return
        precision = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.backends.cudnn.flags(
                enabled=True, benchmark=False, deterministic=True, allow_tf32=False
            ):
                yield
        finally:
            torch.set_float32_matmul_precision(precision)


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


def _hash_tensors(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
