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


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("core/digest.py", "import tallystick.chain"),
        ("core/digest.py", "import os"),
        ("core/merkle.py", "import time"),
        ("store/__init__.py", "import tallystick.chain"),
        ("models/__init__.py", "import tallystick.inference"),
        ("inference/__init__.py", "from tallystick import models"),
        ("index/__init__.py", "import tallystick.models"),
        ("models/__init__.py", "import web3"),
        ("store/__init__.py", "import sqlite3"),
        ("services/__init__.py", "import tallystick.cli"),
    ],
)
def test_a_planted_breach_is_caught(copied: Path, module: str, line: str) -> None:
    planted = copied / "src" / "tallystick" / module
    planted.write_text(planted.read_text("utf-8") + f"\n{line}\n", "utf-8")
    found = _lint(copied)
    assert found.returncode != 0, found.stdout
    imported = line.split()[1] if line.startswith("import") else "tallystick.models"
    assert imported in found.stdout


def test_a_new_floor_must_be_given_its_place(copied: Path) -> None:
    (copied / "src" / "tallystick" / "attic").mkdir()
    (copied / "src" / "tallystick" / "attic" / "__init__.py").write_text(
        '"""A floor that no layer names."""\n', "utf-8"
    )
    found = _lint(copied)
    assert found.returncode != 0
    assert "attic" in found.stdout
