"""Every reason a contract may give and every event it may log is documented in its interface and stands in a test."""

from __future__ import annotations

import re
from functools import cache

from tests.house import tree

CONTRACTS = tree.PACKAGE / "contracts"
GIVEN = re.compile(r'"([a-z0-9_]+: [^"]+)"')
DOCUMENTED = re.compile(r"`([a-z0-9_]+: [a-z0-9_ ()/-]+)`")
EVENT = re.compile(r"^event (\w+):", re.MULTILINE)


def _given() -> set[str]:
    lines = [line for path in (CONTRACTS / "src").rglob("*.vy") for line in path.read_text("utf-8").splitlines()]
    return {reason for line in lines if not line.lstrip().startswith("#") for reason in GIVEN.findall(line)}


@cache
def _interfaces() -> str:
    return "\n".join(path.read_text("utf-8") for path in (CONTRACTS / "interfaces").glob("*.vyi"))


@cache
def _tests() -> str:
    return "\n".join(path.read_text("utf-8") for path in tree.python("tests"))


def test_every_reason_names_its_module_and_is_short() -> None:
    modules = {path.stem.lower() for path in (CONTRACTS / "src").rglob("*.vy")}
    for reason in _given():
        module, _, words = reason.partition(": ")
        assert words, f"{reason!r} does not read `module: reason`"
        assert len(reason) <= 40, f"{reason!r} is too long"
        assert any(name.endswith(module) or module in name for name in modules), f"no module is called {module}"


def test_every_reason_a_contract_gives_is_documented_in_an_interface_and_none_is_stale() -> None:
    documented = set(DOCUMENTED.findall(_interfaces())) - {"module: reason"}
    assert _given() == documented


def test_every_reason_and_event_stands_in_a_specification() -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (tree.ROOT / "docs" / "spec").glob("*.md"))
    assert not {reason for reason in _given() if f"`{reason}`" not in pages}
    assert not {event for event in EVENT.findall(_interfaces()) if not re.search(rf"`{event}\b", pages)}


def test_every_reason_stands_in_a_test() -> None:
    untested = {reason for reason in _given() if f'"{reason}"' not in _tests()}
    assert not untested, f"no test provokes: {untested}"


def test_every_event_stands_in_a_test() -> None:
    events = set(EVENT.findall(_interfaces()))
    assert events
    unseen = {event for event in events if not re.search(rf"\b{event}\b", _tests())}
    assert not unseen, f"no test sees: {unseen}"
