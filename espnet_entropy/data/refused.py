"""Input that is refused, and pickles, which are refused unless the user trusts them.

This module imports neither torch nor ESPnet, since `import espnet_entropy` imports it.
"""

import os

# The environment variable by which a user lets pickles be executed.
TRUST = "ENTROPY_EXECUTE_PICKLE"


class RefusedInput(ValueError):
    """Input that does not fit the model or may hold code; the launcher prints it as one line."""


def trusts_pickles() -> bool:
    """Whether the user allows pickles to be executed."""
    return os.environ.get(TRUST) == "true"
