"""Raw recordings to text, with a trained model and its bundle.

Writes one line per recording, `name text`, or one JSON object with text, segments (start and end in
seconds, units) and the rate reached.

With --output, the same command continues after an error or an interruption: finished lines are kept
in OUTPUT.partial.
"""

import inspect
import json
from dataclasses import asdict
from pathlib import Path

from espnet_entropy.bin.common import (
    add_failure_argument,
    add_recording_arguments,
    make_parser,
    usable_device,
    user_errors,
)
from espnet_entropy.data.kaldi import file_hash, read_yaml
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


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        run(args)


def run(args) -> None:
    """Transcribe all recordings; ValueError names the one that cannot be read."""
    recordings = named_recordings(
        args.files, args.wav_scp, args.list, channel=args.channel, check=not args.max_failed_utts
    )
    decoding = {} if args.inference_config is None else read_yaml(args.inference_config)
    if args.bpemodel is not None:
        decoding["bpemodel"] = args.bpemodel
    from espnet_entropy.espnet.speech2text import Speech2Text

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
        return line_of(name, speech2text(recording), args.format)

    failures = Failures(args.max_failed_utts, what="")
    settings = settings_of(args, decoding) if args.output else {}
    write_lines(args.output, recordings, settings, make, failures)


def settings_of(args, decoding: dict) -> dict:
    """Settings and models that the lines depend on."""
    from espnet_entropy.bundle.bundle import identity
    from espnet_entropy.espnet.trained import read_settings

    bundle = args.bundle or read_settings(args.model_config).bundle
    files = ("model_config", "model_file", "lm_config", "lm_file")
    hashes = {name: getattr(args, name) and file_hash(getattr(args, name)) for name in files}
    bpemodel = decoding.get("bpemodel") or read_yaml(args.model_config).get("bpemodel")
    if bpemodel and Path(bpemodel).is_file():
        hashes["bpemodel"] = file_hash(bpemodel)
    given = dict(rate=args.rate, format=args.format, decoding=decoding)
    return identity(bundle) | hashes | given


def line_of(name: str, transcript, form: str) -> str:
    """One line of the output."""
    if form == "text":
        return f"{name} {transcript.text}".rstrip()
    return json.dumps(
        dict(
            name=name,
            text=transcript.text,
            rate_hz=round(transcript.rate_hz, 3),
            segments=[
                asdict(segment)
                | dict(start_sec=round(segment.start_sec, 4), end_sec=round(segment.end_sec, 4))
                for segment in transcript.segments
            ],
        ),
        ensure_ascii=False,
    )


if __name__ == "__main__":
    main()
