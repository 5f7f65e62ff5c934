"""The written form of an integer model: canonical JSON with one spelling, whose SHA-256 names the model for ever.

An integer within ±(2**53 - 1) is a JSON number, one beyond is a decimal string, so that each has one spelling and no
tool rounds it. A tree is two flat lists, in preorder: its nodes, null for a leaf, and its leaves. Reading is strict:
unknown members, other types and numbers that do not fit are refused with InvalidInput and nothing else. The page
docs/spec/integer-model.md says the same for people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from tallystick.core import canonical, documents
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import (
    KERNEL_DECIMAL_CHARS_MAX,
    KERNEL_FIELDS_MAX,
    KERNEL_INTEGER_BITS_MAX,
    KERNEL_NAME_CHARS_MAX,
    KERNEL_STEPS_MAX,
    KERNEL_TREE_DEPTH_MAX,
    KERNEL_TREE_NODES_MAX,
    KERNEL_WEIGHTS_MAX,
    KERNEL_WIDTH_MAX,
    SAFE_INTEGER_MAX,
)
from tallystick.lithic.integer.model import (
    Decision,
    Dense,
    Field,
    Input,
    IntegerModel,
    MaxPool,
    Node,
    OneHot,
    Relu,
    Shift,
    Squares,
    Step,
    Table,
    Trees,
    Vector,
)

KIND: Final = "tallystick/integer-model/v1"

_MOST: Final = (1 << KERNEL_INTEGER_BITS_MAX - 1) - 1
_SHIFT_MAX: Final = 255
_BITS: Final[dict[int, Literal[8, 16]]] = {8: 8, 16: 16}
_DECISIONS: Final[dict[str, Decision]] = {"none": "none", "argmax": "argmax", "positive": "positive"}


def digest(model: IntegerModel) -> bytes:
    """Return the model's name: the SHA-256 of its canonical bytes."""
    return sha256(to_bytes(model))


def to_bytes(model: IntegerModel) -> bytes:
    """Return the canonical document; raises InvalidInput when a number or the whole does not fit one."""
    return canonical.encode(to_value(model))


def from_bytes(data: bytes) -> IntegerModel:
    """Return the model that the canonical bytes write; raises InvalidInput for anything `to_bytes` would not write."""
    return from_value(canonical.decode(data, "integer model"))


def to_value(model: IntegerModel) -> dict[str, Any]:
    """Return the document as JSON members, to stand alone or in another document."""
    fields = [
        {"high": one.high, "low": one.low, "name": one.name, "origin": one.origin, "step": one.step}
        for one in model.input.fields
    ]
    return {
        "decision": model.decision,
        "input": {"bits": model.input.bits, "fields": fields},
        "kind": KIND,
        "labels": list(model.labels),
        "name": model.name,
        "scale": model.scale,
        "steps": [_write_step(step) for step in model.steps],
    }


def from_value(value: object) -> IntegerModel:
    """Return the model that parsed JSON writes; raises as `from_bytes`."""
    names = ("decision", "input", "kind", "labels", "name", "scale", "steps")
    found = documents.members(value, "integer model", names)
    if found["kind"] != KIND:
        raise InvalidInput("kernel.kind", "not an integer model", expected=KIND, got=ascii(found["kind"])[:80])
    decision = _DECISIONS.get(documents.text(found["decision"], "decision", 16))
    if decision is None:
        raise InvalidInput("kernel.model", "no such decision", expected=", ".join(_DECISIONS), got=found["decision"])
    labels = documents.listed(found["labels"], "labels", KERNEL_WIDTH_MAX)
    return IntegerModel(
        name=_name(found["name"], "name"),
        input=_read_input(found["input"]),
        steps=tuple(_read_step(step) for step in documents.listed(found["steps"], "steps", KERNEL_STEPS_MAX)),
        decision=decision,
        labels=tuple(_name(label, "label") for label in labels),
        scale=documents.text(found["scale"], "scale", KERNEL_DECIMAL_CHARS_MAX),
    )


def _read_input(value: object) -> Input:
    found = documents.members(value, "input", ("bits", "fields"))
    bits = _BITS.get(documents.integer(found["bits"], "bits"))
    if bits is None:
        raise InvalidInput("kernel.model", "no such width of a field", expected="8 or 16", got=found["bits"])
    listed = documents.listed(found["fields"], "fields", KERNEL_FIELDS_MAX)
    return Input(bits, tuple(_read_field(one) for one in listed))


def _read_field(value: object) -> Field:
    found = documents.members(value, "field", ("high", "low", "name", "origin", "step"))
    return Field(
        name=_name(found["name"], "name of a field"),
        low=documents.integer(found["low"], "low", 0, 0xFFFF),
        high=documents.integer(found["high"], "high", 0, 0xFFFF),
        origin=documents.text(found["origin"], "origin", KERNEL_DECIMAL_CHARS_MAX),
        step=documents.text(found["step"], "step", KERNEL_DECIMAL_CHARS_MAX),
    )


# --- steps


def _write_step(step: Step) -> dict[str, Any]:
    match step:
        case Dense(weights, bias):
            return {"bias": _integers(bias), "op": "dense", "weights": [_integers(row) for row in weights]}
        case Relu(shift, cap):
            return {"cap": None if cap is None else write_integer(cap), "op": "relu", "shift": shift}
        case Shift(shift):
            return {"op": "shift", "shift": shift}
        case Table(shift, low, values):
            return {"low": write_integer(low), "op": "table", "shift": shift, "values": _integers(values)}
        case Squares():
            return {"op": "squares"}
        case OneHot(columns):
            return {"columns": [None if one is None else _integers(one) for one in columns], "op": "one_hot"}
        case MaxPool(groups):
            return {"groups": [list(group) for group in groups], "op": "max_pool"}
        case Trees(base, trees):
            return {"base": _integers(base), "op": "trees", "trees": [_write_tree(tree) for tree in trees]}


def _read_step(value: object) -> Step:
    found = documents.typed(value, dict, "step")
    op = documents.text(found.get("op"), "op", 16)
    if op not in _READERS:
        raise InvalidInput("kernel.model", "no such step", expected=", ".join(_READERS), got=ascii(op))
    names, read = _READERS[op]
    return read(documents.members(found, op, ("op", *names)))


def _read_dense(found: dict[str, Any]) -> Dense:
    rows = documents.listed(found["weights"], "weights", KERNEL_WEIGHTS_MAX)
    weights = tuple(_read_integers(row, "weights", KERNEL_WIDTH_MAX) for row in rows)
    return Dense(weights, _read_integers(found["bias"], "bias", KERNEL_WIDTH_MAX))


def _read_relu(found: dict[str, Any]) -> Relu:
    cap = None if found["cap"] is None else read_integer(found["cap"], "cap")
    return Relu(_read_shift(found), cap)


def _read_table(found: dict[str, Any]) -> Table:
    values = _read_integers(found["values"], "values", KERNEL_WIDTH_MAX)
    return Table(_read_shift(found), read_integer(found["low"], "low"), values)


def _read_one_hot(found: dict[str, Any]) -> OneHot:
    columns = documents.listed(found["columns"], "columns", KERNEL_WIDTH_MAX)
    return OneHot(tuple(None if one is None else _read_integers(one, "column", KERNEL_WIDTH_MAX) for one in columns))


def _read_max_pool(found: dict[str, Any]) -> MaxPool:
    groups = documents.listed(found["groups"], "groups", KERNEL_WIDTH_MAX)
    return MaxPool(tuple(_read_integers(group, "group", KERNEL_WIDTH_MAX) for group in groups))


def _read_trees(found: dict[str, Any]) -> Trees:
    trees = documents.listed(found["trees"], "trees", KERNEL_TREE_NODES_MAX)
    return Trees(_read_integers(found["base"], "base", KERNEL_WIDTH_MAX), tuple(_read_tree(tree) for tree in trees))


def _read_shift(found: dict[str, Any]) -> int:
    return documents.integer(found["shift"], "shift", 0, _SHIFT_MAX)


_READERS: Final[dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], Step]]]] = {
    "dense": (("bias", "weights"), _read_dense),
    "relu": (("cap", "shift"), _read_relu),
    "shift": (("shift",), lambda found: Shift(_read_shift(found))),
    "table": (("low", "shift", "values"), _read_table),
    "squares": ((), lambda _: Squares()),
    "one_hot": (("columns",), _read_one_hot),
    "max_pool": (("groups",), _read_max_pool),
    "trees": (("base", "trees"), _read_trees),
}


# --- trees


def _write_tree(tree: Node | Vector) -> dict[str, Any]:
    nodes: list[object] = []
    leaves: list[object] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Node):
            nodes.append([node.field, write_integer(node.threshold)])
            waiting += (node.right, node.left)
        else:
            nodes.append(None)
            leaves.append(_integers(node))
    return {"leaves": leaves, "nodes": nodes}


def _read_tree(value: object) -> Node | Vector:
    found = documents.members(value, "tree", ("leaves", "nodes"))
    nodes = documents.listed(found["nodes"], "nodes", KERNEL_TREE_NODES_MAX)[::-1]
    leaves = documents.listed(found["leaves"], "leaves", KERNEL_TREE_NODES_MAX)[::-1]
    tree = _take_node(nodes, leaves, 0)
    if nodes or leaves:
        raise InvalidInput("kernel.tree", "a tree goes on after its last leaf", got=f"{len(nodes)} nodes more")
    return tree


def _take_node(nodes: list[Any], leaves: list[Any], depth: int) -> Node | Vector:
    """Return the node at the end of the reversed lists with all below it, and shorten the lists by them."""
    if depth > KERNEL_TREE_DEPTH_MAX:
        raise InvalidInput("kernel.tree", "a tree is too deep", expected=f"≤ {KERNEL_TREE_DEPTH_MAX} forks on a path")
    if not nodes or (nodes[-1] is None and not leaves):
        raise InvalidInput("kernel.tree", "a tree ends before its last leaf")
    node = nodes.pop()
    if node is None:
        return _read_integers(leaves.pop(), "leaf", KERNEL_WIDTH_MAX)
    fork = documents.listed(node, "fork", 2)
    if len(fork) != 2:
        raise InvalidInput("kernel.tree", "a fork is a field and a threshold", got=len(fork))
    field = documents.integer(fork[0], "field of a fork", 0, KERNEL_WIDTH_MAX)
    threshold = read_integer(fork[1], "threshold")
    left = _take_node(nodes, leaves, depth + 1)
    return Node(field, threshold, left, _take_node(nodes, leaves, depth + 1))


# --- numbers and names


def write_integer(number: int) -> int | str:
    """Return the one spelling of a number in a document: JSON's, or text; raises InvalidInput "kernel.integer"."""
    if type(number) is not int or not -_MOST <= number <= _MOST:
        raise InvalidInput(
            "kernel.integer", "not an integer of a model", expected="|n| < 2**255", got=type(number).__name__
        )
    return number if -SAFE_INTEGER_MAX <= number <= SAFE_INTEGER_MAX else str(number)


def _integers(numbers: Sequence[int]) -> list[int | str]:
    return [write_integer(number) for number in numbers]


def read_integer(value: object, what: str) -> int:
    """Return the number that parsed canonical JSON spells so; raises InvalidInput "kernel.integer" and documents'."""
    if type(value) is int:
        return value  # canonical JSON bounds it
    written = documents.text(value, what, 78)
    number = documents.decimal(written.removeprefix("-"), what, _MOST)
    if number <= SAFE_INTEGER_MAX:
        raise InvalidInput("kernel.integer", f"{what} has another spelling", expected="a JSON number", got=written)
    return -number if written.startswith("-") else number


def _read_integers(value: object, what: str, most: int) -> Vector:
    found = documents.listed(value, what, most)
    return tuple(read_integer(one, what) for one in found)


def _name(value: object, what: str) -> str:
    return documents.text(value, what, KERNEL_NAME_CHARS_MAX)
