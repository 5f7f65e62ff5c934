"""What the pages say of commands, settings and errors is what the program has: nothing stale, nothing left out."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tallystick.cli.main import EXIT_FAULTS_FOUND, EXIT_INTERRUPTED, EXIT_READER_GONE, EXIT_STATUS
from tallystick.cli.main import tally as root
from tallystick.store.workspace import Config
from tests.house import tree

OPERATING = tree.ROOT / "docs" / "operating.md"
QUOTED = re.compile(r"`tally ([a-z][^`]*)`")
TYPED = re.compile(r"^\$ tally ([a-z].*)$", re.MULTILINE)
VARIABLE = re.compile(r"TALLY_[A-Z_]+\Z")


def _tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree.ROOT / "tools" / "build_docs.py"), *arguments]
    return subprocess.run(command, cwd=tree.ROOT, capture_output=True, text=True, timeout=120, check=False)


def test_the_pages_of_commands_and_errors_are_what_the_program_says() -> None:
    done = _tool("--check")
    assert done.returncode == 0, done.stdout + done.stderr


def _reader() -> dict[str, object]:
    import runpy

    return runpy.run_path(str(tree.ROOT / "tools" / "error_reader.py"), run_name="error_reader")


PLANTED = """
TABLE = ((InvalidInput, "table.one", "do one"), (Unavailable, "table.two", "do two"))
def plain(x):
    raise InvalidInput("plain.code", f"{x} is wrong", hint="mend it")
def chosen(x):
    code = "chosen.a" if x else "chosen.b"
    raise Broken(code, "broken")
def from_table(x):
    for kind, name, hint in TABLE:
        raise kind(name, "words", hint=hint)
def helper(code, x):
    raise VerificationFailed(code, "not equal")
def caller(x):
    helper("helper.code", x)
def others(error):
    raise Rejected(error.code, error.message)
def no_error(x):
    print("file.name", x)
"""


def test_a_code_is_read_wherever_it_is_written_and_nothing_else_is_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text(PLANTED, "utf-8")
    sys.modules["error_reader"] = sys.modules[__name__]  # dataclasses look their module up by name
    try:
        found = _reader()["read_errors"](tmp_path)  # type: ignore[operator]
    finally:
        del sys.modules["error_reader"]
    assert {(one.code, one.kind, one.message, one.hint) for one in found.raised} == {
        ("plain.code", "InvalidInput", "… is wrong", "mend it"),
        ("chosen.a", "Broken", "broken", ""),
        ("chosen.b", "Broken", "broken", ""),
        ("table.one", "InvalidInput", "words", "do one"),
        ("table.two", "Unavailable", "words", "do two"),
        ("helper.code", "VerificationFailed", "not equal", ""),
    }
    assert found.passed_on == ("planted",)


# what the answer of a node means depends on what it was asked, so these say only what it answered
OF_NODES = {"rpc.block_unknown", "rpc.failed", "rpc.rate_limited", "rpc.refused"}


def test_a_code_says_by_itself_who_must_act() -> None:
    sys.modules["error_reader"] = sys.modules[__name__]
    try:
        found = _reader()["read_errors"](tree.PACKAGE)  # type: ignore[operator]
    finally:
        del sys.modules["error_reader"]
    kinds: dict[str, set[str]] = {}
    for one in found.raised:
        kinds.setdefault(one.code, set()).add(one.kind)
    several = {code for code, classes in kinds.items() if len(classes) > 1}
    assert several <= OF_NODES, f"one code, several classes: {several - OF_NODES}"


def _mentions(text: str) -> Iterator[str]:
    yield from QUOTED.findall(text)
    yield from TYPED.findall(text)


def _fault(mention: str) -> str:
    """Return what is wrong with a command as it is written somewhere; nothing when it exists with its options."""
    command: click.Command = root
    for word in mention.split():
        if word.startswith("--") and len(word) > 2:
            options = {name for parameter in command.params for name in parameter.opts} | {"--help", "--version"}
            if word.partition("=")[0] not in options:
                return f"`tally {mention}`: no option {word}"
        elif isinstance(command, click.Group) and re.fullmatch(r"[a-z][a-z0-9-]*", word):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return f"`tally {mention}`: no command {word}"
            command = found
    return ""


def test_every_command_that_a_page_or_a_hint_names_exists_with_its_options() -> None:
    texts = [path for path in tree.texts() if path.suffix == ".md" or (path.suffix == ".py" and "src" in path.parts)]
    faults = {
        f"{tree.named(path)}: {fault}"
        for path in texts
        for mention in _mentions(path.read_text("utf-8"))
        if (fault := _fault(mention))
    }
    assert not faults, "\n".join(sorted(faults))


@pytest.mark.parametrize(
    ("mention", "is_fine"),
    [
        ("model verify 1 --verbose", True),
        ("chain", True),
        ("model key rotate", False),
        ("model verify --no-such", False),
        ("nosuch", False),
    ],
)
def test_a_command_that_does_not_exist_is_seen(mention: str, is_fine: bool) -> None:
    assert (_fault(mention) == "") == is_fine


def _column(title: str) -> list[str]:
    """Return the first cell of each row of the table under a heading of operating.md, without backticks."""
    section = OPERATING.read_text("utf-8").split(f"\n## {title}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1].strip().strip("`") for line in section.splitlines() if line.startswith("|")]
    return cells[2:]


def test_every_setting_of_a_workspace_is_documented_and_none_is_stale() -> None:
    whole = Config(deployments={"LogAnchor": "0x" + "0" * 40})
    written = tomllib.loads(whole.to_bytes().decode())
    assert [f"{part}.{name}" for part, names in written.items() for name in names] == [
        name.replace("CONTRACT", "LogAnchor") for name in _column("Settings")
    ]


def test_every_environment_variable_is_documented_and_none_is_stale() -> None:
    read = {
        node.value
        for path in tree.python("src")
        for node in ast.walk(tree.parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and VARIABLE.match(node.value)
    }
    assert read == set(_column("Environment"))


def test_every_exit_status_is_documented_and_none_is_stale() -> None:
    given = {0, EXIT_FAULTS_FOUND, EXIT_INTERRUPTED, EXIT_READER_GONE, *EXIT_STATUS.values()}
    assert sorted(given) == [int(status) for status in _column("Exit statuses")]


def test_every_code_that_the_operating_page_explains_is_one_that_is_raised() -> None:
    listed = set(re.findall(r"^\| `([^`]+)` \|", (tree.ROOT / "docs" / "errors.md").read_text("utf-8"), re.MULTILINE))
    rows = [line for line in OPERATING.read_text("utf-8").splitlines() if line.startswith("| `")]
    named = {code for row in rows for code in re.findall(r"`([a-z_]+\.[a-z_]+)`", row.split("|")[1])}
    files = {"chain.db", "index.db", "outbox.db", "chain.target", "chain.id", "blobs.url"}
    assert named - files
    assert named - files <= listed
