"""BPE on units: learn a model, or store its segmentation in a dump for `segmenter: stored`."""

from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import make_parser, user_errors
from espnet_entropy.data.dump import read_dump, read_units, write_espnet_layout
from espnet_entropy.data.kaldi import file_hash, write_bytes
from espnet_entropy.data.running import Stopwatch, progress
from espnet_entropy.data.shards import (
    UNIT_LM_HASH,
    read_codebook_hash,
    write_codebook_hash,
    write_shard,
    write_unit_lm_hash,
)
from espnet_entropy.units.bpe import UnitBpe, learn_bpe


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    learn = commands.add_parser("learn", help="learn pieces from units")
    learn.add_argument("--units_scp", nargs="+", required=True, help="dump/units/SET/units.scp")
    learn.add_argument("--num_units", type=int, required=True, help="K")
    learn.add_argument("--vocab_size", type=int, default=2000, help="pieces, single units included")
    learn.add_argument("--output", required=True, help="the model to write")
    apply = commands.add_parser("apply", help="a dump with boundaries in place of entropies")
    apply.add_argument("--bpe_model", required=True, help="written by `learn`")
    apply.add_argument("--dump", required=True, help="dump/raw/SET")
    apply.add_argument("--frame_rate", type=float, default=50.0, help="units a second")
    apply.add_argument("--output", required=True, help="the new dump's folder")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        {"learn": learn, "apply": apply}[args.command](args)


def learn(args) -> None:
    """`segment_bpe learn`."""
    utterances = (units for scp in args.units_scp for _, units in read_units(scp))
    model = learn_bpe(progress(utterances, "units"), args.num_units, args.vocab_size)
    write_bytes(args.output, model)
    print(f"{args.output}: {args.vocab_size} pieces over {args.num_units} units")


def apply(args) -> None:
    """`segment_bpe apply`."""
    if Path(args.output).resolve() == Path(args.dump).resolve():
        raise ValueError(f"--output is the dump itself, {args.dump}, whose entropies would be lost")
    bpe, stopwatch, counts = UnitBpe(args.bpe_model), Stopwatch(), [0, 0, 0]

    def arrays():
        for utt, units, _ in progress(read_dump(args.dump), "BPE"):
            try:
                starts = bpe.boundaries(units)
            except ValueError as error:
                raise ValueError(f"utt {utt}: {error}") from error
            for place, count in enumerate((1, len(units), int(starts.sum()))):
                counts[place] += count
            yield utt, np.stack((units, starts), axis=1).astype(np.float32)

    sha256 = read_codebook_hash(args.dump)
    if sha256 is not None:
        write_codebook_hash(args.output, sha256)
    # Boundaries replace the entropies, so the hash of the BPE model replaces that of the unit LM:
    # commands that read entropies refuse this dump.
    (Path(args.output) / UNIT_LM_HASH).unlink(missing_ok=True)
    write_unit_lm_hash(args.output, file_hash(args.bpe_model))
    write_espnet_layout(args.output, write_shard(args.output, 1, arrays()), args.dump)
    utts, units, segments = counts
    summary = stopwatch.summary("BPE", utts, units, 1 / args.frame_rate)
    print(f"{summary}; {segments} segments, {segments * args.frame_rate / units:.2f} Hz")


if __name__ == "__main__":
    main()
