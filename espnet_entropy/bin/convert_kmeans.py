"""Codebooks from and to the k-means models of ESPnet and fairseq (joblib files of scikit-learn).

Such a file is a pickle: loading it executes the code in it. `import` only does so with
--execute_pickle true, and no other command reads such a file. `import` also reads centroids (K, D)
from .npy and .safetensors files (under the name `centroids`), which hold no code.
"""

import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from espnet_entropy.bin.common import make_parser, mapping, user_errors
from espnet_entropy.bin.convert_labels import parse_units
from espnet_entropy.bundle.build import write_codebook
from espnet_entropy.bundle.bundle import file_hash
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.codebook_check import (
    MIN_AGREEMENT,
    first_waves,
    fits_of_layers,
    measure_fit,
)
from espnet_entropy.units.features import EXTRACTORS, build_extractor


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("import", help="write centroids to a codebook folder")
    take.add_argument("--kmeans", required=True, help="joblib file, .npy or .safetensors")
    take.add_argument(
        "--execute_pickle", choices=["true", "false"], default="false", help="true: trust the file"
    )
    take.add_argument("--extractor", required=True, choices=sorted(EXTRACTORS))
    take.add_argument(
        "--extractor_conf", type=mapping, default={}, help="what its features came from"
    )
    take.add_argument(
        "--wav_scp", help="recordings to check the codebook with; half a minute is enough"
    )
    take.add_argument("--labels", help="their units from the toolkit that learned the codebook")
    take.add_argument("--output", required=True, help="folder to write")
    give = commands.add_parser("export", help="codebook or bundle to a joblib file")
    give.add_argument("--codebook", required=True, help="folder of a codebook or a bundle")
    give.add_argument("--output", required=True, help="joblib file to write")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        {"import": import_kmeans, "export": export_kmeans}[args.command](args)


def import_kmeans(args) -> None:
    """`convert_kmeans import`."""
    path, sha256 = Path(args.kmeans), file_hash(args.kmeans)
    is_plain = path.suffix in PLAIN
    if not is_plain and args.execute_pickle != "true":
        raise ValueError(
            f"{path} is a pickle (sha256 {sha256}): reading it executes the code in it. If you "
            "trust its source, use --execute_pickle true"
        )
    if args.labels is not None and args.wav_scp is None:
        raise ValueError("--labels are compared with recordings; give --wav_scp")
    extractor = build_extractor(args.extractor, **args.extractor_conf)
    if is_plain:
        centroids, inertia = _plain_centroids(path), None
    else:
        print(f"executing the pickle {path}, sha256 {sha256}", file=sys.stderr)
        centroids, inertia = _read_kmeans(path)
    if centroids.shape[1] != extractor.dim:
        raise ValueError(
            f"{path} has centroids of {centroids.shape[1]} dimensions, but {args.extractor} gives "
            f"{extractor.dim}; name the extractor and layer that it was learned from"
        )
    codebook = Codebook(torch.from_numpy(centroids))
    if args.wav_scp is not None:
        check_fit(args, extractor, codebook, inertia)
    origin = dict(imported=path.name, sha256=sha256, inertia=inertia)
    write_codebook(args.output, codebook, extractor, origin)
    print(f"codebook: {args.output}, {len(centroids)} units of {centroids.shape[1]} dimensions")


def check_fit(args, extractor, codebook: Codebook, inertia: float | None) -> None:
    """Print how well the codebook fits; ValueError if too few units agree with the labels."""
    table = None if args.labels is None else read_table(args.labels)
    waves = first_waves(args.wav_scp, table, extractor.sample_rate)
    labels = table and {
        utt: parse_units(table[utt], codebook.num_units, f"{args.labels}, utt {utt}")
        for utt in waves
    }
    fit = measure_fit(extractor, codebook, waves, labels)
    print(fit.describe(inertia))
    if fit.agreement is None or fit.agreement >= MIN_AGREEMENT:
        return
    better = "give the extractor and weights that it was learned with"
    if "layer" in args.extractor_conf:
        fits = fits_of_layers(args.extractor, args.extractor_conf, codebook, waves, labels)
        layer = max(fits, key=lambda layer: fits[layer].agreement)
        better = f"layer {layer} agrees best, in {100 * fits[layer].agreement:.1f} %"
        if fits[layer].agreement < MIN_AGREEMENT:
            better += ", so the weights or the labels are others"
    raise ValueError(
        f"only {100 * fit.agreement:.1f} % of the units agree with {args.labels}, but "
        f"{100 * MIN_AGREEMENT:.0f} % are needed; {better}"
    )


def _read_kmeans(path: Path) -> tuple[np.ndarray, float | None]:
    """Load a k-means model of scikit-learn, which executes its code.

    Returns:
        Centroids (K, D) float32, and the mean squared distance of the frames that they were learned
        from, if it is known.
    """
    import joblib

    try:
        model = joblib.load(path)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise ValueError(f"{path} is no joblib file: {error}") from error
    centroids = getattr(model, "cluster_centers_", None)
    if not isinstance(centroids, np.ndarray) or centroids.ndim != 2:
        raise ValueError(f"{path} holds a {type(model).__name__} without cluster_centers_ (K, D)")
    return centroids.astype(np.float32), _mean_inertia(model)


def _mean_inertia(model) -> float | None:
    inertia, labels = getattr(model, "inertia_", None), getattr(model, "labels_", None)
    if labels is None:
        # Models that do not keep labels, such as those of ESPnet and fairseq.
        mean = getattr(model, "_ewa_inertia", None)
    else:
        mean = None if inertia is None else inertia / len(labels)
    # The inertia of `convert_kmeans export` is 0, since that model is fitted to its own centroids.
    return float(mean) if mean else None


def _plain_centroids(path: Path) -> np.ndarray:
    """Centroids (K, D) float32 from a file that cannot hold code."""
    try:
        centroids = PLAIN[path.suffix](path)
    except (OSError, ValueError, KeyError, EOFError, SafetensorError) as error:
        raise ValueError(
            f"{path} holds no centroids ({error}); save floats (K, D) with numpy.save, or with "
            "safetensors under the name `centroids`"
        ) from error
    if centroids.ndim != 2 or centroids.dtype.kind != "f" or not np.isfinite(centroids).all():
        raise ValueError(
            f"{path} holds {centroids.dtype} {centroids.shape}, but centroids are finite floats "
            "(K, D)"
        )
    return centroids.astype(np.float32)


# Suffix -> reader of files that hold only numbers.
PLAIN = {
    ".npy": partial(np.load, allow_pickle=False),
    ".safetensors": lambda path: load_file(path)["centroids"],
}


def export_kmeans(args) -> None:
    """`convert_kmeans export`: a fitted MiniBatchKMeans with these centroids."""
    import joblib
    from sklearn.cluster import MiniBatchKMeans

    centroids = Codebook.load(Path(args.codebook) / "codebook.safetensors").centroids.numpy()
    model = MiniBatchKMeans(n_clusters=len(centroids), n_init=1, max_iter=1)
    # Fitting to the centroids themselves leaves scikit-learn's own attributes as it wants them.
    model.fit(centroids)
    model.cluster_centers_ = centroids
    output = Path(args.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        joblib.dump(model, temporary)
        os.replace(temporary, output)
    finally:
        temporary.unlink(missing_ok=True)
    print(f"{output}: {len(centroids)} centroids of {centroids.shape[1]} dimensions")


if __name__ == "__main__":
    main()
