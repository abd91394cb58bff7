"""Align the known text of a set's recordings: phones.ctm, syllables.ctm and words.ctm.

PocketSphinx (English; words, syllables and phones), or a Whisper model of CTranslate2 (English;
words) to compare with. Utterances that cannot be aligned are left out and listed in `left_out`.
"""

import json
from pathlib import Path

from espnet_entropy.bin.common import add_channel_argument, command, make_parser
from espnet_entropy.data.kaldi import atomic_text
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.evaluate.align_set import Listener, align_set
from espnet_entropy.evaluate.alignment import Alignments, read_ctm
from espnet_entropy.evaluate.force_align import compare_words


def get_parser():
    parser = make_parser(__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="data folder with wav.scp, text, segments")
    add_channel_argument(parser)
    parser.add_argument("--output", required=True, help="folder to write")
    parser.add_argument("--whisper", help="folder of a Whisper model, in place of PocketSphinx")
    parser.add_argument(
        "--guess_words",
        action="store_true",
        help="g2p_en guesses pronunciations of words outside PocketSphinx's dictionary",
    )
    parser.add_argument(
        "--snr_db", type=float, help="white noise is added, so many dB below the recording"
    )
    parser.add_argument("--compare_with", help="words.ctm of another aligner; says how they agree")
    parser.add_argument(
        "--max_left_out_share", type=float, default=0.2, help="of the utterances, else it fails"
    )
    parser.add_argument("--nj", type=int, default=1, help="processes")
    return parser


@command(get_parser)
def main(args) -> None:
    """Align a set, and compare with a second aligner if one is given."""
    output, stopwatch = Path(args.output), Stopwatch()
    aligned, left_out, seconds = align_set(
        args.data,
        output,
        channel=args.channel,
        listener=Listener(args.whisper, args.guess_words, args.snr_db),
        max_left_out_share=args.max_left_out_share,
        num_jobs=args.nj,
    )
    print(
        f"{output}: {aligned} utterances aligned, {left_out} left out, "
        f"{seconds / 3600:.3f} h in {stopwatch.elapsed:.1f} s "
        f"({seconds / stopwatch.elapsed:.0f} x real time)"
    )
    if args.compare_with:
        compare(read_ctm(args.compare_with), read_ctm(output / "words.ctm"), output)


def compare(first: Alignments, second: Alignments, output: Path) -> None:
    """Say how two aligners agree, and keep it in `agreement.json`."""
    made = compare_words(first, second)
    with atomic_text(output / "agreement.json") as file:
        json.dump(vars(made), file, indent=1)
    for edge in ("start", "end"):
        median, p90, bias, spread = (
            1000 * getattr(made, f"{edge}_{name}_sec")
            for name in ("median", "p90", "bias", "spread")
        )
        print(
            f"  {edge}s of {made.num_words} words: median difference {median:.0f} ms, "
            f"90th percentile {p90:.0f} ms, this aligner later by {bias:.0f} ms (median); "
            f"beside that {spread:.0f} ms (median)"
        )


if __name__ == "__main__":
    main()
