"""`python -m espnet_entropy.run -m espnet2.bin.X ...`: register our parts, then run ESPnet's.

It stands in for `python` in stock recipes (`--python "python3 -m espnet_entropy.run"`), so it also
takes a script's path. The target's `main()` is called from this imported module rather than by
runpy: training on several processes spawns children that import this module again, and with it
the registration.
"""

import importlib
import runpy
import sys
from pathlib import Path

import espnet_entropy  # noqa: F401  (installs the import hook, in spawned children too)

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
    module = importlib.import_module(name)
    sys.argv = [module.__file__ or name, *arguments]
    if hasattr(module, "main"):
        module.main()  # a value that it returns is no exit status, to Python neither
        return
    runpy.run_module(name, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
