"""The command `espnet-entropy`: what one does with single recordings and bundles."""

import importlib
import sys

# Name -> (module of bin/, what it does).
COMMANDS = {
    "tokenize": (
        "tokenize_recordings",
        "recordings to units and timed segments: text, JSON, TextGrids or arks",
    ),
    "plot": ("plot_recording", "picture of a recording: spectrogram, entropy, boundaries"),
    "explore": ("explore", "a local web page: drag the rate, see and hear segments"),
    "transcribe": ("transcribe", "recordings to text, with a trained model"),
    "info": ("bundle", "what a bundle is (the same as `bundle info`)"),
    "bundle": ("bundle", "pack, verify, info, calibrate or unpack a bundle"),
}
USAGE = """usage: espnet-entropy COMMAND [OPTION ...]     (espnet-entropy COMMAND --help)

"""


def usage() -> str:
    """The commands, a line each."""
    return USAGE + "".join(f"  {name:<12}{text}\n" for name, (_, text) in COMMANDS.items())


def main(argv: list[str] | None = None) -> None:
    """Run a command.

    Args:
        argv: its name and options; `sys.argv[1:]` if None.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] in (["-h"], ["--help"]):
        print(usage(), end="")
        return
    if not argv or argv[0] not in COMMANDS:
        wrong = f"espnet-entropy: no command '{argv[0]}'\n" if argv else ""
        print(f"{wrong}{usage()}", end="", file=sys.stderr)
        sys.exit(2)
    name, options = argv[0], argv[1:]
    if name == "info":
        options = ["info", *bundle_option(options)]
    sys.argv[0] = f"espnet-entropy {name}"
    importlib.import_module(f"espnet_entropy.bin.{COMMANDS[name][0]}").main(options)


def bundle_option(options: list[str]) -> list[str]:
    """`info FOLDER` means `info --bundle FOLDER`."""
    if options and not options[0].startswith("-"):
        return ["--bundle", *options]
    return options


if __name__ == "__main__":
    main()
