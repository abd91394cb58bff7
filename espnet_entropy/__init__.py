"""Entropy-based speech units as an ESPnet plug-in.

Importing this package makes ESPnet's tasks know `frontend: entropy` and `lm: llama`. It is cheap:
neither torch nor ESPnet is imported before one of them is used.
"""

from espnet_entropy import espnet_plugin

__version__ = "0.1.0"

espnet_plugin.install()
