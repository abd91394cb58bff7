"""Count utterances with fewer segments than CTC needs for their labels.

ESPnet gives such an utterance a loss of zero without a word. CTC needs a segment a label and one
more between equal neighbours.
"""

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.kaldi import read_table, read_yaml
from espnet_entropy.espnet.ctc import Labels, ctc_labels, encoder_frames, short_utterances


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET of the training set")
    parser.add_argument("--text", help="the labels' text (default: the dump's text)")
    parser.add_argument("--bpemodel", default="none", help="sentencepiece model, or none")
    parser.add_argument("--src_text", help="of a translation model: what is said")
    parser.add_argument("--src_bpemodel", default="none", help="the same, of --src_text")
    parser.add_argument("--asr_config", required=True, help="config.yaml of an asr or st model")
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--keys", help="check only the utterances in this file's first column")
    parser.add_argument(
        "--max_share", type=float, default=0.02, help="fail if more utterances than this are short"
    )
    return parser


@command(get_parser)
def main(args) -> None:
    """Count, and fail above the tolerated share."""
    config, text = read_yaml(args.asr_config), args.text or f"{args.dump}/text"
    losses = ctc_labels(config, text, args.bpemodel, args.src_text, args.src_bpemodel)
    if not losses:
        print("no CTC in this model, nothing to check")
        return
    given = dict(keys=None if args.keys is None else read_table(args.keys), name=args.asr_config)
    rate_range = (config.get("frontend_conf") or {}).get("rate_range")
    if rate_range:
        # Few batches of a training have its lowest rate: what it costs is shown, and not refused.
        frames = encoder_frames(config, args.dump, args.bundle, rate_hz=rate_range[0], **given)
        for labels in losses:
            print(f"at {rate_range[0]:g} Hz, the lowest rate of the training: ", end="")
            report_short(frames, labels)
    frames = encoder_frames(config, args.dump, args.bundle, **given)
    # All losses are reported before the first one is refused.
    if max([report_short(frames, labels) for labels in losses]) > args.max_share * len(frames):
        raise ValueError(
            f"that is more than {100 * args.max_share:g} % of the training set; set "
            "frontend_conf.experimental.min_rate, raise the rate, or take larger text units (nbpe)"
        )


def report_short(frames: dict[str, int], labels: Labels) -> int:
    """Print and return how many utterances are too short for their labels, and the first one."""
    short = short_utterances(frames, labels)
    first = next((f"; {utt}: {reason}" for utt, reason in short.items()), "")
    print(f"{len(short)} of {len(frames)} utterances have fewer segments than CTC needs{first}")
    return len(short)


if __name__ == "__main__":
    main()
