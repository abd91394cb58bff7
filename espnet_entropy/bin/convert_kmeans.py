"""Codebooks from and to the k-means models of ESPnet and fairseq (joblib files of scikit-learn).

Such a file is a pickle: loading it executes whatever code stands in it. `import` does so only
with --execute_pickle true, and no other command reads such a file. `import` also takes centroids
(K, D) as .npy or .safetensors (under the name `centroids`), which hold no code.
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
from espnet_entropy.bundle import file_hash
from espnet_entropy.codebook import Codebook
from espnet_entropy.features import EXTRACTORS, build_extractor
from espnet_entropy.packing import write_codebook


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("import", help="centroids to a folder as learn_codebook writes it")
    take.add_argument("--kmeans", required=True, help="joblib file, .npy or .safetensors")
    take.add_argument(
        "--execute_pickle", choices=["true", "false"], default="false", help="true: trust the file"
    )
    take.add_argument("--extractor", required=True, choices=sorted(EXTRACTORS))
    take.add_argument(
        "--extractor_conf", type=mapping, default={}, help="what its features came from"
    )
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
            "trust where it comes from, say --execute_pickle true"
        )
    extractor = build_extractor(args.extractor, **args.extractor_conf)
    if not is_plain:
        print(f"executing the pickle {path}, sha256 {sha256}", file=sys.stderr)
    centroids = _plain_centroids(path) if is_plain else _centroids(path)
    if centroids.shape[1] != extractor.dim:
        raise ValueError(
            f"{path} has centroids of {centroids.shape[1]} dimensions, but {args.extractor} gives "
            f"{extractor.dim}; name the extractor and layer that it was learned from"
        )
    origin = dict(imported=path.name, sha256=sha256)
    write_codebook(args.output, Codebook(torch.from_numpy(centroids)), extractor, origin)
    print(f"codebook: {args.output}, {len(centroids)} units of {centroids.shape[1]} dimensions")


def _centroids(path: Path) -> np.ndarray:
    """(K, D) float32 of a k-means model of scikit-learn, which is executed."""
    import joblib

    try:
        model = joblib.load(path)
    except Exception as error:  # unpickling raises whatever the file makes it raise
        raise ValueError(f"{path} is no joblib file: {error}") from error
    centroids = getattr(model, "cluster_centers_", None)
    if not isinstance(centroids, np.ndarray) or centroids.ndim != 2:
        raise ValueError(f"{path} holds a {type(model).__name__} without cluster_centers_ (K, D)")
    return centroids.astype(np.float32)


def _plain_centroids(path: Path) -> np.ndarray:
    """(K, D) float32 of a file in which no code can be."""
    try:
        centroids = PLAIN[path.suffix](path)
    except (OSError, ValueError, KeyError, EOFError, SafetensorError) as error:
        raise ValueError(
            f"{path} holds no centroids ({error}); save floats (K, D) with numpy.save, or under "
            "the name `centroids` with safetensors"
        ) from error
    if centroids.ndim != 2 or centroids.dtype.kind != "f" or not np.isfinite(centroids).all():
        raise ValueError(
            f"{path} holds {centroids.dtype} {centroids.shape}, but centroids are finite floats "
            "(K, D)"
        )
    return centroids.astype(np.float32)


# Suffix -> how files are read that hold nothing but numbers.
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
