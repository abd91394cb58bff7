"""What this package adds to ESPnet, and how ESPnet learns of it.

Every ESPnet task module owns its tables of choices. `install()` puts an import hook in place that
extends a task's table right after that task's module was imported, and not before: importing the
tasks early costs seconds and prints a line to standard output, which stock recipes pipe into files.
"""

import importlib
from types import ModuleType

from espnet_entropy.espnet import hooks
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


def install() -> None:
    """Hook into the import of ESPnet's modules; imported modules are changed now."""
    hooks.after_import("espnet2.tasks.abs_task", check_loading)
    # From ESPnet 202609 on it is the second one.
    for module in ("espnet.nets.beam_search", "espnet2.legacy.nets.beam_search"):
        hooks.after_import(module, check_tokens)
    for module in {module for module, *_ in PLUGINS}:
        hooks.after_import(module, register)
    for module, check in CHECKS.items():
        hooks.after_import(module, check)
    hooks.install()
