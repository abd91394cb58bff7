"""API pages: every public name says what it is, and the pages are built without a warning."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
from build_api_pages import public_modules  # noqa: E402


def public_members(module):
    """(name, object) of what a module defines itself, methods and properties included."""
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        yield name, value
        if inspect.isclass(value):
            for method, body in vars(value).items():
                body = getattr(body, "__func__", body)
                if not method.startswith("_") and (
                    inspect.isfunction(body) or isinstance(body, property)
                ):
                    yield f"{name}.{method}", body


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__
    lacking = [member for member, value in public_members(module) if not inspect.getdoc(value)]
    assert not lacking


def test_the_pages_are_built_without_warnings(tmp_path):
    pytest.importorskip("pdoc")
    script = ROOT / "tools/build_api_pages.py"
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    page = (tmp_path / "espnet_entropy/bundle/tokenizer.html").read_text()
    assert 'id="UnitTokenizer.from_bundle"' in page and "Turns waveforms into units" in page
