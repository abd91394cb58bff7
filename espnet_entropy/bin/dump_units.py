"""Recordings to units: one shard of `dump/units/SET`, from which the unit LM learns."""

import numpy as np
import torch

from espnet_entropy.bin.common import (
    Failures,
    Stopwatch,
    add_channel_argument,
    add_failure_argument,
    add_shard_arguments,
    make_parser,
    progress,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.bundle.tokenizer import Tokens, UnitTokenizer
from espnet_entropy.data.kaldi import write_table
from espnet_entropy.data.provenance import Provenance
from espnet_entropy.data.recordings import read_recordings
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shards import (
    failed_path,
    is_whole,
    write_codebook_hash,
    write_shard,
)


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    add_channel_argument(parser)
    parser.add_argument("--codebook", required=True, help="folder written by learn_codebook")
    parser.add_argument("--output", required=True, help="dump/units/SET")
    add_shard_arguments(parser)
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        tokenizer = UnitTokenizer.from_codebook(args.codebook, device=usable_device(args.device))
        settings = identity(args.codebook)
        write_codebook_hash(args.output, settings[FILES[0]])
        dump_shard(args, tokenizer, units_alone, settings)


def units_alone(tokens: Tokens) -> np.ndarray:
    """(T,) int32 units, from which the unit LM learns."""
    return tokens.units[0].cpu().numpy().astype(np.int32)


def dump_shard(args, tokenizer: UnitTokenizer, to_array, settings: dict, made_before=None) -> None:
    """Write one shard, unless it exists with these settings and from these recordings.

    Args:
        args: wav_scp, channel, output, shard, num_shards, max_failed_utts.
        tokenizer: makes Tokens from sound.
        to_array: makes the array to write from the Tokens of one utterance.
        settings: settings and models that the arrays depend on.
        made_before: a function of a set of utterances that gives a `DumpedBefore`, which has some
            of the arrays already.
    """
    rows = read_rows(args.output, args.wav_scp, args.shard, args.num_shards)
    recordings = read_recordings(args.wav_scp, rows=rows, channel=args.channel)
    sources = {utt: recording.origin for utt, recording in recordings.items()}
    if is_whole(args.output, args.shard, settings, sources):
        return
    made_from = Provenance(settings)
    stopwatch, frames, failures = Stopwatch(), [], Failures(args.max_failed_utts)
    known = made_before(set(recordings)) if made_before else None
    copied = []

    def arrays():
        for utt, recording in progress(recordings.items(), f"shard {args.shard}"):
            made_from.note(utt, sources[utt])
            array = known.array(utt, sources[utt]) if known else None
            if array is not None:
                copied.append(utt)
                yield utt, array
                continue
            try:
                wave = torch.from_numpy(recording.samples(tokenizer.sample_rate))
                array = to_array(tokenizer(wave.unsqueeze(0), torch.tensor([len(wave)])))
            except ValueError as error:
                failures.leave_out(utt, error)
                continue
            frames.append(len(array))
            yield utt, array
        # Written before the shard's scp, which marks the shard as complete.
        write_table(failed_path(args.output, args.shard), failures.reasons)

    write_shard(args.output, args.shard, arrays(), made_from)
    shift = tokenizer.extractor.frame_shift_sec
    if copied:
        print(f"shard {args.shard}: {len(copied)} utterances copied from an earlier dump")
    print(stopwatch.summary(f"shard {args.shard}", len(frames), sum(frames), shift))


if __name__ == "__main__":
    main()
