"""`--help` of the recipes' scripts: every option that it prints can be typed as it is printed."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

EGS2 = Path(__file__).resolve().parents[2] / "egs2"
# `--name value` at the beginning of a line or in brackets; a value with spaces is quoted.
OPTION = re.compile(r"(?:^ +|\[)(--[a-z]\w* (?:'[^']*'|\"[^\"]*\"|[^\s\]|]+))", re.MULTILINE)


def scripts():
    """Scripts that a person calls, each once."""
    found = [*EGS2.glob("TEMPLATE/*/*.sh"), *EGS2.glob("*/*.sh"), *EGS2.glob("*/*/run*.sh")]
    found += EGS2.glob("*/*/local/*.sh")
    # utils/, cmd.sh and path.sh are sourced; some data.sh hand all options on to another recipe's.
    return sorted(
        path.relative_to(EGS2)
        for path in found
        if not path.is_symlink()
        and path.name not in ("cmd.sh", "path.sh")
        and "utils" not in path.parts
        and "cd ../units1 && local/data.sh" not in path.read_text()
    )


def run_help(script, *options):
    folder = EGS2 / script.parent
    if folder.name == "local":
        folder = folder.parent
    command = ["bash", EGS2 / script, *options, "--help"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("script", scripts(), ids=str)
def test_printed_options_can_be_typed(script):
    shown = run_help(script)
    assert shown.returncode == 0 and not shown.stderr
    assert "$(" not in shown.stdout and "shellcheck" not in shown.stdout
    options = OPTION.findall(shown.stdout)
    assert options
    typed = run_help(script, *(word for option in options for word in shlex.split(option)))
    assert typed.returncode == 0, typed.stderr


@pytest.mark.parametrize("script", ["asr1/asr.sh", "st1/st.sh", "vc1/vc.sh", "units1/units.sh"])
def test_every_option_is_listed_with_its_value(script):
    text = (EGS2 / "TEMPLATE" / script).read_text()
    names = re.findall(r"^([a-z]\w*)=", text[: text.index("print_help()")], re.MULTILINE)
    shown = run_help(Path("TEMPLATE") / script, "--seed", "7").stdout
    assert re.findall(r"^  --(\w+) ", shown, re.MULTILINE) == names
    assert "\n  --seed 7\n" in shown


def test_run_sh_shows_the_values_of_its_recipe():
    shown = run_help(Path("librispeech_100/asr1/run.sh")).stdout
    assert "\n  --nbpe 5000 " in shown and "--model: whisper is the paper's" in shown
