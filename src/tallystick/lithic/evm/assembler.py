"""An assembler for code that only jumps forward: instructions in, bytes out, and the most gas that a run can use.

No loops, so the worst path is found by one pass from the end. Addresses of labels take two bytes, as EIP-170 keeps
code below 2**16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.core.errors import Broken, InvalidInput

# name: (code, gas without what depends on memory, accounts or data), Prague; ethereum/execution-specs, Yellow Paper H
_OPS: Final = {
    "STOP": (0x00, 0), "ADD": (0x01, 3), "MUL": (0x02, 5), "SUB": (0x03, 3), "LT": (0x10, 3), "GT": (0x11, 3),
    "SLT": (0x12, 3), "SGT": (0x13, 3), "EQ": (0x14, 3), "ISZERO": (0x15, 3), "AND": (0x16, 3), "OR": (0x17, 3),
    "XOR": (0x18, 3), "NOT": (0x19, 3), "BYTE": (0x1A, 3), "SHL": (0x1B, 3), "SHR": (0x1C, 3), "SAR": (0x1D, 3),
    "CALLVALUE": (0x34, 2), "CALLDATALOAD": (0x35, 3), "CALLDATASIZE": (0x36, 2), "CALLDATACOPY": (0x37, 3),
    "RETURNDATASIZE": (0x3D, 2), "POP": (0x50, 2), "MLOAD": (0x51, 3), "MSTORE": (0x52, 3),
    "JUMP": (0x56, 8), "JUMPI": (0x57, 10), "GAS": (0x5A, 2), "JUMPDEST": (0x5B, 1), "PUSH0": (0x5F, 2),
    "RETURN": (0xF3, 0), "STATICCALL": (0xFA, 2_600), "REVERT": (0xFD, 0),
    **{f"DUP{n}": (0x7F + n, 3) for n in range(1, 17)}, **{f"SWAP{n}": (0x8F + n, 3) for n in range(1, 17)},
}  # fmt: skip
_ENDS: Final = frozenset({"STOP", "RETURN", "REVERT", "JUMP"})
WORD: Final = 1 << 256
_LABELS_END: Final = 1 << 16


@dataclass(frozen=True)
class Label:
    """A place in the code, by name."""

    name: str


class Assembler:
    """Collects instructions. `memory_bytes` is how far into memory the code reaches, for those who emit to keep."""

    def __init__(self) -> None:
        self._items: list[tuple[str, int | str | None]] = []
        self._labels: dict[str, int] = {}
        self._made = 0
        self.memory_bytes = 0
        self.extra_gas = 0  # of copies and calls, beyond their fixed price; every path is charged all of it

    def op(self, *names: str) -> None:
        """Add instructions without operands."""
        self._items += [(name, None) for name in names]

    def push(self, *values: int) -> None:
        """Add pushes of numbers, each modulo 2**256 in as few bytes as hold it."""
        self._items += [("PUSH", value % WORD) for value in values]

    def new_label(self, what: str) -> Label:
        """Return a label of which there is no other."""
        self._made += 1
        return Label(f"{what}.{self._made}")

    def push_label(self, label: Label) -> None:
        """Add the push of a label's address; it must be placed further on."""
        self._items.append(("PUSH2", label.name))

    def jump_if(self, label: Label) -> None:
        """Jump to `label` if the top of the stack is not zero."""
        self.push_label(label)
        self.op("JUMPI")

    def jump(self, label: Label) -> None:
        """Jump to `label`."""
        self.push_label(label)
        self.op("JUMP")

    def place(self, label: Label) -> None:
        """Let `label` be here."""
        self._labels[label.name] = len(self._items)
        self.op("JUMPDEST")

    def load(self, address: int) -> None:
        """Push the memory word at `address`."""
        self.reach(address + 32)
        self.push(address)
        self.op("MLOAD")

    def store(self, address: int) -> None:
        """Pop the top of the stack into the memory word at `address`."""
        self.reach(address + 32)
        self.push(address)
        self.op("MSTORE")

    def shift_right(self, bits: int) -> None:
        """Shift the top of the stack right by `bits`."""
        if bits:
            self.push(bits)
            self.op("SHR")

    def reach(self, end: int) -> None:
        """Note that memory up to `end` is used."""
        self.memory_bytes = max(self.memory_bytes, end)

    @property
    def size(self) -> int:
        """How many bytes the code has so far."""
        return sum(map(_size, self._items))

    def assemble(self) -> bytes:
        """Return the code.

        raises  InvalidInput "kernel.size" when a label takes more than two bytes, Broken "kernel.assembler" when one is
                missing
        """
        places, at = [], 0
        for item in self._items:
            places.append(at)
            at += _size(item)
        if self._labels and at >= _LABELS_END:
            raise InvalidInput(
                "kernel.size", "the model does not fit its contracts", expected=f"< {_LABELS_END} bytes", got=at,
                hint="make it smaller: fewer inputs, units or trees, or fewer bits",
            )  # fmt: skip
        parts = []
        for name, value in self._items:
            if isinstance(value, str):
                if value not in self._labels:
                    raise Broken("kernel.assembler", f"label {value} is nowhere")
                parts.append(b"\x61" + places[self._labels[value]].to_bytes(2, "big"))
            elif value is not None:
                data = value.to_bytes((value.bit_length() + 7) // 8, "big")
                parts.append(bytes([0x5F + len(data)]) + data)
            else:
                parts.append(bytes([_OPS[name][0]]))
        return b"".join(parts)

    @property
    def position(self) -> int:
        """How many instructions there are so far: a place to measure from."""
        return len(self._items)

    def worst_gas(self) -> int:
        """Return the most execution gas that any path uses, memory included, the 21,000 and calldata not."""
        words = (self.memory_bytes + 31) // 32
        return self.worst_after()[0] + 3 * words + words * words // 512 + self.extra_gas

    def worst_after(self) -> list[int]:
        """Return for each position the most gas that a path from there to an end uses, memory and `extra_gas` not."""
        worst = [0] * (len(self._items) + 1)
        for at in range(len(self._items) - 1, -1, -1):
            name, value = self._items[at]
            if isinstance(value, str) or value is not None:
                worst[at] = worst[at + 1] + (2 if value == 0 else 3)
                continue
            after = 0 if name in _ENDS else worst[at + 1]
            if name in ("JUMP", "JUMPI"):
                after = max(after, worst[self._target(at)])
            worst[at] = _OPS[name][1] + after
        return worst

    def _target(self, at: int) -> int:
        """Return where the jump at item `at` goes: labels are pushed right before they are jumped to."""
        label = self._items[at - 1][1]
        if not isinstance(label, str) or self._labels[label] <= at:
            raise Broken("kernel.assembler", "a jump goes backward or to no label")
        return self._labels[label]


def _size(item: tuple[str, int | str | None]) -> int:
    _, value = item
    if isinstance(value, str):
        return 3
    return 1 if value is None else 1 + (value.bit_length() + 7) // 8


def initcode(code: bytes) -> bytes:
    """Return what deploys `code`: PUSH2 size, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN, then the code."""
    return b"\x61" + len(code).to_bytes(2, "big") + bytes.fromhex("80600a5f395ff3") + code
