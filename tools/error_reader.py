"""Reads from the source which errors the package raises: code, class, words and hint, without running it.

A code is found where an error class is called: written there, chosen there, taken from a table that a loop walks, or
handed to the function as an argument. What a place only passes on (a contract's reason, another process's code) is no
code of ours and is listed as passed on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KINDS = ("InvalidInput", "Rejected", "Unavailable", "VerificationFailed", "Broken")
BLANK = "…"  # stands for what is only known when it happens

Function = ast.FunctionDef | ast.AsyncFunctionDef
Names = Mapping[str, ast.expr]


@dataclass(frozen=True, order=True)
class Raised:
    """One error that the package may raise, as its source says it."""

    code: str
    kind: str
    message: str
    hint: str


@dataclass(frozen=True)
class Found:
    """Every error of the package, and the modules that pass on codes which are not theirs."""

    raised: tuple[Raised, ...]
    passed_on: tuple[str, ...]


def read_errors(package: Path) -> Found:
    """Return what every module below `package` raises, sorted; generated bindings have no words of their own."""
    raised: set[Raised] = set()
    passed_on: set[str] = set()
    for path in sorted(package.rglob("*.py")):
        if "bindings" in path.parts:
            continue
        module = ast.parse(path.read_text("utf-8"))
        calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        for function in (node for node in ast.walk(module) if isinstance(node, Function)):
            for call in _error_calls(function):
                found = [one for names in _bindings(module, calls, function) for one in _raised(call, names)]
                raised.update(found)
                if not found:
                    passed_on.add(path.relative_to(package).with_suffix("").as_posix())
    return Found(tuple(sorted(raised)), tuple(sorted(passed_on)))


def _error_calls(function: Function) -> list[ast.Call]:
    """Return the calls of an error class in a function, by its name or by that of a loop's variable."""
    nodes = list(ast.walk(function))
    named = {*KINDS}
    for node in nodes:
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple) and "kind" in _targets(node.target):
            named.add("kind")
    calls = [node for node in nodes if isinstance(node, ast.Call) and len(node.args) >= 2]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in named]


def _raised(call: ast.Call, names: Names) -> Iterator[Raised]:
    hints = [word.value for word in call.keywords if word.arg == "hint"]
    hint = " / ".join(_words(hints[0], names)) if hints else ""
    message = " / ".join(_words(call.args[1], names))
    for kind in _leaves(call.func, names):
        for code in _leaves(call.args[0], names):
            if isinstance(kind, ast.Name) and kind.id in KINDS and _is_code(code):
                yield Raised(str(code.value), kind.id, message, hint)


def _is_code(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value


def _bindings(module: ast.Module, calls: list[ast.Call], function: Function) -> Iterator[Names]:
    """Yield what names in the function may stand for: once as assigned, then by row of a table and by call of it."""
    assigned: dict[str, ast.expr] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id] = node.value
    yield assigned
    for node in ast.walk(function):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            for row in _table(module, node.iter):
                yield assigned | dict(zip(_targets(node.target), row.elts, strict=False))
    parameters = [argument.arg for argument in function.args.args]
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == function.name:
            given = dict(zip(parameters, call.args, strict=False))
            yield assigned | given | {word.arg: word.value for word in call.keywords if word.arg}


def _table(module: ast.Module, walked: ast.expr) -> Iterator[ast.Tuple]:
    """Yield the rows of a table that the module binds to the name a loop walks."""
    for node in module.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        is_it = isinstance(target, ast.Name) and isinstance(walked, ast.Name) and target.id == walked.id
        if is_it and isinstance(node.value, ast.Tuple | ast.List):
            yield from (row for row in node.value.elts if isinstance(row, ast.Tuple))


def _targets(target: ast.Tuple) -> list[str]:
    return [part.id if isinstance(part, ast.Name) else "" for part in target.elts]


def _leaves(node: ast.expr, names: Names, depth: int = 4) -> Iterator[ast.expr]:
    """Yield the expressions that this one may come to, as far as the source alone tells."""
    if isinstance(node, ast.IfExp):
        yield from _leaves(node.body, names, depth)
        yield from _leaves(node.orelse, names, depth)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _leaves(value, names, depth)
    elif isinstance(node, ast.Name) and node.id in names and depth:
        yield from _leaves(names[node.id], names, depth - 1)
    else:
        yield node


def _words(node: ast.expr, names: Names) -> list[str]:
    """Return the texts that this expression may come to, each once, with blanks where a value goes."""
    return list(dict.fromkeys(_text(leaf) for leaf in _leaves(node, names)))


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else BLANK for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return BLANK
