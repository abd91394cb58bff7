"""Import hooks: what happens when a module of ESPnet, or one of our public names, is imported."""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

# ESPnet imports g2p_en for every task but only uses it for English phonemes. Importing it tries to
# download data for NLTK, which takes 20 seconds without a network.
LAZY = ("g2p_en",)

# Module -> what is done with it right after it was imported.
_after_import: dict[str, list[Callable[[ModuleType], None]]] = {}


class _HookedLoader(importlib.abc.Loader):
    """Loads a module as its own loader would, then does what was asked for."""

    def __init__(self, loader):
        self.loader = loader

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        for function in _after_import[module.__name__]:
            function(module)

    def __getattr__(self, name):
        # inspect and runpy ask the loader for sources and file names
        return getattr(self.loader, name)


class _LazyLoader(_HookedLoader):
    """Executes a module when one of its names is first used.

    Unlike that of importlib.util, it does not execute the module for names such as `__file__`.
    """

    def exec_module(self, module):
        def load(name):
            # Code that goes through all modules, such as inspect, asks for these names.
            if name.startswith("__"):
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            del module.__getattr__
            try:
                self.loader.exec_module(module)
            except BaseException:
                module.__getattr__ = load
                raise
            return getattr(module, name)

        module.__getattr__ = load


# Names of modules that configurations written by users contain -> where the modules are.
PUBLIC_MODULES = {
    "espnet_entropy.espnet3_dataset": "espnet_entropy.espnet.espnet3_dataset",
    "espnet_entropy.frontend": "espnet_entropy.espnet.frontend",
}


class _PublicModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the modules of PUBLIC_MODULES under both names, as one module."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname in PUBLIC_MODULES:
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def create_module(self, spec):
        module = importlib.import_module(PUBLIC_MODULES[spec.name])
        self.own_spec = module.__spec__
        return module

    def exec_module(self, module):
        module.__spec__ = self.own_spec  # the import has set that of the other name


class _HookingFinder(importlib.abc.MetaPathFinder):
    def __init__(self):
        self.searching = set()

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in (*_after_import, *LAZY) or fullname in self.searching:
            return None
        self.searching.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.searching.discard(fullname)
        if spec is not None and spec.loader is not None:
            kind = _LazyLoader if fullname in LAZY else _HookedLoader
            spec.loader = kind(spec.loader)
        return spec


def after_import(module: str, function: Callable[[ModuleType], None]) -> None:
    """Call a function with a module when that is imported, or now if it was; once each."""
    functions = _after_import.setdefault(module, [])
    if function in functions:
        return
    functions.append(function)
    if not any(isinstance(finder, _HookingFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _HookingFinder())
    if module in sys.modules:
        function(sys.modules[module])


def install() -> None:
    """Let the names of PUBLIC_MODULES be imported."""
    if not any(isinstance(finder, _PublicModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, _PublicModules())
