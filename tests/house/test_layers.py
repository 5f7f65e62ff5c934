"""Imports point down, and the linter that says so is awake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import tree

LINT = Path(sys.executable).with_name("lint-imports")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    # A copied tree must be found before the installed package, so its `src` goes first on the path.
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": "/usr/bin:/bin", "NO_COLOR": "1"}
    command = [str(LINT), "--config", str(folder / "pyproject.toml"), "--no-cache"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package and its import contracts, to plant breaches in."""
    ignore = shutil.ignore_patterns("__pycache__", "artifacts")
    shutil.copytree(tree.PACKAGE, tmp_path / "src" / "tallystick", ignore=ignore)
    shutil.copy(tree.ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_tree_keeps_every_import_contract() -> None:
    found = _lint(tree.ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


# One line planted in a module, and the words in which the linter must name it.
BREACHES = [
    ("core/digest.py", "import tallystick.chain", "tallystick.core is not allowed to import tallystick.chain"),
    ("core/digest.py", "import os", "tallystick.core is not allowed to import os"),
    ("core/merkle.py", "import time", "tallystick.core is not allowed to import time"),
    ("store/__init__.py", "import tallystick.index", "tallystick.store is not allowed to import tallystick.index"),
    ("store/__init__.py", "import sqlite3", "tallystick.store is not allowed to import sqlite3"),
    (
        "models/__init__.py",
        "import tallystick.inference",
        "tallystick.models is not allowed to import tallystick.inference",
    ),
    ("models/__init__.py", "import web3", "tallystick.models is not allowed to import web3"),
    (
        "inference/__init__.py",
        "import tallystick.models",
        "tallystick.inference is not allowed to import tallystick.models",
    ),
    ("lithic/kernel.py", "import tallystick.models", "tallystick.lithic is not allowed to import tallystick.models"),
    ("lithic/tables.py", "import os", "tallystick.lithic.tables is not allowed to import os"),
    (
        "lithic/lanes/packing.py",
        "import tallystick.chain",
        "tallystick.lithic.lanes is not allowed to import tallystick.chain",
    ),
    ("index/__init__.py", "import tallystick.models", "tallystick.index is not allowed to import tallystick.models"),
    ("services/__init__.py", "import tallystick.cli", "tallystick.services is not allowed to import tallystick.cli"),
]


def test_every_planted_breach_is_named(copied: Path) -> None:
    for module, line, _ in BREACHES:
        planted = copied / "src" / "tallystick" / module
        planted.write_text(planted.read_text("utf-8") + f"\n{line}\n", "utf-8")
    found = _lint(copied)
    assert found.returncode != 0, found.stdout
    said = " ".join(found.stdout.split())  # sentences are wrapped
    unseen = [(module, line) for module, line, words in BREACHES if words not in said]
    assert not unseen, found.stdout


def test_a_new_floor_must_be_given_its_place(copied: Path) -> None:
    (copied / "src" / "tallystick" / "attic").mkdir()
    (copied / "src" / "tallystick" / "attic" / "__init__.py").write_text(
        '"""A floor that no layer names."""\n', "utf-8"
    )
    found = _lint(copied)
    assert found.returncode != 0
    assert "attic" in found.stdout
