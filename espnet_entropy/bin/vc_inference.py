"""Say the words of one recording in the voice of another."""

import os

from espnet_entropy.bin.common import make_parser, usable_device, user_errors
from espnet_entropy.data.audio import write_wave
from espnet_entropy.data.running import Stopwatch
from espnet_entropy.vc.convert import VoiceConverter
from espnet_entropy.vc.flow import SOLVERS


def get_parser():
    parser = make_parser(__doc__)
    add_model_arguments(parser)
    parser.add_argument("--source", required=True, help="sound file of what is said")
    parser.add_argument("--target", required=True, help="sound file of the voice, 1 to 10 s")
    parser.add_argument("--output", required=True, help="WAV to write")
    parser.add_argument("--rate", type=float, help="segments per second, of a model of many rates")
    add_sampling_arguments(parser)
    return parser


def add_model_arguments(parser) -> None:
    """--model and what belongs to it."""
    parser.add_argument("--model", required=True, help="folder of the training (vc_train)")
    parser.add_argument("--checkpoint", help="its name in there; the averaged or best one if none")
    parser.add_argument("--bundle", help="folder of the bundle, if not where the model says")
    parser.add_argument("--vocoder", help="HiFi-GAN of parallel_wavegan; Griffin-Lim if none")
    parser.add_argument("--extractor_path", help="the extractor's weights, if they were moved")
    parser.add_argument("--device", default="cpu", help="torch device")


def add_sampling_arguments(parser) -> None:
    """How the flow is followed."""
    parser.add_argument("--num_steps", type=int, default=10, help="steps of the sampler")
    parser.add_argument("--solver", choices=SOLVERS, default="euler")
    parser.add_argument("--guidance", type=float, default=0.5, help="0: none")
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="factor of the noise at the start"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the noise at the start")
    parser.add_argument(
        "--contrast", type=float, default=0.3, help="how far to move on from the source's voice"
    )


def make_converter(args, rate_hz: float | None) -> VoiceConverter:
    """What `add_model_arguments` asks for."""
    return VoiceConverter(
        args.model,
        checkpoint=args.checkpoint,
        bundle=args.bundle,
        vocoder=args.vocoder,
        rate_hz=rate_hz,
        device=usable_device(args.device),
        extractor_path=args.extractor_path,
    )


def sampling(args) -> dict:
    """What `add_sampling_arguments` asks for."""
    names = ("num_steps", "solver", "guidance", "temperature", "seed", "contrast")
    return {name: getattr(args, name) for name in names}


def main(cmd=None):
    args = get_parser().parse_args(cmd)
    with user_errors():
        # Before the models are loaded.
        if not args.output.lower().endswith(".wav"):
            raise ValueError(f"--output {args.output}: the result is a WAV; let its name end so")
        if os.path.isdir(args.output):
            raise ValueError(f"--output {args.output} is a folder; name a file")
        for name in ("source", "target"):
            path = getattr(args, name)
            if os.path.exists(args.output) and os.path.exists(path):
                if os.path.samefile(args.output, path):
                    raise ValueError(f"--output is the {name} itself, {path}; name another file")
        converter, stopwatch = make_converter(args, args.rate), Stopwatch()
        made = converter(args.source, args.target, **sampling(args))
        write_wave(args.output, made.wave, made.sample_rate)
    seconds = len(made.wave) / made.sample_rate
    print(
        f"{args.output}: {seconds:.2f} s by {made.vocoder}, {made.rate_hz:.1f} segments/s, in "
        f"{stopwatch.elapsed:.2f} s (real-time factor {stopwatch.elapsed / seconds:.2f})"
    )


if __name__ == "__main__":
    main()
