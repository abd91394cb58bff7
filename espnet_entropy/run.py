"""`python -m espnet_entropy.run -m espnet2.bin.X ...`: register our parts, then run ESPnet's.

It stands in for `python` in stock recipes (`--python "python3 -m espnet_entropy.run"`), so it also
takes a script's path. The target's `main()` is called from this imported module rather than by
runpy: training on several processes spawns children that import this module again, and with it
the registration.
"""

import contextlib
import importlib
import os
import re
import runpy
import sys
import zipfile
from pathlib import Path

import espnet_entropy  # noqa: F401  (installs the import hook, in spawned children too)

# Options of ESPnet's commands that name checkpoints, which its loader may execute.
CHECKPOINTS = re.compile(
    r"--(?:\w*model_file|lm_file|vocoder_file|init_param)(?:=(.*))?", re.DOTALL
)
# The environment variable by which a user lets pickles be executed.
TRUST = "ENTROPY_EXECUTE_PICKLE"
USAGE = "usage: python -m espnet_entropy.run (-m MODULE | SCRIPT.py) [ARGUMENT ...]"


def main(argv: list[str] | None = None) -> None:
    """Run a module or a script as Python would.

    Args:
        argv: what follows the launcher's name; `sys.argv[1:]` if None.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return
    if not argv or argv == ["-m"] or (argv[0] != "-m" and argv[0].startswith("-")):
        print(USAGE, file=sys.stderr)
        sys.exit(2)
    if argv[0] != "-m":
        sys.argv = argv
        # As Python does; the current folder, which is there for us, stays behind it.
        sys.path.insert(0, str(Path(argv[0]).resolve().parent))
        runpy.run_path(argv[0], run_name="__main__")
        return
    name, arguments = argv[1], argv[2:]
    if name.startswith("espnet2."):
        check_checkpoints(arguments)
        set_broken_checkpoint_aside(arguments)
    module = importlib.import_module(name)
    sys.argv = [module.__file__ or name, *arguments]
    if hasattr(module, "main"):
        module.main()  # a value that it returns is no exit status, to Python neither
        return
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def check_checkpoints(arguments: list[str]) -> None:
    """Exit unless the checkpoints among an ESPnet command's arguments hold nothing but weights.

    Those that a YAML names are not looked at, nor the `checkpoint.pth` and epochs that a training
    finds in its own folder.
    """
    paths, takes_values = [], False
    for word in arguments:
        if word.startswith("--"):
            option = CHECKPOINTS.fullmatch(word)
            takes_values = option is not None and option[1] is None
            paths += [option[1]] if option and option[1] else []
        elif takes_values:
            paths.append(word)
    # --init_param FILE:SOURCE:TARGET
    files = [file for path in paths for file in (path, path.split(":")[0]) if Path(file).is_file()]
    if not files or os.environ.get(TRUST) == "true":
        return
    # Seconds, which other commands need not wait for.
    from espnet_entropy.checkpoint import load_weights_only

    for file in dict.fromkeys(files):
        try:
            load_weights_only(file)
        except ValueError as error:
            sys.exit(f"error: {error}; if you trust where it comes from: {TRUST}=true")


def set_broken_checkpoint_aside(arguments: list[str]) -> None:
    """Where a training was killed while it wrote `checkpoint.pth`, let it begin again.

    ESPnet would end with an error at each attempt to go on from there.
    """
    options = dict(zip(arguments, arguments[1:], strict=False))
    if options.get("--resume") != "true" or "--output_dir" not in options:
        return
    checkpoint = Path(options["--output_dir"]) / "checkpoint.pth"
    # A checkpoint is a zip archive, whose directory is written last.
    if checkpoint.is_file() and not zipfile.is_zipfile(checkpoint):
        aside = checkpoint.with_name("checkpoint.pth.broken")
        # Several processes of one training come here.
        with contextlib.suppress(FileNotFoundError):
            checkpoint.replace(aside)
        print(
            f"{checkpoint} was cut off while it was written; it is now {aside}, and the training "
            "begins again",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
