"""Spectrograms, pitch or speaker embeddings of recordings: one shard."""

from dataclasses import asdict

from espnet_entropy.bin.common import (
    add_dump_arguments,
    make_parser,
    mapping,
    shard_options,
    usable_device,
    user_errors,
)
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.data.shard_runs import make_recordings_shard
from espnet_entropy.vc.acoustics import ACOUSTICS
from espnet_entropy.vc.mel import MelConfig


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--what", required=True, choices=list(ACOUSTICS))
    add_dump_arguments(parser, "dump/WHAT/SET")
    parser.add_argument("--mel_conf", type=mapping, default={}, help="settings of the spectrogram")
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        config, device = MelConfig(**args.mel_conf), usable_device(args.device)
        stopwatch = Stopwatch()
        table = make_recordings_shard(
            settings={"what": args.what} | asdict(config),
            array_of=lambda recording: ACOUSTICS[args.what](recording, config, device),
            **shard_options(args),
        )
        if table is not None:
            print(
                f"shard {args.shard}: {args.what} of {len(table)} recordings, "
                f"{stopwatch.elapsed:.1f} s"
            )


if __name__ == "__main__":
    main()
