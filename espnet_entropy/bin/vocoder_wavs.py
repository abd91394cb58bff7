"""Recordings as parallel_wavegan reads them: 16-bit WAV at the rate of the spectrogram, wav.scp."""

from espnet_entropy.bin.common import command, make_parser, mapping
from espnet_entropy.data.kaldi import read_table
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.vc.mel import MelConfig
from espnet_entropy.vc.vocoder_data import write_wavs


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    parser.add_argument("--mels", required=True, help="mel.scp: the recordings that are wanted")
    parser.add_argument("--mel_conf", type=mapping, default={}, help="settings of the spectrogram")
    parser.add_argument("--output", required=True, help="folder for wav.scp, and copies")
    return parser


@command(get_parser)
def main(args) -> None:
    """Copy recordings that have another format; the table names the other ones where they are."""
    rate, output = MelConfig(**args.mel_conf).sample_rate, args.output
    recordings, mels = read_recordings(args.wav_scp), read_table(args.mels)
    lacking = mels.keys() - recordings.keys()
    if lacking:
        raise ValueError(f"{args.wav_scp} has no utterance {min(lacking)}, but {args.mels} has")
    copies = write_wavs({utt: recordings[utt] for utt in mels}, output, rate)
    print(f"{output}/wav.scp: {len(mels)} recordings, {copies} of them copied")


if __name__ == "__main__":
    main()
