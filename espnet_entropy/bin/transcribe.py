"""Raw recordings to text, with a trained model and its bundle.

Writes one line per recording, `name text`, or one JSON object with text, segments (start and end in
seconds, units) and the rate reached.

With --output, the same command continues after an error or an interruption: finished lines are kept
in OUTPUT.partial.
"""

import inspect

from espnet_entropy.bin.common import (
    add_failure_argument,
    add_recording_arguments,
    command,
    make_parser,
    usable_device,
)
from espnet_entropy.data.kaldi import read_yaml
from espnet_entropy.data.kept_lines import write_lines
from espnet_entropy.data.recordings import named_recordings
from espnet_entropy.data.running import Failures


def get_parser():
    parser = make_parser(__doc__)
    parser.add_argument("--model_config", required=True, help="config.yaml of the training")
    parser.add_argument("--model_file", required=True, help="its checkpoint")
    parser.add_argument("--bundle", help="in place of the one in the config")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they have moved")
    parser.add_argument("--lm_config", help="config.yaml of a text language model")
    parser.add_argument("--lm_file", help="its checkpoint")
    parser.add_argument("--inference_config", help="YAML of beam_size, ctc_weight, ...")
    parser.add_argument("--bpemodel", help="in place of the one in the config")
    parser.add_argument("--rate", type=float, help="Hz, of a model of many rates")
    parser.add_argument("--device", default="cpu", help="torch device")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--output", help="file to write; standard output if left out")
    add_failure_argument(parser)
    add_recording_arguments(parser)
    return parser


@command(get_parser)
def main(args) -> None:
    """Transcribe all recordings; ValueError names the one that cannot be read."""
    recordings = named_recordings(
        args.files, args.wav_scp, args.list, channel=args.channel, check=not args.max_failed_utts
    )
    decoding = {} if args.inference_config is None else read_yaml(args.inference_config)
    if args.bpemodel is not None:
        decoding["bpemodel"] = args.bpemodel
    from espnet_entropy.espnet.speech2text import Speech2Text
    from espnet_entropy.espnet.transcripts import LINES, identity_of_models

    own = inspect.signature(Speech2Text).parameters
    for name in decoding:
        if not isinstance(name, str) or name in own:
            raise ValueError(
                f"{args.inference_config}: {name!r} is no option of ESPnet's decoding; this "
                "command has options of its own for model, bundle, rate and device"
            )
    speech2text = Speech2Text(
        args.model_config,
        args.model_file,
        bundle=args.bundle,
        rate_hz=args.rate,
        lm_config=args.lm_config,
        lm_file=args.lm_file,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
        **decoding,
    )

    def make(name: str, recording) -> str:
        return LINES[args.format](name, speech2text(recording))

    settings = {}
    if args.output:
        names = ("model_config", "model_file", "lm_config", "lm_file")
        files = {name: getattr(args, name) for name in names}
        settings = identity_of_models(files, args.bundle, decoding.get("bpemodel"))
        settings |= dict(rate=args.rate, format=args.format, decoding=decoding)
    failures = Failures(args.max_failed_utts, what="")
    write_lines(args.output, recordings, settings, make, failures)


if __name__ == "__main__":
    main()
