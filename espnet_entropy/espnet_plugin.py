"""What this package adds to ESPnet, and how ESPnet learns of it.

Every ESPnet task module owns its tables of choices. `install()` puts an import hook in place that
extends a task's table right after that task's module was imported, and not before: importing the
tasks early costs seconds and prints a line to standard output, which stock recipes pipe into files.
"""

import argparse
import functools
import importlib
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable
from types import ModuleType

FRONTEND = "espnet_entropy.frontend:EntropyFrontend"
MT_FRONTEND = "espnet_entropy.frontend_mt:UnitTextFrontend"
S2T_FRONTEND = "espnet_entropy.frontend_s2t:RefusedFrontend"
UNIT_LM = "espnet_entropy.unit_lm:LlamaLM"

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


class _HookingFinder(importlib.abc.MetaPathFinder):
    def __init__(self):
        self.searching = set()

    def find_spec(self, fullname, path=None, target=None):
        if fullname not in _after_import or fullname in self.searching:
            return None
        self.searching.add(fullname)
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self.searching.discard(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _HookedLoader(spec.loader)
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


def check_first(task: type, name: str, check: Callable[[argparse.Namespace], None]) -> None:
    """Let a class method of an ESPnet task call a check of its arguments before all else."""
    method = getattr(task, name).__func__

    @functools.wraps(method)
    def checked(cls, args):
        check(args)
        return method(cls, args)

    setattr(task, name, classmethod(checked))


def check_training_data(args: argparse.Namespace) -> None:
    """Refuse dumps that were made with another bundle than that of the frontend.

    Args:
        args: those of an ESPnet training, with the YAML of `--config` in them.

    Raises:
        ValueError: the codebook differs, or the unit LM of a model that depends on it.
    """
    conf = getattr(args, "frontend_conf", None) or {}
    if getattr(args, "frontend", None) != "entropy" or not os.path.isdir(conf.get("bundle") or ""):
        return
    from espnet_entropy.bundle import Bundle  # here, so that importing this module stays cheap
    from espnet_entropy.origin import needs_unit_lm

    bundle = Bundle.open(conf["bundle"])
    data = [*args.train_data_path_and_name_and_type, *args.valid_data_path_and_name_and_type]
    for folder in sorted({os.path.dirname(path) for path, _, _ in data}):
        bundle.check_dump(folder, needs_unit_lm=needs_unit_lm(**conf))


def check_source_tokens(args: argparse.Namespace) -> None:
    """Refuse a source token list of the MT task in which token ids are no unit ids.

    Args:
        args: of an MT model; `src_token_list` is a file or a list.

    Raises:
        ValueError: the list is not 0 .. K-1, `<unk>`, `<sos/eos>`.
    """
    if args.frontend != "entropy" or args.src_token_list is None:
        return
    from espnet_entropy.packing import check_unit_tokens

    tokens, name = args.src_token_list, "the source token list"
    if isinstance(tokens, str):
        with open(tokens, encoding="utf-8") as file:
            tokens, name = [line.rstrip() for line in file], tokens
    check_unit_tokens(list(tokens), name)


def install() -> None:
    """Hook into the import of ESPnet's tasks; tasks imported earlier are extended at once."""
    for module in {module for module, *_ in PLUGINS}:
        after_import(module, register)
    # The frontend sees neither where its data are from nor the token list.
    after_import("espnet2.tasks.abs_task", _check_data_first)
    after_import("espnet2.tasks.mt", _check_tokens_first)


def _check_data_first(module: ModuleType) -> None:
    check_first(module.AbsTask, "main_worker", check_training_data)


def _check_tokens_first(module: ModuleType) -> None:
    check_first(module.MTTask, "build_model", check_source_tokens)
