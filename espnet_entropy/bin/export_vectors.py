"""A trained model's vectors as ESPnet features, with the times of their segments: one shard.

merge_shards then makes ESPnet's folder of extracted features of it: feats.scp, feats_shape, ... and
segment_times. The vectors come at the model's rate, not at 50 Hz.
"""

from espnet_entropy.bin.common import (
    add_shard_arguments,
    make_parser,
    usable_device,
    user_errors,
)
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.espnet.vectors import export_vectors


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--model_config", required=True, help="config.yaml of the training")
    parser.add_argument("--model_file", required=True, help="its checkpoint")
    parser.add_argument("--rate", type=float, help="Hz, of a model of many rates")
    parser.add_argument("--dump", required=True, help="dump/raw/SET")
    parser.add_argument("--output", required=True, help="folder to write")
    add_shard_arguments(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        args.device = usable_device(args.device)
        stopwatch = Stopwatch()
        made = export_vectors(**{k: v for k, v in vars(args).items() if k != "config"})
        if made is not None:
            utts, frames, vectors, rate_hz = made
            summary = stopwatch.summary(f"shard {args.shard}", utts, frames, 1 / rate_hz)
            print(f"{summary}; {vectors} vectors, {vectors * rate_hz / max(frames, 1):.2f} Hz")


if __name__ == "__main__":
    main()
