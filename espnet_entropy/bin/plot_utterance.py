"""Picture of an utterance: spectrogram, entropy curve, boundaries."""

import torch
from espnet2.utils.types import str2bool

from espnet_entropy.bin.common import (
    add_calibration_arguments,
    command,
    load_calibration,
    make_parser,
)
from espnet_entropy.data.dump import read_dump
from espnet_entropy.data.origin import origin_of_dump
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.evaluate.alignment import Interval, read_ctm
from espnet_entropy.report.plot import plot_segmentation
from espnet_entropy.segment import RECOMMENDED_SEGMENTER
from espnet_entropy.segment.boundaries import ON_CHANGE, find_boundaries

SAMPLE_RATE = 16000


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--dump", required=True, help="dump/raw/SET")
    parser.add_argument(
        "--wav_scp", required=True, help="its wav.scp; a segments file beside it is used"
    )
    parser.add_argument("--utt", help="utterance id; the one nearest to 4 s if not given")
    add_calibration_arguments(parser)
    parser.add_argument("--on_change", type=str2bool, default=False, help="true or false")
    parser.add_argument("--segmenter", default=RECOMMENDED_SEGMENTER)
    parser.add_argument("--rate", type=float, default=15.0, help="Hz")
    parser.add_argument(
        "--ctm", help="words to write above it: lines `utt channel start duration word`, seconds"
    )
    parser.add_argument("--output", required=True, help="PNG to write")
    return parser


@command(get_parser)
def main(args) -> None:
    """Draw one utterance."""
    calibration = load_calibration(args)
    calibration.check_origin(args.calibration, origin_of_dump(args.dump), args.dump)
    method = args.segmenter + (ON_CHANGE if args.on_change else "")
    config = calibration.config(method, args.rate)
    utterances = {utt: (units, entropies) for utt, units, entropies in read_dump(args.dump)}
    utt = args.utt or min(
        utterances, key=lambda u: abs(len(utterances[u][0]) - 4 * config.frame_rate_hz)
    )
    if utt not in utterances:
        raise ValueError(f"{args.dump} has no utterance {utt}")
    recordings = read_recordings(args.wav_scp)
    if utt not in recordings:
        raise ValueError(f"{args.wav_scp} has no utterance {utt}")
    units, entropies = (torch.from_numpy(x).unsqueeze(0) for x in utterances[utt])
    lengths = torch.tensor([units.shape[1]])
    thresholds = calibration.thresholds(config)
    boundaries = find_boundaries(units, entropies, lengths, config, thresholds, calibration.points)
    plot_segmentation(
        args.output,
        name=utt,
        waveform=recordings[utt].samples(SAMPLE_RATE),
        sample_rate=SAMPLE_RATE,
        entropies=entropies[0].numpy(),
        boundaries=boundaries[0].numpy(),
        config=config,
        threshold_nats=float(thresholds[0]),
        words=words_of(args.ctm, utt) if args.ctm else (),
    )
    print(f"picture of {utt}: {args.output}")


def words_of(ctm: str, utt: str) -> list[Interval]:
    """The words of an utterance without its silences; ValueError where it has none."""
    alignments = read_ctm(ctm)
    if utt not in alignments:
        raise ValueError(f"{ctm} has no utterance {utt}")
    return [interval for interval in alignments[utt] if not interval.is_silence]


if __name__ == "__main__":
    main()
