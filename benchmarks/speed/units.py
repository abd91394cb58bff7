"""Waveforms to units in one pass beside three steps over files, with the same encoder.

The three steps are re-created from what ESPnet's asr2 recipe does: features are written for all
utterances, all of them are loaded for MiniBatchKMeans, and they are read once more, to be labelled
on a CPU by the distances to all centroids.
"""

import tempfile
from pathlib import Path

import kaldiio
import numpy as np
import torch
from torch import Tensor

from benchmarks.speed.measure import Row, compare, seconds, time_of
from benchmarks.speed.streams import sound
from espnet_entropy.bundle.tokenizer import UnitTokenizer
from espnet_entropy.data.shards import write_shard
from espnet_entropy.units.codebook import Codebook, learn_codebook
from espnet_entropy.units.features import build_extractor

NUM_UTTS, UTT_SEC, NUM_UNITS = 6, 5.0, 100
Corpus = dict[str, Tensor]


def corpus(num_utts: int = NUM_UTTS, utt_sec: float = UTT_SEC) -> Corpus:
    """Utterance id -> (N,) samples; reading audio costs both sides the same and is left out."""
    return {f"utt{i:03}": sound(utt_sec, seed=i) for i in range(num_utts)}


def hubert_base(folder: Path, device: str):
    """HuBERT base of random weights, layer 9, as s3prl runs it."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(0)
    HubertModel(HubertConfig()).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(folder)
    extractor = build_extractor("s3prl", upstream="hf_hubert_custom", path=str(folder), layer=9)
    return extractor.to(device)


def encode(extractor, wave: Tensor, device: str) -> Tensor:
    """(N,) -> (T, D)."""
    return extractor(wave[None].to(device), torch.tensor([len(wave)]))[0][0]


def learn_in_memory(extractor, waves: Corpus, device: str, num_units: int) -> Codebook:
    """Ours: features stay on the device."""
    features = torch.cat([encode(extractor, wave, device) for wave in waves.values()])
    return learn_codebook(features, num_units)[0]


def label_in_one_pass(tokenizer: UnitTokenizer, waves: Corpus, folder: Path) -> None:
    """Ours: units are all that is written."""
    arrays = ((utt, tokenizer.units_of(w).cpu().int().numpy()) for utt, w in waves.items())
    write_shard(folder / "units", 1, arrays)


def dump_features(extractor, waves: Corpus, folder: Path, device: str) -> None:
    """The peer's first step: float32 arks."""
    paths = f"ark,scp:{folder}/feats.ark,{folder}/feats.scp"
    with kaldiio.WriteHelper(paths) as writer:
        for utt, wave in waves.items():
            writer(utt, encode(extractor, wave, device).cpu().numpy())


def learn_from_files(folder: Path, num_units: int) -> np.ndarray:
    """The peer's second step: (K, D) of all features in memory, with its settings."""
    from sklearn.cluster import MiniBatchKMeans

    loaded = kaldiio.load_scp(f"{folder}/feats.scp")
    features = np.concatenate([loaded[utt] for utt in loaded], axis=0)
    means = MiniBatchKMeans(
        num_units,
        batch_size=10_000,
        max_iter=100,
        n_init=20,
        tol=0.0,
        max_no_improvement=100,
        reassignment_ratio=0.0,
        random_state=0,
        compute_labels=False,
    )
    return means.fit(features).cluster_centers_


def label_from_files(folder: Path, centroids: np.ndarray) -> None:
    """The peer's third step: distances in NumPy, labels as text."""
    norms = (centroids**2).sum(1)
    loaded = kaldiio.load_scp(f"{folder}/feats.scp")
    with open(folder / "labels", "w", encoding="utf-8") as file:
        for utt in loaded:
            x = loaded[utt]
            labels = ((x**2).sum(1, keepdims=True) - 2 * x @ centroids.T + norms).argmin(1)
            file.write(f"{utt} {' '.join(map(str, labels))}\n")


def size_of(folder: Path, *names: str) -> int:
    """Bytes of the files whose names begin so."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name.startswith(names))
    return sum(path.stat().st_size for path in files)


def check(extractor, waves: Corpus, folder: Path, device: str, num_units: int) -> str:
    """Both ways label with the same centroids; leaves the files of both in the folder.

    Raises:
        ValueError: more than one unit in a thousand differs.
    """
    codebook = learn_in_memory(extractor, waves, device, num_units)
    dump_features(extractor, waves, folder, device)
    label_in_one_pass(UnitTokenizer(extractor, codebook, device=device), waves, folder)
    label_from_files(folder, codebook.centroids.cpu().numpy())
    rows = (line.split() for line in (folder / "labels").read_text().splitlines())
    labels = {utt: np.array(row, dtype=int) for utt, *row in rows}
    shard = kaldiio.load_scp(str(next((folder / "units").rglob("*.scp"))))
    differ = sum(int((shard[utt] != labels[utt]).sum()) for utt in waves)
    total = sum(map(len, labels.values()))
    if set(shard) != set(waves) or differ > total / 1000:
        raise ValueError(f"{differ} of {total} units differ between the two ways")
    return f"one another: {differ} of {total} units differ"


def quick(device: str) -> list[str]:
    """Correctness with a small extractor."""
    with tempfile.TemporaryDirectory() as folder:
        extractor = build_extractor("mfcc").to(device)
        return [check(extractor, corpus(3, 1.0), Path(folder), device, 10)]


def rows(device: str) -> list[Row]:
    """Labelling, learning, disk; with HuBERT base, so the encoder is most of either way."""
    waves = corpus()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        extractor = hubert_base(folder / "hubert", device)
        checked = check(extractor, waves, folder, device, NUM_UNITS)
        codebook = learn_in_memory(extractor, waves, device, NUM_UNITS)
        tokenizer = UnitTokenizer(extractor, codebook, device=device)
        centroids = codebook.centroids.cpu().numpy()

        def one_pass():
            (folder / "units").rename(folder / f"old{len(list(folder.iterdir()))}")
            label_in_one_pass(tokenizer, waves, folder)

        def over_files():
            dump_features(extractor, waves, folder, device)
            label_from_files(folder, centroids)

        labelling = compare(one_pass, over_files, device=device, repeats=2)
        encoder = time_of(lambda: [encode(extractor, w, device) for w in waves.values()], device)
        ours = time_of(
            lambda: learn_codebook(torch.cat(_features(folder, device)), NUM_UNITS), device
        )
        peers = time_of(lambda: learn_from_files(folder, NUM_UNITS), device)
        disk = size_of(folder / "units", "units", "shard"), size_of(folder, "feats", "labels")
    setting = f"HuBERT base, {NUM_UTTS * UTT_SEC:g} s of audio, float32"
    over = "features to files, k-means and labels from files"
    return [
        Row(
            "waveform to units, one pass (throughput)",
            over,
            1 / labelling.ratio,
            3.0,
            at_least=True,
            note=f"{setting}: {labelling}, of which the encoder both times takes "
            f"{seconds(encoder)}",
            checked=checked,
        ),
        Row(
            "learning the codebook, without the encoder",
            "loading features, MiniBatchKMeans",
            ours / peers,
            None,
            note=f"{NUM_UNITS} units: {seconds(ours)} against {seconds(peers)}",
        ),
        Row(
            "waveform to units, disk",
            over,
            disk[0] / disk[1],
            0.01,
            note=f"{disk[0]:,} against {disk[1]:,} bytes",
        ),
    ]


def _features(folder: Path, device: str) -> list[Tensor]:
    loaded = kaldiio.load_scp(f"{folder}/feats.scp")
    return [torch.from_numpy(loaded[utt].copy()).to(device) for utt in loaded]
