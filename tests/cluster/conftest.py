"""One Slurm for all tests here, which are skipped aloud where it is not installed."""

import pytest
import slurm


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    if slurm.missing():
        pytest.skip(f"no Slurm: {', '.join(slurm.missing())} (Debian: slurm-wlm, munge)")
    # Sockets have short names.
    made = slurm.Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        yield made
    finally:
        made.stop()
