"""What the import graph cannot see: files, environment, printing, parsing and clocks in the wrong place."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house import tree

FILE_CALLS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes"})
CLOCKS = frozenset({"time.time", "time.time_ns", "datetime.now", "datetime.datetime.now", "datetime.utcnow"})

# What is done, and the modules that may do it, each with its reason.
ALLOWED: dict[str, dict[str, str]] = {
    "print": {
        "cli": "the one door that prints",
    },
    "environment": {
        "cli": "the one door that reads what its user set",
        "demos": "hands its own on to the processes it starts",
    },
    "file": {
        "cli": "reads what its user names",
        "store": "owns the workspace folder",
        "contracts": "reads the artifacts packed with it",
        "chain.embedded": "owns the ledger file",
        "chain.deployments": "owns the record of deployments",
        "inference.log": "owns the log folders",
        "inference.anchoring": "owns the journal of what was anchored",
        "sandbox": "asks the kernel which processes it started",
        "demos": "plays the user, with files of its own",
    },
    "clock": {
        "cli": "shows ages to its user",
        "chain": "waits for nodes and stamps blocks",
        "services": "serves people, who live in time",
        "inference": "stamps records with the operator's clock",
        "models": "stamps what a publisher signs",
        "store": "names backups and waits for locks",
        "tally": "stamps what its user signs",
        "demos": "measures how long it took",
    },
    "json": {  # and any module that calls `check_nesting`
        "contracts": "its own artifacts, packed with it",
        "store.locks": "256 bytes at most, which cannot nest deeply",
    },
}


def _called(node: ast.AST) -> str:
    """Return the dotted name of what a call or attribute names, as far as it is written out."""
    if isinstance(node, ast.Attribute):
        return f"{_called(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def _is_method(node: ast.AST, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Attribute) and node.attr in names


def _deeds(syntax: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield what a module does at the borders of the process, and the line."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Attribute) and _called(node) in ("os.environ", "os.getenv", "os.environb"):
            yield "environment", node.lineno
        if not isinstance(node, ast.Call):
            continue
        name = _called(node.func)
        if name in ("print", "input", "breakpoint", "sys.stdout.write", "sys.stderr.write"):
            yield "print", node.lineno
        if name in ("open", "io.open", "os.open") or _is_method(node.func, FILE_CALLS):
            yield "file", node.lineno
        if name in CLOCKS:
            yield "clock", node.lineno
        if name in ("json.loads", "json.load") and not _counts_nesting(syntax):
            yield "json", node.lineno


def _counts_nesting(syntax: ast.Module) -> bool:
    calls = (node.func for node in ast.walk(syntax) if isinstance(node, ast.Call))
    return any(_called(call).rpartition(".")[2] == "check_nesting" for call in calls)


def _is_allowed(deed: str, module: str) -> bool:
    return any(module == owner or module.startswith(owner + ".") for owner in ALLOWED[deed])


@pytest.mark.parametrize("deed", sorted(ALLOWED))
def test_only_the_modules_named_for_it_do_this(deed: str) -> None:
    strays = [
        f"{tree.named(path)}:{line}"
        for path in tree.python("src")
        for found, line in _deeds(tree.parsed(path))
        if found == deed and not _is_allowed(deed, tree.module(path))
    ]
    assert not strays, f"{deed}: {strays}"


@pytest.mark.parametrize(
    ("source", "deed"),
    [
        ("print('x')", "print"),
        ("import sys\nsys.stdout.write('x')", "print"),
        ("import os\nhome = os.environ['HOME']", "environment"),
        ("import os\nhome = os.getenv('HOME')", "environment"),
        ("open('x')", "file"),
        ("from pathlib import Path\nPath('x').read_text()", "file"),
        ("import os\nos.open('x', 0)", "file"),
        ("import time\ntime.time()", "clock"),
        ("from datetime import datetime\ndatetime.now()", "clock"),
        ("import json\njson.loads('1')", "json"),
    ],
)
def test_a_planted_breach_is_seen_with_its_line(source: str, deed: str) -> None:
    syntax = ast.parse(source)
    assert (deed, len(source.splitlines())) in set(_deeds(syntax))


def test_json_may_be_read_by_a_module_that_counts_its_nesting_first() -> None:
    read = "import json\n{}json.loads(data)"
    assert list(_deeds(ast.parse(read.format(""))))
    assert not list(_deeds(ast.parse(read.format("canonical.check_nesting(data)\n"))))


@pytest.mark.parametrize(
    "source", ["log.open(path)", "console.print('x')", "files.open('x')", "def open(path): ...", "reads.read()"]
)
def test_a_method_of_the_same_name_is_no_breach(source: str) -> None:
    assert not list(_deeds(ast.parse(source)))


def test_core_and_index_have_no_clock_of_their_own() -> None:
    assert not {"core", "index"} & set(ALLOWED["clock"])


def test_every_module_allowed_something_exists_or_is_a_door_yet_to_come() -> None:
    known = {tree.module(path) for path in tree.python("src")}
    for deed, owners in ALLOWED.items():
        for owner, reason in owners.items():
            assert any(module == owner or module.startswith(owner + ".") for module in known), (deed, owner)
            assert len(reason.split()) >= 4, (deed, owner)
