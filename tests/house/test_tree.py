"""The tree names no machine, the lock files pin what they install, every dependency has its reason."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import files
from pathlib import Path

import pytest

from tests.house import tree

# Absolute places of one machine. `/tmp` alone is left out: POSIX has it, and a document may name it.
MACHINE = re.compile(r"(?<![\w.:/-])/(?:work|root|home/\w+|Users/\w+|tmp/\w*bash\w*|var/tmp|opt/\w+|mnt/\w+)/")
HOSTS = re.compile(
    r"\b(?:index|registry|mirror|proxy|artifactory|nexus)\.(?:[\w-]+\.)+(?:com|org|io|net|dev|cloud|internal|local)\b"
    r"|pythonhosted\.org|pypi\.org/simple"
)
ADDRESS = re.compile(r"https?://|--index-url|--extra-index-url|--find-links|--trusted-host|\bfile:")
REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
PIN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._\[\],-]*==[^\s;\\]+")
LOCKS = sorted((tree.ROOT / "requirements").glob("*.lock"))


def _lines(path: Path) -> list[tuple[int, str]]:
    return list(enumerate(path.read_text("utf-8").splitlines(), start=1))


def _hits(pattern: re.Pattern[str]) -> list[str]:
    here = Path(__file__).resolve()
    return [
        f"{tree.named(path)}:{number}: {line.strip()[:80]}"
        for path in tree.texts()
        if path != here
        for number, line in _lines(path)
        if pattern.search(line)
    ]


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert not _hits(MACHINE)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    assert not _hits(HOSTS)


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("cd /work/somewhere", True),
        ('"/root/.cache/x"', True),
        ("/home/ada/src", True),
        ("path: /Users/ada/x", True),
        ("/tmp/bash_jobs/1", True),
        ("https://example.com/work/x", False),
        ("framework/work/x", False),
        ("/proc/self/mountinfo", False),
    ],
)
def test_a_machine_path_is_told_from_an_address(text: str, is_found: bool) -> None:
    assert bool(MACHINE.search(text)) == is_found


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("https://registry.npmjs.org/x", True),
        ("index.example.internal", True),
        ("index.path.read_bytes()", False),
        ("registry.functions.register", False),
    ],
)
def test_a_host_is_told_from_an_attribute(text: str, is_found: bool) -> None:
    assert bool(HOSTS.search(text)) == is_found


def test_there_are_lock_files() -> None:
    assert {path.name for path in LOCKS} >= {"demo.lock", "dev.lock"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_pin_of_a_lock_file_has_a_hash_and_no_line_an_address(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not ADDRESS.search(text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    for block in blocks:
        assert PIN.match(block), block[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", block), block[:80]


def test_the_development_lock_repeats_every_pin_of_the_demos() -> None:
    pins = {path.name: set(re.findall(r"^\S+==[^\s;\\]+", path.read_text("utf-8"), re.MULTILINE)) for path in LOCKS}
    assert pins["demo.lock"] <= pins["dev.lock"]


def _declared() -> set[str]:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
        project["build-system"]["requires"],
    ]
    names = {REQUIREMENT.match(line)[1].lower() for group in groups for line in group}  # type: ignore[index]
    return names - {"tallystick"}


def _rows(brought: bool) -> dict[str, str]:
    """Return the rows of docs/dependencies.md: name to the rest, of the last table or of those before it."""
    before, after = (
        (tree.ROOT / "docs" / "dependencies.md").read_text("utf-8").split("## Imported, and brought by another")
    )
    rows = re.findall(r"^\| `([^`]+)` \|(.+)\|$", after if brought else before, re.MULTILINE)
    assert len(rows) == len(dict(rows)), "a dependency stands twice"
    return dict(rows)


def test_every_dependency_has_its_line_of_reason_and_no_line_is_stale() -> None:
    documented = _rows(brought=False)
    assert set(documented) == _declared()
    for name, rest in documented.items():
        licence, reason = rest.split("|", 1)
        assert licence.strip(), f"{name} has no licence"
        assert len(reason.split()) >= 3, f"{name} has no reason"


def _imported() -> set[str]:
    """Return the distributions whose modules the package imports."""
    owners = importlib.metadata.packages_distributions()
    modules: set[str] = set()
    for path in tree.python("src"):
        for node in ast.walk(tree.parsed(path)):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    own = sys.stdlib_module_names | {"tallystick"}
    outside = {module for module in modules if module.split(".")[0] not in own}
    return {re.sub(r"[-_.]+", "-", _owner(module, owners)).lower() for module in outside}


def _owner(module: str, owners: Mapping[str, list[str]]) -> str:
    """Return the distribution that a module is of; of several that share a namespace, the one that has its files."""
    names = set(owners[module.split(".")[0]])
    if len(names) == 1:
        return names.pop()
    path = module.replace(".", "/")
    return next(name for name in sorted(names) if any(str(file).startswith(path) for file in files(name) or ()))


def _needs(name: str) -> set[str]:
    """Return what a distribution needs to run, and what that needs, as far as it is installed here."""
    found: set[str] = set()
    queue = [name]
    while queue:
        try:
            lines = importlib.metadata.requires(queue.pop()) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        new = {re.sub(r"[-_.]+", "-", REQUIREMENT.match(line)[1]).lower() for line in lines} - found  # type: ignore[index]
        found |= new
        queue += new
    return found


def test_everything_imported_is_declared_or_named_with_what_brings_it() -> None:
    brought = _rows(brought=True)
    assert _imported() - _declared() == set(brought)
    for name, rest in brought.items():
        bringer = rest.split("|")[0].strip(" `")
        assert bringer in _declared(), f"{bringer} is not declared"
        assert name in _needs(bringer), f"{bringer} does not bring {name}"


def test_everything_declared_to_run_is_imported() -> None:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    idle = {REQUIREMENT.match(line)[1].lower() for line in run} - _imported() - {"tallystick"}  # type: ignore[index]
    assert not idle, f"nothing imports {idle}"


def test_no_copyleft_package_is_needed_to_run() -> None:
    project = tomllib.loads((tree.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    for name in {REQUIREMENT.match(line)[1] for line in run} - {"tallystick"}:  # type: ignore[index]
        found = importlib.metadata.metadata(name)
        said = " ".join(
            [
                found.get("License-Expression") or "",
                (found.get("License") or "")[:100],
                *found.get_all("Classifier", []),
            ]
        )
        assert not re.search(r"\bA?GPL|Affero|GNU General", said), f"{name}: {said}"
