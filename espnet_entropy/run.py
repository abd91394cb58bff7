"""`python -m espnet_entropy.run -m espnet2.bin.X ...`: register our parts, then run ESPnet's.

It stands in for `python` in stock recipes (`--python "python3 -m espnet_entropy.run"`), so it also
takes a script's path. The target's `main()` is called from this imported module rather than by
runpy: training on several processes spawns children that import this module again, and with it
the registration.
"""

import contextlib
import functools
import importlib
import os
import runpy
import sys
import zipfile
from pathlib import Path
from types import ModuleType

import espnet_entropy  # noqa: F401  (installs the import hook, in spawned children too)
from espnet_entropy.espnet_plugin import after_import

# Options of ESPnet's commands that name checkpoints, which its loader may execute.
CHECKPOINTS = ("model_file", "lm_file", "vocoder_file", "init_param")
# The environment variable by which a user lets pickles be executed.
TRUST = "ENTROPY_EXECUTE_PICKLE"
USAGE = "usage: python -m espnet_entropy.run (-m MODULE | SCRIPT.py) [ARGUMENT ...]"


def save_whole_files(trainer: ModuleType) -> None:
    """Let `torch.save` write under another name first, as of the import of ESPnet's trainer.

    A training that is killed while it writes `checkpoint.pth` would have lost all its epochs.
    """
    torch = trainer.torch
    from espnet_entropy.data import atomic_bytes  # costs what commands without a trainer need not

    save = torch.save

    @functools.wraps(save)
    def save_whole(obj, f, *args, **options):
        if not isinstance(f, (str, os.PathLike)):
            return save(obj, f, *args, **options)
        with atomic_bytes(f) as file:
            return save(obj, file, *args, **options)

    torch.save = save_whole


# Here, so that spawned children, one of which writes the checkpoints, do it too.
after_import("espnet2.train.trainer", save_whole_files)


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
    if name.startswith("parallel_wavegan."):
        # Here, since a vocoder's training must not need ESPnet.
        from espnet_entropy.vc.vocoder import mend_scipy

        mend_scipy()
    module = importlib.import_module(name)
    sys.argv = [module.__file__ or name, *arguments]
    if hasattr(module, "main"):
        module.main()  # a value that it returns is no exit status, to Python neither
        return
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def check_checkpoints(arguments: list[str]) -> None:
    """Exit unless the checkpoints among an ESPnet command's arguments hold nothing but weights.

    Those that `--config` gives in place of options are looked at too; not the `checkpoint.pth` and
    epochs that a training finds in its own folder.
    """
    paths, configs, option = [], [], ""
    for word in arguments:
        value = word
        if word.startswith("--"):
            option, _, value = word[2:].partition("=")
        if names_checkpoint(option):
            paths.append(value)
        elif option and "config".startswith(option):
            configs.append(value)
    paths += checkpoints_of_configs(configs)
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


def names_checkpoint(option: str) -> bool:
    """Whether it can be `--NAME_model_file`, `--init_param` ...; argparse takes beginnings too."""
    parts = option.split("_")
    tails = ["_".join(parts[start:]) for start in range(len(parts))]
    return any(tail and name.startswith(tail) for tail in tails for name in CHECKPOINTS)


def checkpoints_of_configs(configs: list[str]) -> list[str]:
    """What YAML files give for the options that name checkpoints."""
    import yaml  # here, so that importing this module stays cheap

    paths = []
    for config in configs:
        try:
            content = yaml.safe_load(Path(config).read_text(encoding="utf-8"))
        except (OSError, ValueError, yaml.YAMLError):
            continue  # ESPnet, which reads it next, says what is wrong with it
        for name, value in content.items() if isinstance(content, dict) else ():
            if names_checkpoint(str(name)):
                paths += value if isinstance(value, list) else [value]
    return [path for path in paths if isinstance(path, str)]


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
