"""Random extractors of a few thousand weights, saved as Hugging Face saves them."""

from pathlib import Path

import tiny
import torch

from espnet_entropy.bin import learn_codebook
from espnet_entropy.bundle.bundle import load_extractor
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.units.codebook import Codebook


def whisper(max_source_positions: int = 100):
    """A Whisper of two layers, whose positions end after two seconds."""
    from transformers import WhisperConfig, WhisperModel

    torch.manual_seed(0)
    sizes = dict(layers=2, attention_heads=2, ffn_dim=48)
    config = WhisperConfig(
        d_model=32,
        **{f"{part}_{name}": n for part in ("encoder", "decoder") for name, n in sizes.items()},
        max_source_positions=max_source_positions,
        vocab_size=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
        decoder_start_token_id=1,
    )
    return WhisperModel(config).eval()


def save_whisper(path: Path) -> Path:
    """The folder of this Whisper."""
    whisper().save_pretrained(path)
    return path


def save_hubert(path: Path, do_normalize: bool = False) -> Path:
    """A HuBERT base in small: group norm over time, by which padding would show."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        feat_extract_norm="group",
    )
    HubertModel(config).save_pretrained(path)
    Wav2Vec2FeatureExtractor(do_normalize=do_normalize).save_pretrained(path)
    return path


def extractor_conf(name: str, folder: Path) -> str:
    """What `--extractor_conf` says for a tiny extractor, whose weights are saved in the folder."""
    if name == "mfcc":
        return "{num_mel: 20, num_ceps: 5, deltas: false}"
    if name == "whisper":
        return f"{{path: {save_whisper(folder / 'whisper')}, layer: 1, chunk_sec: 2.0}}"
    return f"{{upstream: hf_hubert_custom, path: {save_hubert(folder / 'hubert')}, layer: 1}}"


def learn_tiny_codebook(name: str, folder: Path) -> Path:
    """A codebook's folder, of tiny's recordings and a random extractor."""
    tiny.command(
        learn_codebook,
        wav_scp=tiny.make_data(folder / "data", tiny.SECONDS) / "wav.scp",
        extractor=name,
        extractor_conf=extractor_conf(name, folder),
        num_units=tiny.NUM_UNITS,
        output=folder / "codebook",
    )
    return folder / "codebook"


def tokenizer(name: str, folder: Path) -> UnitTokenizer:
    """Extractor, its codebook, and an untrained unit LM."""
    codebook = learn_tiny_codebook(name, folder)
    centroids = Codebook.load(codebook / "codebook.safetensors")
    return UnitTokenizer(load_extractor(codebook), centroids, tiny.unit_lm(context=16))
