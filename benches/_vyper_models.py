"""The reference shapes in Vyper, twice: as one writes them first, and as one writes them to save gas.

Both compute the integer model exactly. The first keeps one weight a storage slot and multiplies one pair at a time. The
second packs outputs into lanes as docs/lithic/kernels.md, section 1, does, keeps words of weights in code, skips inputs
that are zero and leaves out the checks that the packing makes needless.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from eth_abi.abi import decode, encode
from vyper import compile_code

from tallystick.chain.scratch import Executed, ScratchEvm
from tallystick.core.digest import keccak
from tallystick.lithic.integer.intervals import intervals
from tallystick.lithic.integer.model import Dense, IntegerModel, Node, Relu, Trees, Vector
from tallystick.lithic.lanes.packing import Packing, single
from tallystick.lithic.lanes.source import Place, Source

HERE = "0x" + "0a" * 20
DATA = tuple("0x" + f"{n:040x}" for n in range(0xD0, 0xD8))
DATA_WORDS = 767  # of 32 bytes, after a byte that stops whoever calls them: EIP-170
CODE_WORDS = 200  # that a contract keeps beside its own code
HEAD = "# pragma version 0.4.3\n# pragma optimize gas\n"


@dataclass
class Written:
    """A contract: its source, what its constructor takes, its storage, and contracts of data beside it."""

    source: str
    arguments: tuple[tuple[str, Any], ...] = ()
    storage: dict[int, int] = field(default_factory=dict)
    data: list[bytes] = field(default_factory=list)
    takes: str = "bytes"

    @cached_property
    def _evm(self) -> ScratchEvm:
        evm = ScratchEvm()
        compiled = bytes.fromhex(compile_code(self.source, output_formats=["bytecode"])["bytecode"][2:])
        kinds, values = [kind for kind, _ in self.arguments], [value for _, value in self.arguments]
        evm.put(HERE, compiled + encode(kinds, values))
        made = evm.call(HERE, b"")
        if not made.ok:
            raise RuntimeError("a baseline's constructor reverted")
        evm.put(HERE, made.output, self.storage)
        for address, data in zip(DATA, self.data, strict=False):
            evm.put(address, data)
        return evm

    def run(self, model: IntegerModel, x: Vector) -> Executed:
        """Call predict on an EVM of its own; raises RuntimeError when it answers no numbers."""
        size = len(model.input.fields)
        kind, value = ("bytes", bytes(x)) if self.takes == "bytes" else (f"int256[{size}]", x)
        done = self._evm.call(HERE, keccak(f"predict({kind})".encode())[:4] + encode([kind], [value]))
        if not done.ok:
            raise RuntimeError(f"a baseline reverted: {done.output.hex()}")
        return done

    def answer(self, done: Executed) -> Vector:
        """Return the numbers that were answered."""
        return tuple(decode(["int256[]"], done.output)[0])


# --- as one writes it first


def naive(model: IntegerModel) -> Written:
    """Return the model with each number in a storage slot of its own."""
    if isinstance(model.steps[0], Trees):
        return _naive_trees(model, model.steps[0])
    lines, storage, declared, at = [], {}, [], 0
    before, width = "x", len(model.input.fields)
    for number, step in enumerate(model.steps):
        if isinstance(step, Relu):
            lines += [
                f"    for k: uint256 in range({width}):",
                f"        {before}[k] = min(max({before}[k], 0) >> {step.shift}, {step.cap})",
            ]
            continue
        assert isinstance(step, Dense)
        size, name = len(step.weights), f"z{number}"
        declared += [f"weights{number}: int256[{size * width}]", f"bias{number}: int256[{size}]"]
        for value in (*(w for row in step.weights for w in row), *step.bias):
            storage[at] = value % 2**256
            at += 1
        lines += [
            f"    {name}: int256[{size}] = empty(int256[{size}])",
            f"    for k: uint256 in range({size}):",
            f"        total: int256 = self.bias{number}[k]",
            f"        for i: uint256 in range({width}):",
            f"            total += self.weights{number}[k * {width} + i] * {before}[i]",
            f"        {name}[k] = total",
        ]
        before, width = name, size
    head = ["", "@external", "@view", f"def predict(x: int256[{len(model.input.fields)}]) -> DynArray[int256, 100]:"]
    source = "\n".join([HEAD, *declared, *head, *lines, *_decided(model, before, width)])
    return Written(source, storage=storage, takes="array")


def _naive_trees(model: IntegerModel, step: Trees) -> Written:
    nodes = [node for tree in step.trees for node in _heap(tree)]
    leaves = [leaf for tree in step.trees for leaf in _leaves(tree)]
    count = len(step.trees)
    values = [*(n.field for n in nodes), *(n.threshold for n in nodes), *leaves]
    source = (
        HEAD
        + f"""
feature: uint256[{7 * count}]
threshold: int256[{7 * count}]
leaf: int256[{8 * count}]

@external
@view
def predict(x: int256[{len(model.input.fields)}]) -> DynArray[int256, 100]:
    total: int256 = {step.base[0]}
    for t: uint256 in range({count}):
        node: uint256 = 0
        for level: uint256 in range(3):
            at: uint256 = t * 7 + node
            node = 2 * node + (1 if x[self.feature[at]] < self.threshold[at] else 2)
        total += self.leaf[t * 8 + node - 7]
    return [1 if total > 0 else 0, total]
"""
    )
    return Written(source, storage={slot: value % 2**256 for slot, value in enumerate(values)}, takes="array")


# --- as one writes it to save gas


def packed(model: IntegerModel) -> Written:
    """Return the model with outputs in lanes and weights in code."""
    if isinstance(model.steps[0], Trees):
        return _packed_trees(model, model.steps[0])
    ranges = intervals(model)
    plans = {
        at: single(step, Source("memory", tuple(Place(0, 0, 256) for _ in ranges[at]), ranges[at]))
        for at, step in enumerate(model.steps)
        if isinstance(step, Dense)
    }
    return _PackedNetwork(model, plans).written()


class _PackedNetwork:
    """Writes a network of dense steps with a capped ReLU between them."""

    def __init__(self, model: IntegerModel, plans: dict[int, Packing]) -> None:
        self._model, self._plans = model, plans
        self._lines: list[str] = []
        self._made = Written("")
        self._immutables: list[tuple[str, list[int]]] = []
        self._data: list[str] = []

    def written(self) -> Written:
        """Return the contract."""
        model = self._model
        for at, step in enumerate(model.steps):
            if isinstance(step, Dense):
                self._dense(at, step)
        fields, outputs = len(model.input.fields), len(model.steps[-1].bias)  # type: ignore[union-attr]
        declared = [f"{name}: immutable(uint256[{len(words)}])" for name, words in self._immutables]
        taken = ", ".join(f"{name.lower()}: uint256[{len(words)}]" for name, words in self._immutables)
        set_up = [f"    {name} = {name.lower()}" for name, _ in self._immutables] or ["    pass"]
        head = [*self._data, *declared, "", "@deploy", f"def __init__({taken}):", *set_up, "", "@external", "@view"]
        head.append(f"def predict(data: Bytes[{fields}]) -> DynArray[int256, 100]:")
        last = _decided(model, "z", outputs)
        self._made.source = HEAD + "\n".join([*head, *self._lines, *last]) + "\n"
        self._made.arguments = tuple((f"uint256[{len(words)}]", words) for _, words in self._immutables)
        return self._made

    def _dense(self, at: int, step: Dense) -> None:
        plan, size = self._plans[at], len(step.bias)
        inputs, groups = len(step.weights[0]), plan.groups(size)
        words = [plan.weight_word(step, one, g) for one in plan.sets for g in range(groups)]
        for g in range(groups):
            self._lines.append(f"    a{at}_{g}: uint256 = {plan.start_word(step, g)}")
        if len(words) <= CODE_WORDS:
            self._immutables.append((f"W{at}", words))
            self._products(at, f"W{at}", 0, inputs, groups)
        else:
            rows = DATA_WORDS // groups // 32 * 32
            for first in range(0, inputs, rows):
                count = min(rows, inputs - first)
                self._load(at, first, words[first * groups : (first + count) * groups])
                self._products(at, f"w{at}_{first}", first, count, groups)
        self._lanes(at, plan, size, groups)

    def _load(self, at: int, first: int, words: list[int]) -> None:
        address = DATA[len(self._made.data)]
        self._made.data.append(b"\0" + b"".join(word.to_bytes(32) for word in words))
        size, name = len(words), f"w{at}_{first}"
        self._data.append(f"DATA{len(self._data)}: constant(address) = {_checksummed(address)}")
        code = f"slice(DATA{len(self._data) - 1}.code, 1, {32 * size})"
        self._lines.append(f"    {name}: uint256[{size}] = abi_decode({code}, uint256[{size}])")

    def _products(self, at: int, words: str, first: int, count: int, groups: int) -> None:
        """Add inputs first … first + count - 1, a word of 32 of them at a time where they come from calldata."""
        lines = self._lines
        if at:
            lines += [f"    for i: uint256 in range({count}):", "        x: uint256 = y[i]"]
            self._multiply(at, words, "i", groups, "        ")
            return
        for block in range(0, count, 32):
            size, start = min(32, count - block), first + block
            total = len(self._model.input.fields)
            load = f"extract32(data, {start})" if start + 32 <= total else f"slice(data, {start}, {total - start})"
            lines.append(f"    b{start}: uint256 = convert({load}, uint256)")
            lines.append(f"    if b{start} != 0:")
            lines.append(f"        for i: uint256 in range({size}):")
            lines.append(f"            x: uint256 = (b{start} >> unsafe_sub({8 * (size - 1)}, unsafe_mul(8, i))) & 255")
            self._multiply(at, words, f"unsafe_add(i, {block})" if block else "i", groups, "            ")

    def _multiply(self, at: int, words: str, index: str, groups: int, indent: str) -> None:
        self._lines.append(f"{indent}if x != 0:")
        for g in range(groups):
            place = index if groups == 1 else f"unsafe_add(unsafe_mul({index}, {groups}), {g})"
            self._lines.append(f"{indent}    a{at}_{g} = unsafe_add(a{at}_{g}, unsafe_mul(x, {words}[{place}]))")

    def _lanes(self, at: int, plan: Packing, size: int, groups: int) -> None:
        """Take the lanes apart: into `y` through the ReLU that follows, or signed into `z` where none does."""
        half, mask = plan.half, (1 << plan.lane_bits) - 1
        follows = self._model.steps[at + 1] if at + 1 < len(self._model.steps) else None
        if not isinstance(follows, Relu):
            self._lines.append(f"    z: int256[{size}] = empty(int256[{size}])")
        elif not any(line.startswith("    y: ") for line in self._lines):
            self._lines.append(f"    y: uint256[{size}] = empty(uint256[{size}])")
        for g in range(groups):
            count = min(plan.lanes, size - g * plan.lanes)
            self._lines.append(f"    for k: uint256 in range({count}):")
            self._lines.append(f"        lane: uint256 = (a{at}_{g} >> unsafe_mul(k, {plan.lane_bits})) & {mask}")
            place = f"unsafe_add(k, {g * plan.lanes})" if g else "k"
            if isinstance(follows, Relu):
                value = f"min(unsafe_sub(lane, {half}) >> {follows.shift}, {follows.cap}) if lane > {half} else 0"
                self._lines.append(f"        y[{place}] = {value}")
            else:
                self._lines.append(f"        z[{place}] = unsafe_sub(convert(lane, int256), {half})")


def _packed_trees(model: IntegerModel, step: Trees) -> Written:
    """Return trees of depth 3 in a word each: seven pairs of feature and threshold, then eight leaves of 18 bits."""
    words = []
    for tree in step.trees:
        word = 0
        for number, node in enumerate(_heap(tree)):
            word |= (node.field << 8 | node.threshold) << 16 * number
        for number, leaf in enumerate(_leaves(tree)):
            word |= leaf + (1 << 17) << 112 + 18 * number
        words.append(word)
    count, fields = len(words), len(model.input.fields)
    source = (
        HEAD
        + f"""
W: immutable(uint256[{count}])

@deploy
def __init__(w: uint256[{count}]):
    W = w

@external
@view
def predict(data: Bytes[{fields}]) -> DynArray[int256, 100]:
    x: uint256 = convert(slice(data, 0, {fields}), uint256)
    sum: uint256 = 0
    for t: uint256 in range({count}):
        w: uint256 = W[t]
        n: uint256 = w & 65535
        i: uint256 = 1 if (x >> unsafe_sub({8 * (fields - 1)}, (n >> 8) << 3)) & 255 < n & 255 else 2
        n = (w >> (i << 4)) & 65535
        i = unsafe_add(i << 1, 1 if (x >> unsafe_sub({8 * (fields - 1)}, (n >> 8) << 3)) & 255 < n & 255 else 2)
        n = (w >> (i << 4)) & 65535
        i = unsafe_add(i << 1, 1 if (x >> unsafe_sub({8 * (fields - 1)}, (n >> 8) << 3)) & 255 < n & 255 else 2)
        sum = unsafe_add(sum, (w >> unsafe_add(112, unsafe_mul(18, unsafe_sub(i, 7)))) & 262143)
    total: int256 = unsafe_add({step.base[0]}, unsafe_sub(convert(sum, int256), {count << 17}))
    return [1 if total > 0 else 0, total]
"""
    )
    return Written(source, arguments=((f"uint256[{count}]", words),))


# --- shared


def _decided(model: IntegerModel, scores: str, width: int) -> Iterator[str]:
    listed = ", ".join(f"{scores}[{k}]" for k in range(width))
    if model.decision == "positive":
        yield f"    return [1 if {scores}[0] > 0 else 0, {listed}]"
    elif model.decision == "argmax":
        yield "    best: uint256 = 0"
        yield f"    for k: uint256 in range(1, {width}):"
        yield f"        if {scores}[k] > {scores}[best]:"
        yield "            best = k"
        yield f"    return [convert(best, int256), {listed}]"
    else:
        yield f"    return [{listed}]"


def _heap(tree: Node | Vector) -> list[Node]:
    """Return the forks of a full tree of depth 3, each before its children: node k has 2k + 1 and 2k + 2."""
    level, found = [tree], []
    for _ in range(3):
        forks = [node for node in level if isinstance(node, Node)]
        found += forks
        level = [branch for node in forks for branch in (node.left, node.right)]
    return found


def _leaves(tree: Node | Vector) -> list[int]:
    return [*_leaves(tree.left), *_leaves(tree.right)] if isinstance(tree, Node) else [tree[0]]


def _checksummed(address: str) -> str:
    digest = keccak(address[2:].encode()).hex()
    return "0x" + "".join(c.upper() if int(digest[k], 16) >= 8 else c for k, c in enumerate(address[2:]))
