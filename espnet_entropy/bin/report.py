"""A recipe's report: one HTML file with tables, pictures, configuration, hashes and commands."""

from espnet_entropy.bin.common import command, make_parser


def get_parser():
    parser = make_parser(__doc__)
    recipes = parser.add_subparsers(dest="recipe", required=True)
    units = recipes.add_parser("units", help="of a units1 recipe")
    units.add_argument("--bundle", required=True, help="folder of the bundle")
    units.add_argument("--lm", required=True, help="folder of the unit LM's training")
    units.add_argument("--segments", required=True, help="folder of rates.json and pictures")
    for name, title in (("asr", "recogniser"), ("st", "translator")):
        model = recipes.add_parser(name, help=f"of a {name}1 recipe's {title}")
        model.add_argument("--model", required=True, help="folder of its training")
        model.add_argument("--model_file", required=True, help="name of its checkpoint")
        model.add_argument("--inference_tag", default="decode", help="name of the decoding")
        model.add_argument("--rate", type=float, help="Hz of the decoding, if not the model's own")
        model.add_argument("--sets", nargs="+", required=True, help="decoded sets")
        model.add_argument("--dump", default="dump/raw", help="folder of the sets' dumps")
        model.add_argument("--data", default="data", help="folder of the sets' recordings")
        model.add_argument(
            "--text", default="text", help="references, in the folder of a set's dump"
        )
        model.add_argument("--source_text", help="what is said, of a translation; a file there too")
    vc = recipes.add_parser("vc", help="of a vc1 recipe's model")
    vc.add_argument("--model", required=True, help="folder of its training")
    vc.add_argument("--model_file", required=True, help="name of its checkpoint")
    vc.add_argument("--results", required=True, help="folder of table.json and listen.html")
    for one in recipes.choices.values():
        one.add_argument("--stages_dir", default="exp/.stages", help="folder of the markers")
        one.add_argument("--stages", nargs="*", default=[], help="names of the stages' markers")
        one.add_argument("--logs", nargs="*", default=[], help="logs, and folders of logs")
        one.add_argument("--configs", nargs="*", default=[], help="files to show")
        one.add_argument("--files", nargs="*", default=[], help="files to hash")
        one.add_argument("--called_as", default="", help="the recipe's call, as it was typed")
        one.add_argument("--output", required=True, help="HTML file to write")
    return parser


@command(get_parser)
def main(args) -> None:
    """Write the page."""
    # Seconds, which --help need not wait for.
    from espnet_entropy.data.kaldi import atomic_text
    from espnet_entropy.report.recipes import PAGES
    from espnet_entropy.report.render import make_page

    title, lead, sections = PAGES[args.recipe](args)
    with atomic_text(args.output) as file:
        file.write(make_page(title, lead, sections))
    print(f"report: {args.output}: {lead}")


if __name__ == "__main__":
    main()
