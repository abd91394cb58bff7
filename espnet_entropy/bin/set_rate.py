"""Write the config of a model of many rates (frontend_conf: rate_range) for one of them.

ESPnet's inference commands take a model's config as a file: --asr_train_config OUTPUT.
"""

from espnet_entropy.bin.common import command, make_parser
from espnet_entropy.data.kaldi import read_yaml, write_yaml
from espnet_entropy.segment.rates import check_two_rates


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--model_config", required=True, help="config.yaml of the training")
    parser.add_argument("--rate", type=float, required=True, help="segments per second")
    parser.add_argument("--output", required=True, help="the config to write")
    return parser


@command(get_parser)
def main(args) -> None:
    """Replace the rate; ValueError if the model was not trained for it."""
    config = read_yaml(args.model_config)
    conf = config.get("frontend_conf") or {}
    if not isinstance(conf, dict):
        raise ValueError(f"{args.model_config}: frontend_conf is no mapping, but {conf!r}")
    if conf.get("rate_range") is None:
        raise ValueError(
            f"{args.model_config} is of a model of one rate ({conf.get('rate')} Hz); train one "
            "with frontend_conf rate_range"
        )
    low, high = check_two_rates(conf["rate_range"])
    if not low <= args.rate <= high:
        raise ValueError(
            f"--rate {args.rate:g} Hz is outside of what {args.model_config} was trained for, "
            f"{low:g} to {high:g} Hz"
        )
    write_yaml(args.output, config | dict(frontend_conf=conf | dict(rate=args.rate)))


if __name__ == "__main__":
    main()
