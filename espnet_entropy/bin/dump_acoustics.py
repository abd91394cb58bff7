"""Spectrograms, pitch or speaker embeddings of recordings: one shard."""

from dataclasses import asdict

from espnet_entropy.bin.common import (
    Failures,
    Stopwatch,
    add_channel_argument,
    add_failure_argument,
    add_shard_arguments,
    make_parser,
    mapping,
    progress,
    usable_device,
    user_errors,
)
from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.provenance import Provenance
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shards import failed_path, is_whole, write_shard
from espnet_entropy.vc.acoustics import ACOUSTICS
from espnet_entropy.vc.mel import MelConfig


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--what", required=True, choices=list(ACOUSTICS))
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    add_channel_argument(parser)
    parser.add_argument("--mel_conf", type=mapping, default={}, help="settings of the spectrogram")
    parser.add_argument("--output", required=True, help="dump/WHAT/SET")
    add_shard_arguments(parser)
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Write one shard, unless it exists with these settings and from these recordings."""
    config, device = MelConfig(**args.mel_conf), usable_device(args.device)
    rows = read_rows(args.output, args.wav_scp, args.shard, args.num_shards)
    recordings = read_recordings(args.wav_scp, rows=rows, channel=args.channel)
    made_from = Provenance({"what": args.what} | asdict(config))
    sources = {utt: recording.origin for utt, recording in recordings.items()}
    if is_whole(args.output, args.shard, made_from.settings, sources):
        return
    failures, stopwatch = Failures(args.max_failed_utts), Stopwatch()

    def arrays():
        for utt, recording in progress(recordings.items(), f"{args.what}, shard {args.shard}"):
            made_from.note(utt, sources[utt])
            try:
                array = ACOUSTICS[args.what](recording, config, device)
            except ValueError as error:
                failures.leave_out(utt, error)
                continue
            yield utt, array
        # Written before the shard's scp, which marks the shard as complete.
        write_table(failed_path(args.output, args.shard), failures.reasons)

    table = write_shard(args.output, args.shard, arrays(), made_from)
    print(f"shard {args.shard}: {args.what} of {len(table)} recordings, {stopwatch.elapsed:.1f} s")


if __name__ == "__main__":
    main()
