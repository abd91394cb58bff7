"""API pages from the docstrings: build_api_pages.py [FOLDER]. A warning ends the build."""

import os
import pkgutil
import sys
import warnings
from pathlib import Path

import espnet_entropy


def public_modules() -> list[str]:
    """The package and its modules; espnet3's data set only where espnet3 is."""
    names = [espnet_entropy.__name__]
    for module in pkgutil.walk_packages(espnet_entropy.__path__, "espnet_entropy."):
        if module.name.startswith(("espnet_entropy.__main__", "espnet_entropy.bin")):
            continue  # commands: their --help says more
        if module.name == "espnet_entropy.espnet.espnet3_dataset" and not has_espnet3():
            continue
        names.append(module.name)
    return names


def has_espnet3() -> bool:
    from importlib.util import find_spec

    return find_spec("espnet3") is not None


def main() -> None:
    import pdoc

    output = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/api")
    # Public names are imported when they are used: pdoc only looks.
    for name in espnet_entropy.__all__:
        getattr(espnet_entropy, name)
    names = public_modules()
    for name in names:
        __import__(name)
    pdoc.render.configure(docformat="google", show_source=True, footer_text="espnet_entropy")
    warnings.simplefilter("error")
    # It imports all modules of a package, except for names that `__all__` leaves out.
    for package in {name.rpartition(".")[0] for name in names if name.count(".") == 2}:
        sys.modules[package].__all__ = [n.rpartition(".")[2] for n in names if package + "." in n]
    pdoc.pdoc(*(name for name in names if name.count(".") < 2), output_directory=output)
    print(f"{len(names)} modules: {output / 'espnet_entropy.html'}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
