"""API pages are built without a warning; ruff checks that public names have docstrings."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_pages_are_built_without_warnings(tmp_path):
    pytest.importorskip("pdoc")
    script = ROOT / "tools/build_api_pages.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    page = (tmp_path / "espnet_entropy/bundle/tokenizer.html").read_text()
    assert 'id="UnitTokenizer.from_bundle"' in page and "Turns waveforms into units" in page
