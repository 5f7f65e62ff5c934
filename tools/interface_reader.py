"""Reads a contract's interface files beside its ABI, for the bindings generator.

The interface gives names, bounds, comments and docstrings; the ABI gives types as they are in the bytecode. Both must
list the same functions and events with the same members in the same order, or reading stops. A contract may implement
an interface that others implement too, beside its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vyper.ast import nodes as vy
from vyper.ast import parse_to_ast

from tallystick.contracts import Artifact, source
from tallystick.core.digest import keccak

_STRING = re.compile(r"(String|Bytes)\[(\d+)\]\Z")
_ARRAY = re.compile(r"DynArray\[(.+), (\d+)\]\Z")
_IMPLEMENTS = re.compile(r"(?m)^implements: (\w+)$")
_ELSEWHERE = re.compile(r"\bI[A-Z]\w*\.")  # of a struct that another interface declares


@dataclass(frozen=True)
class Member:
    """One argument, output, struct member or event member: its ABI type and its Vyper type, and what follows."""

    name: str
    abi: str
    vyper: str
    struct: str = ""  # its Python class, where it is a struct or an array of them
    about: str = ""
    indexed: bool = False
    default: str = ""

    @property
    def python(self) -> str:
        """The Python type that a decoded value has."""
        if self.decoded != self.abi:
            return "bytes"
        return f"tuple[{self._item}, ...]" if self.is_array else self._item

    @property
    def decoded(self) -> str:
        """The ABI type that is read: of indexed text a topic holds the hash alone."""
        return "bytes32" if self.indexed and self.abi in ("string", "bytes") else self.abi

    @property
    def is_array(self) -> bool:
        """Whether there are any number of them."""
        return self.abi.endswith("[]")

    @property
    def _item(self) -> str:
        return self.struct or _plain(self.abi.removesuffix("[]"))

    @property
    def python_in(self) -> str:
        """The Python type that an argument may have."""
        return f"Sequence[{self._item}]" if self.is_array else self.python

    def from_abi(self, expression: str) -> str:
        """Return the expression that turns a decoded value into the Python value."""
        if self.struct and self.is_array:
            return f"tuple({self.struct}.from_abi(item) for item in {expression})"
        return f"{self.struct}.from_abi({expression})" if self.struct else expression

    def to_abi(self, expression: str) -> str:
        """Return the expression that makes a Python value ready to be encoded."""
        if self.struct and self.is_array:
            return f"[item.to_abi() for item in {expression}]"
        return f"{expression}.to_abi()" if self.struct else expression

    def bounded(self) -> str:
        """Return the expression for an argument, checked against the bound in its Vyper type."""
        found = _STRING.match(self.vyper) or _ARRAY.match(self.vyper)
        return self.to_abi(f'bounded({self.name}, {found[2]}, "{self.name}")' if found else self.name)


@dataclass(frozen=True)
class Shape:
    """A struct or an event."""

    name: str
    about: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Operation:
    """A function; where the ABI overloads a name because of a default, its longest form.

    method  its name in Python, before the spelling changes: of a second form of a name, with what it takes
    """

    name: str
    method: str
    is_view: bool
    is_payable: bool
    selector: str
    inputs: tuple[Member, ...]
    outputs: tuple[Member, ...]
    notice: str
    notes: tuple[tuple[str, str], ...]  # label and text: arguments, returns, what it reverts with


@dataclass(frozen=True)
class Interface:
    """A contract as its interface tells it."""

    about: str
    structs: tuple[Shape, ...]
    events: tuple[Shape, ...]
    operations: tuple[Operation, ...]


def read_interface(artifact: Artifact) -> Interface:
    """Return the interface of a contract, checked member by member against its ABI."""
    texts = [source(artifact.name, f"interfaces/{name}.vyi") for name in _implemented(artifact)]
    lines_of = {text: text.splitlines() for text in texts}
    nodes = [(node, lines_of[text]) for text in texts for node in parse_to_ast(text).body]
    structs = {node.name: node for node, _ in nodes if isinstance(node, vy.StructDef)}
    events = {entry["name"]: entry for entry in artifact.abi if entry["type"] == "event"}
    functions = _longest(artifact)
    event_nodes = [(node, lines) for node, lines in nodes if isinstance(node, vy.EventDef)]
    function_nodes = {node.name: node for node, _ in reversed(nodes) if isinstance(node, vy.FunctionDef)}
    _same({node.name for node, _ in event_nodes}, set(events), "events")
    _same(set(function_nodes), set(functions), "functions")
    return Interface(
        about=_about(lines_of[texts[0]]),
        structs=tuple(_struct(node, structs, lines) for node, lines in nodes if isinstance(node, vy.StructDef)),
        events=tuple(_event(node, events[node.name], structs, lines) for node, lines in event_nodes),
        operations=tuple(
            [_operation(node, functions[node.name], structs) for node in reversed(function_nodes.values())]
            + _second_forms(artifact)
        ),
    )


def _second_forms(artifact: Artifact) -> list[Operation]:
    """Return the functions of IOverloaded….vyi: their names are taken, so Python calls them by their last type too."""
    path = f"interfaces/IOverloaded{artifact.name}.vyi"
    if path not in artifact.sources:
        return []
    found = []
    for node in parse_to_ast(source(artifact.name, path)).body:
        same = [entry for entry in artifact.abi if entry.get("name") == node.name]
        (entry,) = [entry for entry in same if len(entry["inputs"]) == len(node.args.args)]
        found.append(replace(_operation(node, entry, {}), method=f"{node.name}_{entry['inputs'][-1]['type']}"))
    return found


def _implemented(artifact: Artifact) -> list[str]:
    """Return the interfaces that the contract implements, its own first."""
    own = f"I{artifact.name}"
    found = _IMPLEMENTS.findall(source(artifact.name, f"src/{artifact.name}.vy"))
    return [own, *(name for name in found if name != own)]


def _written(annotation: vy.VyperNode) -> str:
    return _ELSEWHERE.sub("", annotation.node_source_code)


def _longest(artifact: Artifact) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for entry in artifact.abi:
        if entry["type"] == "function":
            known = found.get(entry["name"])
            if known is None or len(known["inputs"]) < len(entry["inputs"]):
                found[entry["name"]] = entry
    return found


def _struct(node: vy.StructDef, structs: Mapping[str, vy.StructDef], lines: list[str]) -> Shape:
    members = []
    for item in node.body:
        kind = _written(item.annotation)
        abi = _abi_of(kind, structs)
        members.append(_member(item.target.id, abi, kind, structs, about=_trailing(lines, item.lineno)))
    return Shape(node.name, _leading(lines, node.lineno), tuple(members))


def _event(node: vy.EventDef, entry: Mapping[str, Any], structs: Mapping[str, vy.StructDef], lines: list[str]) -> Shape:
    _same([item.target.id for item in node.body], [item["name"] for item in entry["inputs"]], node.name)
    members = []
    for item, wanted in zip(node.body, entry["inputs"], strict=True):
        kind = _written(item.annotation)
        kind = kind.removeprefix("indexed(").removesuffix(")") if wanted["indexed"] else kind
        _same(_abi_of(kind, structs), _canonical(wanted), f"{node.name}.{item.target.id}")
        about = _trailing(lines, item.lineno)
        members.append(
            _member(item.target.id, _canonical(wanted), kind, structs, about=about, indexed=wanted["indexed"])
        )
    return Shape(node.name, _leading(lines, node.lineno), tuple(members))


def _operation(node: vy.FunctionDef, entry: Mapping[str, Any], structs: Mapping[str, vy.StructDef]) -> Operation:
    arguments = node.args.args
    _same([item.arg for item in arguments], [item["name"] for item in entry["inputs"]], node.name)
    defaults = [""] * (len(arguments) - len(node.args.defaults)) + [d.node_source_code for d in node.args.defaults]
    inputs = []
    for item, wanted, default in zip(arguments, entry["inputs"], defaults, strict=True):
        kind = _written(item.annotation)
        _same(_abi_of(kind, structs), _canonical(wanted), f"{node.name}({item.arg})")
        inputs.append(_member(item.arg, _canonical(wanted), kind, structs, default=default))
    kinds = _returned(node)
    _same([_abi_of(kind, structs) for kind in kinds], [_canonical(item) for item in entry["outputs"]], node.name)
    signature = f"{node.name}({','.join(item.abi for item in inputs)})"
    notice, notes = _natspec(node.doc_string.value)
    return Operation(
        name=node.name,
        method=node.name,
        is_view=entry["stateMutability"] in ("view", "pure"),
        is_payable=entry["stateMutability"] == "payable",
        selector=keccak(signature.encode())[:4].hex(),
        inputs=tuple(inputs),
        outputs=tuple(_member("", _abi_of(kind, structs), kind, structs) for kind in kinds),
        notice=notice,
        notes=notes,
    )


def _returned(node: vy.FunctionDef) -> list[str]:
    if node.returns is None:
        return []
    if isinstance(node.returns, vy.Tuple):
        return [_written(item) for item in node.returns.elements]
    return [_written(node.returns)]


def _member(name: str, abi: str, kind: str, structs: Mapping[str, vy.StructDef], **more: Any) -> Member:
    array = _ARRAY.match(kind)
    item = array[1] if array else kind
    return Member(name, abi, kind, struct=item if item in structs else "", **more)


def _abi_of(kind: str, structs: Mapping[str, vy.StructDef]) -> str:
    """Return the ABI type of a Vyper type."""
    if kind in structs:
        return "(" + ",".join(_abi_of(_written(item.annotation), structs) for item in structs[kind].body) + ")"
    if found := _STRING.match(kind):
        return found[1].lower()
    if found := _ARRAY.match(kind):
        return f"{_abi_of(found[1], structs)}[]"
    return kind


def _canonical(entry: Mapping[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    return "(" + ",".join(_canonical(item) for item in entry["components"]) + ")" + entry["type"][5:]


def _plain(abi: str) -> str:
    if abi.startswith(("uint", "int")):
        return "int"
    if abi.startswith("bytes"):
        return "bytes"
    return {"string": "str", "address": "str", "bool": "bool"}[abi]


def _natspec(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Split a docstring into its notice and its notes: argument, `returns`, `chain` for what @dev says."""
    pieces = [" ".join(piece.split()) for piece in re.split(r"(?m)^\s*@", text) if piece.strip()]
    notice, notes = "", []
    for piece in pieces:
        tag, _, rest = piece.partition(" ")
        if tag == "notice":
            notice = rest
        elif tag == "param":
            name, _, about = rest.partition(" ")
            notes.append((name, about.strip()))
        elif tag in ("return", "dev"):
            notes.append(({"return": "returns", "dev": "chain"}[tag], rest))
        else:
            raise SystemExit(f"docstring tag @{tag} is not one that bindings know")
    if not notice:
        raise SystemExit("a function of an interface has no @notice")
    return notice, tuple(sorted(notes, key=lambda note: {"returns": 1, "chain": 2}.get(note[0], 0)))


def _about(lines: list[str]) -> str:
    """Return the interface's opening comment, after the pragma, as one paragraph of text."""
    block = []
    for line in lines[1:]:
        if not line.startswith("#"):
            break
        block.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(block)


def _leading(lines: list[str], lineno: int) -> str:
    block: list[str] = []
    for line in reversed(lines[: lineno - 1]):
        if not line.startswith("#"):
            break
        block.insert(0, line.removeprefix("#").strip())
    if not block:
        raise SystemExit(f"line {lineno} of an interface declares something without a comment above it")
    return "\n    ".join(block)


def _trailing(lines: list[str], lineno: int) -> str:
    return lines[lineno - 1].partition("#")[2].strip()


def _same(got: Any, wanted: Any, where: str) -> None:
    if got != wanted:
        raise SystemExit(f"interface and bytecode disagree at {where}: {got} in the .vyi, {wanted} in the ABI")
