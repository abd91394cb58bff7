"""What all tests share: quiet, reproducible settings and a tiny bundle made by the commands."""

import os

# Before torch: the workers of pytest-xdist and the commands they start share few cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import zipfile  # noqa: E402
from types import SimpleNamespace  # noqa: E402

import hypothesis  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402

hypothesis.settings.register_profile("quick", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def no_downloads(tmp_path_factory):
    """ESPnet's g2p_en downloads NLTK data when imported, unless files of these names exist."""
    folder = tmp_path_factory.mktemp("nltk_data")
    for name in ("taggers/averaged_perceptron_tagger_eng.zip", "corpora/cmudict.zip"):
        (folder / name).parent.mkdir()
        zipfile.ZipFile(folder / name, "w").close()
    os.environ.setdefault("NLTK_DATA", str(folder))
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def parts(tmp_path_factory) -> SimpleNamespace:
    """Data, codebook, unit LM, dumps, calibration and bundle; read only."""
    import tiny  # here, because it imports ESPnet, which is slow

    return tiny.make_parts(tmp_path_factory.mktemp("parts"))
