"""RESULTS.md of trained and decoded models, in ESPnet's format, from their score.json files."""

from pathlib import Path

from espnet_entropy.bin.common import command, make_parser


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--exp", type=Path, nargs="+", required=True, help="folders of trainings")
    parser.add_argument("--output", type=Path, help="file to write; standard output if none")
    return parser


@command(get_parser)
def main(args) -> None:
    """Write or print the results; a file that another program wrote is not replaced."""
    # Seconds, which --help need not wait for.
    from espnet_entropy.data.kaldi import atomic_text
    from espnet_entropy.report.espnet_results import GENERATOR, espnet_results

    text = espnet_results(args.exp)
    if args.output is None:
        print(text, end="")
        return
    if args.output.exists() and GENERATOR not in args.output.read_text(encoding="utf-8"):
        raise ValueError(f"{args.output} was not written by this command; name another file")
    with atomic_text(args.output) as file:
        file.write(text)
    print(f"show_results: {args.output}")


if __name__ == "__main__":
    main()
