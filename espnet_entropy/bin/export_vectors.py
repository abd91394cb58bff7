"""A trained model's vectors as ESPnet features, with the times of their segments: one shard.

merge_shards then makes ESPnet's folder of extracted features of it: feats.scp, feats_shape, ... and
segment_times. The vectors come at the model's rate, not at 50 Hz.
"""

import torch
from torch import Tensor

from espnet_entropy.bin.common import (
    Stopwatch,
    add_shard_arguments,
    make_parser,
    progress,
    usable_device,
    user_errors,
)
from espnet_entropy.data.dump import read_entries
from espnet_entropy.data.kaldi import atomic_text, file_hash
from espnet_entropy.data.provenance import Provenance, Source
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shards import is_whole, times_path, write_shard
from espnet_entropy.espnet.trained import load_frontend
from espnet_entropy.segment.timing import segment_times


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
        run(args)


def run(args) -> None:
    """Write one shard, unless it exists with this model and from this dump."""
    hashes = {name: file_hash(getattr(args, name)) for name in ("model_config", "model_file")}
    made_from = Provenance(hashes | {"rate": args.rate})
    rows = read_rows(args.output, f"{args.dump}/wav.scp", args.shard, args.num_shards)
    sources = {utt: Source.of(entry) for utt, entry in rows.items()}
    if is_whole(args.output, args.shard, made_from.settings, sources):
        return
    frontend = load_frontend(args.model_config, args.model_file, [args.dump])
    if args.rate is not None:
        frontend.set_rate(args.rate)
    encoder = frontend.encoder.to(usable_device(args.device))
    frame_rate_hz = encoder.segmenter.frame_rate_hz
    stopwatch, frames, segments = Stopwatch(), 0, 0

    def arrays():
        nonlocal frames, segments
        for utt, source in sources.items():
            made_from.note(utt, source)
        utterances = progress(read_entries(rows, args.dump), f"shard {args.shard}", len(rows))
        # Written before the shard's scp, which marks the shard as complete.
        with atomic_text(times_path(args.output, args.shard)) as times:
            for utt, units, entropies in utterances:
                vectors, lengths = encode(encoder, utt, units, entropies)
                for start, end in segment_times(lengths, frame_rate_hz):
                    times.write(f"{utt} {start:.2f} {end:.2f}\n")
                frames += len(units)
                segments += len(lengths)
                yield utt, vectors.cpu().numpy()

    write_shard(args.output, args.shard, arrays(), made_from)
    summary = stopwatch.summary(f"shard {args.shard}", len(rows), frames, 1 / frame_rate_hz)
    print(f"{summary}; {segments} vectors, {segments * frame_rate_hz / max(frames, 1):.2f} Hz")


@torch.inference_mode()
def encode(encoder, utt: str, units, entropies) -> tuple[Tensor, Tensor]:
    """Vectors (S, D) and segment lengths (S,) in frames of one utterance; errors name it."""
    device = encoder.embedding.weight.device
    batch = (torch.from_numpy(column).unsqueeze(0).to(device) for column in (units, entropies))
    try:
        encoded = encoder.encode(*batch, torch.tensor([len(units)], device=device))
    except ValueError as error:
        raise ValueError(f"utt {utt}: {error}") from error
    return encoded.vectors[0], encoded.segment_lengths[0]


if __name__ == "__main__":
    main()
