"""BPE on units: learn a model, or store its segmentation in a dump for `segmenter: stored`."""

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.dump import read_units
from espnet_entropy.data.kaldi import write_bytes
from espnet_entropy.data.running import Stopwatch, progress
from espnet_entropy.units.bpe import learn_bpe, run_starts, store_boundaries


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
    for subparser in (learn, apply):
        subparser.add_argument(
            "--deduplicate",
            action="store_true",
            help="pieces of runs of equal units, as ESPnet's asr2 recipes make them",
        )
    return parser


@command(get_parser)
def main(args) -> None:
    {"learn": learn, "apply": apply}[args.command](args)


def learn(args) -> None:
    """`segment_bpe learn`."""
    utterances = (units for scp in args.units_scp for _, units in read_units(scp))
    if args.deduplicate:
        utterances = (units[run_starts(units)] for units in utterances)
    model = learn_bpe(progress(utterances, "units"), args.num_units, args.vocab_size)
    write_bytes(args.output, model)
    print(f"{args.output}: {args.vocab_size} pieces over {args.num_units} units")


def apply(args) -> None:
    """`segment_bpe apply`."""
    stopwatch, made = (
        Stopwatch(),
        store_boundaries(args.bpe_model, args.dump, args.output, args.deduplicate),
    )
    summary = stopwatch.summary("BPE", made.utterances, made.units, 1 / args.frame_rate)
    rate_hz = made.segments * args.frame_rate / made.units
    print(f"{summary}; {made.segments} segments, {rate_hz:.2f} Hz")


if __name__ == "__main__":
    main()
