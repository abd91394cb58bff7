"""Recordings to units and entropies in one pass: one shard of `dump/raw/SET`."""

from functools import partial
from pathlib import Path

import numpy as np

from espnet_entropy.bin.common import (
    add_channel_argument,
    add_failure_argument,
    add_shard_arguments,
    make_parser,
    usable_device,
    user_errors,
)
from espnet_entropy.bin.dump_units import dump_shard
from espnet_entropy.bundle.bundle import FILES, identity
from espnet_entropy.bundle.tokenizer import Tokens, UnitTokenizer
from espnet_entropy.data.reuse import DumpedBefore
from espnet_entropy.data.shards import write_codebook_hash, write_unit_lm_hash


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--wav_scp", required=True, help="wav.scp; a segments file beside it is used"
    )
    add_channel_argument(parser)
    parser.add_argument("--bundle", required=True, help="folder of the bundle")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they were moved")
    parser.add_argument("--output", required=True, help="dump/raw/SET")
    parser.add_argument(
        "--reuse",
        help="dump folder of the units1 recipe that made the bundle: its units and entropies of "
        "the same recordings are copied",
    )
    add_shard_arguments(parser)
    add_failure_argument(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        tokenizer = UnitTokenizer.from_bundle(
            args.bundle, device=usable_device(args.device), extractor_path=args.extractor_path
        )
        # Without the calibration, on which a dump does not depend.
        settings = {k: v for k, v in identity(args.bundle).items() if k != FILES[2]}
        write_codebook_hash(args.output, settings[FILES[0]])
        write_unit_lm_hash(args.output, settings[FILES[1]])
        dump_shard(args, tokenizer, units_and_entropies, settings, made_before(args, settings))


def made_before(args, settings: dict):
    """A function of the utterances to dump that looks them up in --reuse; None without it."""
    if not args.reuse:
        return None
    unit_settings = {name: value for name, value in settings.items() if name != FILES[1]}
    name = Path(args.output).name
    return partial(DumpedBefore, args.reuse, name, unit_settings, settings)


def units_and_entropies(tokens: Tokens) -> np.ndarray:
    """(T, 2) float32: what ESPnet reads as an utterance's speech."""
    columns = (tokens.units[0].cpu().numpy(), tokens.entropies[0].cpu().numpy())
    return np.stack(columns, axis=1).astype(np.float32)


if __name__ == "__main__":
    main()
