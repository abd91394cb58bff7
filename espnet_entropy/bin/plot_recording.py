"""Picture of a recording: spectrogram, entropy curve, boundaries."""

from espnet2.utils.types import str2bool

from espnet_entropy.bin.common import (
    add_channel_argument,
    make_parser,
    usable_device,
    user_errors,
)
from espnet_entropy.segment import RECOMMENDED_SEGMENTER


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they have moved")
    parser.add_argument("--on_change", type=str2bool, default=False, help="true or false")
    parser.add_argument(
        "--segmenter", default=RECOMMENDED_SEGMENTER, help="global relative combined peaks dp ..."
    )
    parser.add_argument("--rate", type=float, default=15.0, help="segments a second to aim at")
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--output", required=True, help="PNG to write")
    add_channel_argument(parser)
    parser.add_argument("file", help="sound file of any format and rate")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Tokenize the recording and draw it."""
    # Seconds, which --help need not wait for.
    from espnet_entropy.bundle.segmented import Segmentation
    from espnet_entropy.data.recordings import Recording
    from espnet_entropy.report.plot import plot_segmentation

    segmentation = Segmentation.from_bundle(
        args.bundle,
        segmenter=args.segmenter,
        on_change=args.on_change,
        rate_hz=args.rate,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
    )
    sample_rate = segmentation.tokenizer.sample_rate
    recording = Recording(args.file, args.file, args.channel)
    waveform = recording.samples(sample_rate)
    made = segmentation(recording)
    plot_segmentation(
        args.output,
        name=args.file,
        waveform=waveform,
        sample_rate=sample_rate,
        entropies=made.entropies.numpy(),
        boundaries=made.boundaries.numpy(),
        config=segmentation.config,
        threshold_nats=float(segmentation.thresholds[0]),
    )
    print(f"picture of {args.file}: {args.output}, {made.rate_hz:.1f} segments/s")


if __name__ == "__main__":
    main()
