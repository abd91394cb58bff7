"""Entropy-based speech units as an ESPnet plug-in.

Importing this package makes ESPnet's tasks know `frontend: entropy` and `lm: llama`. It is cheap:
neither torch nor ESPnet is imported before one of them is used.
"""

import importlib

from espnet_entropy.espnet import plugin

__version__ = "0.1.0"

# Public names and their modules, imported when they are first used.
_MODULES = {
    "Bundle": "bundle.bundle",
    "EntropyFrontend": "espnet.frontend",
    "SegmentEncoder": "aggregate.encoder",
    "Segmentation": "bundle.segmented",
    "SegmenterConfig": "segment.boundaries",
    "Speech2Text": "espnet.speech2text",
    "UnitTokenizer": "bundle.tokenizer",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value  # so that this is not asked again
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])


plugin.install()
