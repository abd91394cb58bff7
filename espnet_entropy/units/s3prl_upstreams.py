"""Frame features of s3prl's upstreams: HuBERT, WavLM and many others."""

import contextlib
import io
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

from espnet_entropy.units.chunks import SAMPLE_RATE, chunk_samples
from espnet_entropy.units.one_by_one import ceil_div, chunked, hash_tensors, one_by_one


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
        self.conf = {"upstream": upstream, "layer": layer, "path": path} | chunked(chunk_sec)
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
        return ceil_div(num_samples, self.downsample_rate) if num_samples >= self.shortest else 0

    def content_hash(self) -> str:
        """SHA-256 (hex) of the upstream's weights, all layers."""
        return hash_tensors(self.upstream.state_dict())

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Waveforms (B, N) float32 at 16 kHz, lengths (B,) -> features (B, T, D), lengths (B,).

        Raises:
            ValueError: input of a wrong shape or dtype, not finite, or too short.
        """
        return one_by_one(self, self._encode, waveforms, lengths)

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
