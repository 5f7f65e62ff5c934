"""Files and functions stay small, public things are documented, names say what they are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.house import tree

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

# path, lines allowed, reason. A row that is no longer needed fails, so the table only shrinks.
LONG_FILES: dict[str, tuple[int, str]] = {
    "src/tallystick/core/limits.py": (460, "every bound of the package in one place, a line each with its reason"),
    "src/tallystick/contracts/interfaces/ICommittee.vyi": (
        540,
        "one interface holds every function, event and reason of a contract, documented",
    ),
    "src/tallystick/contracts/interfaces/IModelRegistry.vyi": (
        520,
        "one documented interface teaches the whole contract",
    ),
    "src/tallystick/contracts/interfaces/IPolicyAccount.vyi": (
        836,
        "one documented interface teaches the whole contract",
    ),
}
# path::name, lines allowed, reason.
LONG_FUNCTIONS: dict[str, tuple[int, str]] = {}
EXECUTION_API = "one function per method of the Ethereum execution API, which documents it"
# path or path::class, reason: what is public there carries no docstrings of its own.
DOCUMENTED_ELSEWHERE: dict[str, str] = {
    "src/tallystick/chain/embedded/accounts.py::Accounts": "py-evm's AccountDatabaseAPI says what each method does",
    "src/tallystick/chain/embedded/rules.py::Computation": "py-evm's ComputationAPI says what each method does",
    "src/tallystick/chain/embedded/rules.py::Executor": "py-evm's TransactionExecutorAPI says what each method does",
    "src/tallystick/chain/embedded/rules.py::LedgerState": "py-evm's StateAPI says what each method does",
    "src/tallystick/chain/embedded/rpc_blocks.py": EXECUTION_API,
    "src/tallystick/chain/embedded/rpc_fees.py": EXECUTION_API,
    "src/tallystick/chain/embedded/rpc_logs.py": EXECUTION_API,
    "src/tallystick/chain/embedded/rpc_state.py": EXECUTION_API,
}

GENERATED = "src/tallystick/chain/bindings/"  # one method per contract function; the generator is reviewed instead
BANNED_NAMES = frozenset(
    {"utils", "util", "common", "misc", "helpers", "manager", "managers", "shared", "base", "types"}
)

# asyncio.Protocol documents when each is called.
CALLBACKS = frozenset({"connection_made", "connection_lost", "data_received", "pause_writing", "resume_writing"})

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sources() -> list[Path]:
    found = [path for path in tree.files() if path.suffix in (".py", ".vy", ".vyi")]
    return [path for path in found if not tree.named(path).startswith(GENERATED)]


def _functions(path: Path) -> Iterator[tuple[str, Function]]:
    for node in ast.walk(tree.parsed(path)):
        if isinstance(node, Function):
            yield f"{tree.named(path)}::{node.name}", node


def test_no_file_is_longer_than_a_reader_holds_in_mind() -> None:
    sizes = {tree.named(path): len(path.read_text("utf-8").splitlines()) for path in _sources()}
    long = {name: size for name, size in sizes.items() if size > LONG_FILES.get(name, (FILE_LINES_MAX, ""))[0]}
    assert not long, f"longer than {FILE_LINES_MAX} lines: {long}"


def test_no_function_is_longer_than_a_screen() -> None:
    sizes = {
        name: (node.end_lineno or 0) - node.lineno + 1
        for path in _sources()
        if path.suffix == ".py"
        for name, node in _functions(path)
    }
    long = {name: size for name, size in sizes.items() if size > LONG_FUNCTIONS.get(name, (FUNCTION_LINES_MAX, ""))[0]}
    assert not long, f"longer than {FUNCTION_LINES_MAX} lines: {long}"


def test_every_exception_has_a_reason_and_is_still_needed() -> None:
    for name, (size, reason) in (LONG_FILES | LONG_FUNCTIONS).items():
        path = tree.ROOT / name.split("::")[0]
        assert path.is_file(), f"{name} is gone; drop its row"
        assert len(reason.split()) >= 4, f"{name} needs a reason"
        lines = len(path.read_text("utf-8").splitlines())
        if "::" in name:
            lines = max((node.end_lineno or 0) - node.lineno + 1 for found, node in _functions(path) if found == name)
        assert lines > size * 0.9, f"{name} has {lines} lines now; lower or drop its row"


def _undocumented(path: Path) -> Iterator[str]:
    syntax, name = tree.parsed(path), tree.named(path)
    if not ast.get_docstring(syntax) and syntax.body:
        yield name
    if name in DOCUMENTED_ELSEWHERE:
        return
    for owner in [syntax, *(node for node in syntax.body if isinstance(node, ast.ClassDef))]:
        within = owner.name if isinstance(owner, ast.ClassDef) else ""
        if within.startswith("_") or f"{name}::{within}" in DOCUMENTED_ELSEWHERE:
            continue
        for node in owner.body:
            if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
                continue
            inherits = any(
                isinstance(mark, ast.Name) and mark.id in ("override", "overload") for mark in node.decorator_list
            )
            sets = any(isinstance(mark, ast.Attribute) and mark.attr == "setter" for mark in node.decorator_list)
            if not (inherits or sets or ast.get_docstring(node) or _is_told_by_class(owner, node)):
                yield f"{name}::{within + '.' if within else ''}{node.name}"


def _is_told_by_class(owner: ast.AST, node: ast.AST) -> bool:
    """Whether a documented class says enough: a protocol's properties, and what asyncio or a parser calls back."""
    if not isinstance(owner, ast.ClassDef) or not ast.get_docstring(owner) or not isinstance(node, Function):
        return False
    bases = {base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in owner.bases}
    is_callback = node.name.startswith("on_") or node.name in CALLBACKS
    is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list)
    if any("Protocol" in base for base in bases):
        return is_property or is_callback
    return False


def test_every_public_module_class_and_function_says_what_is_true_afterwards() -> None:
    missing = [name for path in tree.python("src", "tools", "benches") for name in _undocumented(path)]
    assert not missing, f"without a docstring: {missing}"


def test_every_test_module_says_what_it_holds_true() -> None:
    missing = [tree.named(path) for path in tree.python("tests") if not ast.get_docstring(tree.parsed(path))]
    assert not missing, f"without a docstring: {missing}"


def test_no_module_is_a_drawer() -> None:
    drawers = [
        tree.named(path) for path in tree.python("src") if path.stem in BANNED_NAMES or path.parent.name in BANNED_NAMES
    ]
    assert not drawers, f"name these for what they are: {drawers}"


def test_every_test_is_a_sentence() -> None:
    short = [
        name
        for path in tree.python("tests")
        for name, node in _functions(path)
        if node.name.startswith("test_") and len(node.name.split("_")) < 4
    ]
    assert not short, f"say the rule in words: {short}"


def test_no_source_waits_to_be_written() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")
    found = [
        f"{tree.named(path)}:{number}"
        for path in tree.python("src", "tools", "benches", "tests")
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if any(mark in line for mark in marks)
    ]
    assert not found, f"finish or delete: {found}"
