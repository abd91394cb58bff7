"""Pack, verify, describe, recalibrate or unpack a bundle."""

import yaml

from espnet_entropy.bin.calibrate import print_reach
from espnet_entropy.bin.common import add_channel_argument, add_cost_arguments, command, make_parser
from espnet_entropy.bundle.build import pack_bundle, recalibrate_bundle, unpack_bundle
from espnet_entropy.bundle.bundle import Bundle
from espnet_entropy.bundle.verify import check_tokens
from espnet_entropy.segment.calibration import calibrate_dump


def get_parser():
    parser = make_parser(__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pack = commands.add_parser("pack", help="gather codebook, unit LM and calibration")
    pack.add_argument("--codebook", required=True, help="folder written by learn_codebook")
    pack.add_argument("--unit_lm", required=True, help="checkpoint of the unit LM's training")
    pack.add_argument("--calibration", required=True, help="YAML written by calibrate")
    pack.add_argument("--output", required=True, help="folder of the bundle")
    verify = commands.add_parser("verify", help="check hashes; tokenize again and compare")
    verify.add_argument("--bundle", required=True)
    verify.add_argument("--dump", help="dump/raw/SET made with these parts")
    verify.add_argument("--wav_scp", help="its wav.scp; a segments file beside it is used")
    add_channel_argument(verify)
    verify.add_argument("--num_utts", type=int, default=5, help="how many to compare")
    info = commands.add_parser("info", help="print what the bundle is")
    info.add_argument("--bundle", required=True)
    again = commands.add_parser(
        "calibrate", help="measure its thresholds anew: a rate on one corpus is not another's"
    )
    again.add_argument("--bundle", required=True)
    again.add_argument("--dump", required=True, help="dump/raw/SET, held out, made with it")
    add_cost_arguments(again)
    again.add_argument("--output", required=True, help="folder of the new bundle")
    unpack = commands.add_parser("unpack", help="parts to start a training on another corpus from")
    unpack.add_argument("--bundle", required=True)
    unpack.add_argument("--output", required=True, help="new folder for codebook/ and lm/")
    return parser


@command(get_parser)
def main(args) -> None:
    COMMANDS[args.command](args)


def pack(args) -> None:
    """`bundle pack`."""
    bundle = pack_bundle(args.codebook, args.unit_lm, args.calibration, args.output)
    print(f"bundle: {bundle.folder}, {bundle.num_units} units")


def verify(args) -> None:
    """`bundle verify`: ValueError at the first difference."""
    if (args.dump is None) != (args.wav_scp is None):
        raise ValueError("--dump and --wav_scp belong together: give both or neither")
    bundle = Bundle.open(args.bundle)
    bundle.check_hashes()
    print(f"{args.bundle}: {len(bundle.config['files'])} files have their hashes")
    if args.dump is None:
        return
    if args.num_utts < 1:
        raise ValueError(f"--num_utts is {args.num_utts}: compare at least one utterance")
    count = check_tokens(bundle, args.dump, args.wav_scp, args.num_utts, channel=args.channel)
    print(f"{count} utterances of {args.dump} tokenized again: same units and entropies")


def info(args) -> None:
    """`bundle info`."""
    bundle = Bundle.open(args.bundle)
    print(yaml.safe_dump(bundle.config, sort_keys=False), end="")
    calibration = bundle.calibration()
    for method in calibration.methods:
        print(f"{method}: {calibration.reach(method)}")


def recalibrate(args) -> None:
    """`bundle calibrate`."""
    bundle = Bundle.open(args.bundle)
    bundle.check_dump(args.dump)
    calibration = calibrate_dump(
        args.dump,
        num_units=bundle.num_units,
        frame_rate_hz=bundle.frame_rate_hz,
        gap_cost=args.gap_cost,
        centroids=bundle.codebook().centroids,
        content=args.content,
    )
    print_reach(calibration)
    made = recalibrate_bundle(args.bundle, calibration, args.output)
    print(f"bundle: {made.folder}, with thresholds of {args.dump}")


def unpack(args) -> None:
    """`bundle unpack`."""
    unpack_bundle(args.bundle, args.output)
    print(
        f"{args.output}/codebook and {args.output}/lm; train the unit LM on with "
        f"--init_param {args.output}/lm/valid.loss.best.pth"
    )


COMMANDS = {
    "pack": pack,
    "verify": verify,
    "info": info,
    "calibrate": recalibrate,
    "unpack": unpack,
}


if __name__ == "__main__":
    main()
