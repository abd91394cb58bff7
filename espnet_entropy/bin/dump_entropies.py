"""Units to units and entropies, without touching sound again: one shard of `dump/raw/SET`."""

from pathlib import Path

import numpy as np
import torch

from espnet_entropy.bin.common import (
    Stopwatch,
    add_shard_arguments,
    make_parser,
    progress,
    usable_device,
    user_errors,
)
from espnet_entropy.bundle.build import load_trained_lm, unit_lm_hash
from espnet_entropy.bundle.bundle import FILES, identity, read_description
from espnet_entropy.data.dump import read_units_entry
from espnet_entropy.data.origin import Origin, origin_of_dump
from espnet_entropy.data.provenance import Provenance, Source
from espnet_entropy.data.shard_rows import read_rows
from espnet_entropy.data.shards import (
    is_whole,
    write_codebook_hash,
    write_shard,
    write_unit_lm_hash,
)
from espnet_entropy.lm.entropy import predictive_entropies


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--units_scp", required=True, help="dump/units/SET/units.scp")
    parser.add_argument("--codebook", required=True, help="folder written by learn_codebook")
    parser.add_argument("--unit_lm", required=True, help="checkpoint of the unit LM's training")
    parser.add_argument("--output", required=True, help="dump/raw/SET")
    add_shard_arguments(parser)
    return parser


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Write one shard, unless it exists with this unit LM and from these units."""
    lm = load_trained_lm(args.unit_lm)
    settings = identity(args.codebook) | {FILES[1]: unit_lm_hash(lm)}
    lm = lm.to(usable_device(args.device))
    config = read_description(args.codebook)
    if lm.num_units != config["num_units"]:
        raise ValueError(
            f"{args.unit_lm} knows {lm.num_units} units, {args.codebook} has {config['num_units']}"
        )
    difference = origin_of_dump(Path(args.units_scp).parent).difference(
        Origin(settings[FILES[0]]), args.codebook
    )
    if difference:
        raise ValueError(
            f"{args.units_scp} was made with {difference}; dump the units again with this "
            "codebook, or give the codebook that they were made with"
        )
    write_codebook_hash(args.output, settings[FILES[0]])
    write_unit_lm_hash(args.output, settings[FILES[1]])
    rows = read_rows(args.output, args.units_scp, args.shard, args.num_shards)
    sources = {utt: Source.of(entry) for utt, entry in rows.items()}
    if is_whole(args.output, args.shard, settings, sources):
        return
    stopwatch, frames, made_from = Stopwatch(), [], Provenance(settings)

    def arrays():
        for utt, entry in progress(rows.items(), f"shard {args.shard}"):
            made_from.note(utt, sources[utt])
            units = read_units_entry(entry, f"{args.units_scp}, utt {utt}").astype(np.int64)
            batch = torch.from_numpy(units).unsqueeze(0).to(args.device)
            length = torch.tensor([len(units)], device=args.device)
            try:
                entropies = predictive_entropies(lm, batch, length)
            except ValueError as error:
                raise ValueError(f"utt {utt}: {error}") from error
            frames.append(len(units))
            yield utt, np.stack((units, entropies[0].cpu().numpy()), axis=1).astype(np.float32)

    write_shard(args.output, args.shard, arrays(), made_from)
    shift = config["frame_shift_sec"]
    print(stopwatch.summary(f"shard {args.shard}", len(rows), sum(frames), shift))


if __name__ == "__main__":
    main()
