"""Copies of the checkout in which recipes may run, and what they have made there."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def copy_recipes(folder: Path) -> Path:
    """What git knows of the checkout; the folder of the core_sounds recipes is returned."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder / "egs2/core_sounds"


def products(recipe: Path) -> dict[str, str]:
    """Hashes of a recipe's arks, and its decoded words."""
    found = {}
    for path in sorted(recipe.glob("dump/**/*")):
        if path.suffix in (".ark", ".scp") and path.is_file():
            found[str(path.relative_to(recipe))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(recipe.glob("exp/**/decode_*/text")):
        found[str(path.relative_to(recipe))] = path.read_text()
    assert found
    return found
