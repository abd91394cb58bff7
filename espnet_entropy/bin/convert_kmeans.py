"""Codebooks from and to the k-means models of ESPnet and fairseq (joblib files of scikit-learn).

Such a file is a pickle: loading it executes the code in it. `import` only does so with
--execute_pickle true, and no other command reads such a file. `import` also reads centroids (K, D)
from .npy and .safetensors files (under the name `centroids`), which hold no code.
"""

import sys
from pathlib import Path

import torch
from espnet2.utils.types import str2bool

from espnet_entropy.bin.common import command, make_parser, mapping
from espnet_entropy.bundle.build import write_codebook
from espnet_entropy.data.kaldi import file_hash
from espnet_entropy.units.codebook import Codebook
from espnet_entropy.units.codebook_check import check_agreement, labelled_waves, measure_fit
from espnet_entropy.units.features import EXTRACTORS, build_extractor
from espnet_entropy.units.kmeans_files import PLAIN, read_centroids, read_kmeans, write_kmeans


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    take = commands.add_parser("import", help="write centroids to a codebook folder")
    take.add_argument("--kmeans", required=True, help="joblib file, .npy or .safetensors")
    take.add_argument("--execute_pickle", type=str2bool, default=False, help="true: trust the file")
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


@command(get_parser)
def main(args) -> None:
    {"import": import_kmeans, "export": export_kmeans}[args.command](args)


def import_kmeans(args) -> None:
    """`convert_kmeans import`."""
    path, sha256 = Path(args.kmeans), file_hash(args.kmeans)
    is_plain = path.suffix in PLAIN
    if not is_plain and not args.execute_pickle:
        raise ValueError(
            f"{path} is a pickle (sha256 {sha256}): reading it executes the code in it. If you "
            "trust its source, use --execute_pickle true"
        )
    if args.labels is not None and args.wav_scp is None:
        raise ValueError("--labels are compared with recordings; give --wav_scp")
    extractor = build_extractor(args.extractor, **args.extractor_conf)
    if is_plain:
        centroids, inertia = read_centroids(path), None
    else:
        print(f"executing the pickle {path}, sha256 {sha256}", file=sys.stderr)
        centroids, inertia = read_kmeans(path)
    if centroids.shape[1] != extractor.dim:
        raise ValueError(
            f"{path} has centroids of {centroids.shape[1]} dimensions, but {args.extractor} gives "
            f"{extractor.dim}; name the extractor and layer that it was learned from"
        )
    codebook = Codebook(torch.from_numpy(centroids))
    if args.wav_scp is not None:
        waves, labels = labelled_waves(args.wav_scp, args.labels, extractor, codebook)
        fit = measure_fit(extractor, codebook, waves, labels)
        print(fit.describe(inertia))
        check_agreement(fit, args.extractor, args.extractor_conf, codebook, waves, labels)
    origin = dict(imported=path.name, sha256=sha256, inertia=inertia)
    write_codebook(args.output, codebook, extractor, origin)
    print(f"codebook: {args.output}, {len(centroids)} units of {centroids.shape[1]} dimensions")


def export_kmeans(args) -> None:
    """`convert_kmeans export`."""
    codebook = Codebook.load(Path(args.codebook) / "codebook.safetensors")
    if codebook.normalization.kind != "none":
        raise ValueError(
            f"{args.codebook} was learned with --normalize {codebook.normalization.kind}, and a "
            "joblib file holds centroids alone; export a codebook learned with --normalize none"
        )
    centroids = codebook.centroids.numpy()
    write_kmeans(args.output, centroids)
    print(f"{args.output}: {len(centroids)} centroids of {centroids.shape[1]} dimensions")


if __name__ == "__main__":
    main()
