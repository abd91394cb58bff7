"""Registration: cheap, silent, whatever is imported first. Each case in a process of its own."""

import subprocess
import sys
from types import ModuleType, SimpleNamespace

import pytest

from espnet_entropy.espnet import hooks, plugin


def python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_the_package_is_cheap_and_silent():
    code = """
import sys
import espnet_entropy, espnet_entropy.run
heavy = {"torch", "espnet2", "espnet", "transformers", "numpy", "yaml"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    assert python(code) == ""


LOOK = """
import sys
from espnet_entropy.espnet.frontend import EntropyFrontend
from espnet_entropy.lm.unit_lm import LlamaLM
from espnet2.tasks import asr, lm, slu, st
for task in (asr, st, slu):
    assert task.frontend_choices.classes["entropy"] is EntropyFrontend, task
    assert "default" in task.frontend_choices.classes
assert lm.lm_choices.classes["llama"] is LlamaLM
parser = asr.ASRTask.get_parser()
assert parser.parse_args(["--frontend", "entropy", "--output_dir", "x"]).frontend == "entropy"
# Loaders are asked for sources by inspect, and modules may be loaded anew.
import importlib, inspect
assert "class ASRTask" in inspect.getsource(asr.ASRTask)
importlib.reload(lm)
assert lm.lm_choices.classes["llama"] is LlamaLM
importlib.reload(importlib.import_module("espnet_entropy"))
assert sum(type(f).__name__ == "_HookingFinder" for f in sys.meta_path) == 1
"""
TASKS = "import espnet2.tasks.asr, espnet2.tasks.lm, espnet2.tasks.st, espnet2.tasks.slu\n"


@pytest.mark.parametrize(
    "code",
    ["import espnet_entropy\n" + TASKS + LOOK, TASKS + "import espnet_entropy\n" + LOOK],
    ids=["package-first", "tasks-first"],
)
def test_tasks_know_our_choices(code):
    # ESPnet itself prints a line about Flash Attention, depending on its version.
    ours = [line for line in python(code).splitlines() if "Flash Attention" not in line]
    assert ours == []


NO_DOWNLOADS = """
import sys
import espnet_entropy
import nltk
attempts = []
nltk.download = lambda name, *rest, **options: attempts.append(name)
nltk.data.find = lambda name, *rest, **options: (_ for _ in ()).throw(LookupError(name))
"""


def test_nothing_is_downloaded_before_it_is_used():
    code = """
import espnet2.tasks.asr, espnet2.tasks.st
from espnet2.text.phoneme_tokenizer import PhonemeTokenizer, g2p_en
# Goes through all modules, as typeguard and torch do.
import inspect
inspect.getmodule(inspect.currentframe())
assert g2p_en.__file__.endswith("__init__.py") and g2p_en.__spec__.name == "g2p_en"
assert not attempts, attempts
assert "g2p_en.g2p" not in sys.modules
"""
    python(NO_DOWNLOADS + code)


@pytest.mark.parametrize(
    "use",
    [
        "g2p_en.G2p",
        "importlib.import_module('g2p_en.g2p').G2p",
        "importlib.reload(g2p_en).G2p",
    ],
)
def test_english_phonemes_work_when_they_are_used(use):
    code = f"""
import importlib
from espnet2.text.phoneme_tokenizer import g2p_en
assert {use}.__module__ == "g2p_en.g2p"
assert attempts == ["averaged_perceptron_tagger_eng", "cmudict"], attempts
assert g2p_en.G2p is importlib.import_module("g2p_en").G2p
from g2p_en import G2p
"""
    python(NO_DOWNLOADS + code)


def test_a_lazy_import_that_fails_raises_its_error_each_time():
    code = """
sys.modules["inflect"] = None
import g2p_en
for _ in range(2):
    try:
        g2p_en.G2p
    except ImportError as error:
        assert "inflect" in str(error), error
    else:
        sys.exit("no error")
"""
    python(NO_DOWNLOADS + code)


def test_a_class_that_does_not_fit_is_refused(monkeypatch):
    class Base:
        pass

    entry = ("some.task", "frontend_choices", "entropy", "collections:OrderedDict")
    monkeypatch.setattr(plugin, "PLUGINS", (entry,))
    task = ModuleType("some.task")
    task.frontend_choices = SimpleNamespace(base_type=Base, classes={})
    with pytest.raises(TypeError, match="collections:OrderedDict is no Base"):
        plugin.register(task)
    assert task.frontend_choices.classes == {}

    task.frontend_choices.base_type = dict
    plugin.register(task)
    assert list(task.frontend_choices.classes) == ["entropy"]


def test_keys_are_lower_case():
    """ESPnet lower-cases what stands on its command line."""
    assert all(key == key.lower() for _, _, key, _ in plugin.PLUGINS)


@pytest.mark.parametrize("name", hooks.PUBLIC_MODULES)
def test_names_in_users_configurations_stay(name):
    """They import the module that has moved, under both names."""
    target = hooks.PUBLIC_MODULES[name]
    code = (
        "import importlib, importlib.util, espnet_entropy\n"
        f"assert importlib.util.find_spec({name!r}) is not None\n"
        "try:\n"
        f"    one, two = importlib.import_module({name!r}), importlib.import_module({target!r})\n"
        "except ModuleNotFoundError as error:\n"
        "    assert error.name == 'espnet3', error\n"
        "else:\n"
        f"    assert one is two and one.__spec__.name == {target!r}\n"
    )
    python(code)
