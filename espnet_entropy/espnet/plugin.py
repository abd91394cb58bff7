"""What this package adds to ESPnet, and how ESPnet learns of it.

Every ESPnet task module owns its tables of choices. `install()` puts an import hook in place that
extends a task's table right after that task's module was imported, and not before: importing the
tasks early costs seconds and prints a line to standard output, which stock recipes pipe into files.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType

from espnet_entropy.espnet.checkpoints import check_loading, check_tokens
from espnet_entropy.espnet.checks import CHECKS

FRONTEND = "espnet_entropy.espnet.frontend:EntropyFrontend"
MT_FRONTEND = "espnet_entropy.espnet.frontend_mt:UnitTextFrontend"
S2T_FRONTEND = "espnet_entropy.espnet.frontend_s2t:RefusedFrontend"
UNIT_LM = "espnet_entropy.lm.unit_lm:LlamaLM"

# (ESPnet task module, its table, our key, our class as "module:name")
PLUGINS = (
    ("espnet2.tasks.asr", "frontend_choices", "entropy", FRONTEND),
    ("espnet2.tasks.st", "frontend_choices", "entropy", FRONTEND),
    ("espnet2.tasks.slu", "frontend_choices", "entropy", FRONTEND),
    ("espnet2.tasks.mt", "frontend_choices", "entropy", MT_FRONTEND),
    ("espnet2.tasks.s2t", "frontend_choices", "entropy", S2T_FRONTEND),
    ("espnet2.tasks.s2t_ctc", "frontend_choices", "entropy", S2T_FRONTEND),
    ("espnet2.tasks.lm", "lm_choices", "llama", UNIT_LM),
    # espnet3 has copies of its own of the tasks that its systems know.
    ("espnet3.systems.esp2_asr.task", "frontend_choices", "entropy", FRONTEND),
    ("espnet3.systems.esp2_asr.src.transducer_task", "frontend_choices", "entropy", FRONTEND),
)

# ESPnet imports g2p_en for every task but only uses it for English phonemes. Importing it tries to
# download data for NLTK, which takes 20 seconds without a network.
LAZY = ("g2p_en",)


def register(task: ModuleType) -> None:
    """Extend the tables of one imported ESPnet task module.

    Raises:
        TypeError: a class of ours is not what the table holds (`ClassChoices` itself checks only
            at construction).
    """
    for module, table, key, target in PLUGINS:
        if module != task.__name__:
            continue
        choices = getattr(task, table)
        target_module, name = target.split(":")
        cls = getattr(importlib.import_module(target_module), name)
        if choices.base_type is not None and not issubclass(cls, choices.base_type):
            raise TypeError(f"{target} is no {choices.base_type.__name__}, which {table} holds")
        choices.classes[key] = cls


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
    """Hook into the import of ESPnet's modules; imported modules are changed now."""
    after_import("espnet2.tasks.abs_task", check_loading)
    # From ESPnet 202609 on it is the second one.
    for module in ("espnet.nets.beam_search", "espnet2.legacy.nets.beam_search"):
        after_import(module, check_tokens)
    for module in {module for module, *_ in PLUGINS}:
        after_import(module, register)
    for module, check in CHECKS.items():
        after_import(module, check)
    if not any(isinstance(finder, _PublicModules) for finder in sys.meta_path):
        sys.meta_path.append(_PublicModules())
