"""The repository as the house tests see it: its files, parsed once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tallystick"
PARTS = ("src", "tests", "tools", "benches", "docs", "examples", "requirements", ".ci", ".github")
BINARY = frozenset({".png", ".jpg", ".onnx", ".npz", ".safetensors", ".db", ".pyc", ".woff2", ".ico"})


@cache
def files() -> tuple[Path, ...]:
    """Return every file that belongs to the repository, caches left out, sorted."""
    found = [path for path in ROOT.iterdir() if path.is_file()]
    for part in PARTS:
        found += [path for path in (ROOT / part).rglob("*") if path.is_file()]
    return tuple(sorted(path for path in found if not _is_cache(path)))


def _is_cache(path: Path) -> bool:
    parts = path.relative_to(ROOT).parts
    return any(part in ("__pycache__", "node_modules") or part.endswith((".egg-info", "_cache")) for part in parts)


def named(path: Path) -> str:
    """Return the path as it is written in tables: relative, with slashes."""
    return path.relative_to(ROOT).as_posix()


def texts() -> list[Path]:
    """Return the files that hold text."""
    return [path for path in files() if path.suffix not in BINARY]


def python(*folders: str) -> list[Path]:
    """Return the Python files within these top folders."""
    return [path for path in files() if path.suffix == ".py" and named(path).split("/")[0] in folders]


@cache
def parsed(path: Path) -> ast.Module:
    """Return the syntax tree of a Python file."""
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def module(path: Path) -> str:
    """Return the dotted name of a file of the package, without `tallystick.`: `core.merkle`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")
