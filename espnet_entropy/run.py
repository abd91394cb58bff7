"""`python -m espnet_entropy.run -m espnet2.bin.X ...`: register our parts, then run the command.

It replaces `python` in stock recipes (`--python "python3 -m espnet_entropy.run"`), so it also runs
scripts. It calls the command's `main()` instead of using runpy: a training with several processes
spawns children that import this module again, which also registers our parts in them.
"""

import contextlib
import functools
import importlib
import os
import runpy
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace

import espnet_entropy  # noqa: F401  (installs the import hook, in spawned children too)
from espnet_entropy.data.refused import TRUST, RefusedInput, trusts_pickles
from espnet_entropy.espnet.hooks import after_import

USAGE = "usage: python -m espnet_entropy.run (-m MODULE | SCRIPT.py) [ARGUMENT ...]"


def save_whole_files(trainer: ModuleType) -> None:
    """Let `torch.save` write atomically, from the import of ESPnet's trainer on.

    Otherwise a training that is killed while it writes `checkpoint.pth` loses all its epochs.
    """
    torch = trainer.torch
    from espnet_entropy.data.kaldi import atomic_bytes  # slow, and only needed with a trainer

    save = torch.save

    @functools.wraps(save)
    def save_whole(obj, f, *args, **options):
        if not isinstance(f, (str, os.PathLike)):
            return save(obj, f, *args, **options)
        with atomic_bytes(f) as file:
            return save(obj, file, *args, **options)

    torch.save = save_whole


def run_no_commands(matio: ModuleType) -> None:
    """Let `load_scp` and `load_mat` refuse entries that are shell commands, when they are read.

    ESPnet reads `kaldi_ark` tables with these functions of kaldiio, or of omniio from 202609 on.
    """
    open_file = matio.open_like_kaldi

    @functools.wraps(open_file)
    def open_no_command(name, mode="r"):
        if isinstance(name, str) and "|" in (name.strip()[:1], name.strip()[-1:]):
            from espnet_entropy.data.kaldi import shell_command_error  # imports torch

            raise shell_command_error(name)
        return open_file(name, mode)

    matio.open_like_kaldi = open_no_command


def load_no_pickles(matio: ModuleType) -> None:
    """Let kaldiio refuse pickled objects in arks, unless the user allows them."""
    load = matio.pickle.load

    def refuse(file, **options):
        if trusts_pickles():
            return load(file, **options)
        where = f"{file.name}:{file.tell() - len(b'PKL')}" if hasattr(file, "name") else "the input"
        raise ValueError(
            f"{where} is a pickled object, which could be code that loading executes; if you trust "
            f"its source, set {TRUST}=true"
        )

    matio.pickle = SimpleNamespace(**vars(matio.pickle) | {"load": refuse})


# At import, so that this also applies in spawned children, which read arks and write checkpoints.
after_import("espnet2.train.trainer", save_whole_files)
after_import("kaldiio.matio", run_no_commands)
after_import("kaldiio.matio", load_no_pickles)
after_import("omniio.tools.kaldi.matio", run_no_commands)


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
    try:
        if argv[0] == "-m":
            run_module(argv[1], argv[2:])
        else:
            run_script(argv)
    except RefusedInput as error:
        sys.exit(f"error: {error}")


def run_script(argv: list[str]) -> None:
    """Run a script's path with its arguments."""
    sys.argv = argv
    # As Python does. The current folder stays in the path, after the script's folder.
    sys.path.insert(0, str(Path(argv[0]).resolve().parent))
    runpy.run_path(argv[0], run_name="__main__")


def run_module(name: str, arguments: list[str]) -> None:
    """Run a module's `main()`, or the module where it has none."""
    if name.startswith("espnet2."):
        set_broken_checkpoint_aside(arguments)
    if name.startswith("parallel_wavegan."):
        # Imported here, because other commands do not need a vocoder.
        from espnet_entropy.vc.vocoder import mend_scipy

        mend_scipy()
    module = importlib.import_module(name)
    sys.argv = [module.__file__ or name, *arguments]
    if hasattr(module, "main"):
        module.main()  # its return value is not an exit status, as with Python
        return
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def set_broken_checkpoint_aside(arguments: list[str]) -> None:
    """Rename a truncated `checkpoint.pth` of a killed training, so that the training begins again.

    ESPnet would end with an error each time it tries to continue from it.
    """
    options = dict(zip(arguments, arguments[1:], strict=False))
    if options.get("--resume") != "true" or "--output_dir" not in options:
        return
    checkpoint = Path(options["--output_dir"]) / "checkpoint.pth"
    # A checkpoint is a zip archive, whose directory is written last.
    if checkpoint.is_file() and not zipfile.is_zipfile(checkpoint):
        aside = checkpoint.with_name("checkpoint.pth.broken")
        # Several processes of one training may do this at the same time.
        with contextlib.suppress(FileNotFoundError):
            checkpoint.replace(aside)
        print(
            f"{checkpoint} is truncated; it was renamed to {aside}, and the training begins again",
            file=sys.stderr,
        )


if __name__ == "__main__":
    main()
