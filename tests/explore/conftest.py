"""A server's engine with the tiny bundle."""

import pytest


@pytest.fixture(scope="session")
def explorer(parts):
    from espnet_entropy.explore.engine import Explorer, find_examples

    return Explorer(parts.bundle, examples=find_examples(parts.data), max_sec=5.0, max_sounds=3)
