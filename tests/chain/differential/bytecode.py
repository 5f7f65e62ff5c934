"""Random EVM programs that mostly run: every instruction gets arguments of the right kind, and now and then not.

A `Writer` emits instructions and knows roughly how deep the stack is. Results are folded into memory, storage, logs or
the return value, so that a wrong result shows. What legitimately differs between two chains with different histories
(BLOCKHASH, PREVRANDAO) is reduced to whether it is zero, or dropped.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

OPCODES = {
    "STOP": 0x00, "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "DIV": 0x04, "SDIV": 0x05, "MOD": 0x06, "SMOD": 0x07,
    "ADDMOD": 0x08, "MULMOD": 0x09, "EXP": 0x0A, "SIGNEXTEND": 0x0B, "LT": 0x10, "GT": 0x11, "SLT": 0x12, "SGT": 0x13,
    "EQ": 0x14, "ISZERO": 0x15, "AND": 0x16, "OR": 0x17, "XOR": 0x18, "NOT": 0x19, "BYTE": 0x1A, "SHL": 0x1B,
    "SHR": 0x1C, "SAR": 0x1D, "KECCAK256": 0x20, "ADDRESS": 0x30, "BALANCE": 0x31, "ORIGIN": 0x32, "CALLER": 0x33,
    "CALLVALUE": 0x34, "CALLDATALOAD": 0x35, "CALLDATASIZE": 0x36, "CALLDATACOPY": 0x37, "CODESIZE": 0x38,
    "CODECOPY": 0x39, "GASPRICE": 0x3A, "EXTCODESIZE": 0x3B, "EXTCODECOPY": 0x3C, "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E, "EXTCODEHASH": 0x3F, "BLOCKHASH": 0x40, "COINBASE": 0x41, "TIMESTAMP": 0x42,
    "NUMBER": 0x43, "PREVRANDAO": 0x44, "GASLIMIT": 0x45, "CHAINID": 0x46, "SELFBALANCE": 0x47, "BASEFEE": 0x48,
    "BLOBHASH": 0x49, "BLOBBASEFEE": 0x4A, "POP": 0x50, "MLOAD": 0x51, "MSTORE": 0x52, "MSTORE8": 0x53, "SLOAD": 0x54,
    "SSTORE": 0x55, "JUMP": 0x56, "JUMPI": 0x57, "PC": 0x58, "MSIZE": 0x59, "GAS": 0x5A, "JUMPDEST": 0x5B,
    "TLOAD": 0x5C, "TSTORE": 0x5D, "MCOPY": 0x5E, "PUSH0": 0x5F, "LOG0": 0xA0, "LOG1": 0xA1, "LOG2": 0xA2,
    "LOG3": 0xA3, "LOG4": 0xA4, "CREATE": 0xF0, "CALL": 0xF1, "CALLCODE": 0xF2, "RETURN": 0xF3, "DELEGATECALL": 0xF4,
    "CREATE2": 0xF5, "STATICCALL": 0xFA, "REVERT": 0xFD, "INVALID": 0xFE, "SELFDESTRUCT": 0xFF,
}  # fmt: skip
OPCODES |= {f"PUSH{size}": 0x5F + size for size in range(1, 33)}
OPCODES |= {f"DUP{depth}": 0x7F + depth for depth in range(1, 17)}
OPCODES |= {f"SWAP{depth}": 0x8F + depth for depth in range(1, 17)}

# fmt: off
_BINARY = (
    "ADD", "MUL", "SUB", "DIV", "SDIV", "MOD", "SMOD", "EXP", "SIGNEXTEND", "LT", "GT", "SLT", "SGT", "EQ", "AND", "OR",
    "XOR", "BYTE", "SHL", "SHR", "SAR",
)
_NULLARY = (
    "ADDRESS", "ORIGIN", "CALLER", "CALLVALUE", "CALLDATASIZE", "CODESIZE", "GASPRICE", "RETURNDATASIZE", "COINBASE",
    "TIMESTAMP", "NUMBER", "GASLIMIT", "CHAINID", "SELFBALANCE", "BASEFEE", "BLOBBASEFEE", "PC", "MSIZE", "GAS",
)
# fmt: on
_EDGES = (0, 1, 2, 31, 32, 33, 255, 256, 2**31, 2**64 - 1, 2**64, 2**128, 2**255 - 1, 2**255, 2**256 - 2, 2**256 - 1)
_SLOTS = (0, 1, 2, 3, 2**256 - 1)


@dataclass
class World:
    """The addresses that programs know: contracts, people, precompiles, nobody."""

    contracts: list[bytes] = field(default_factory=list)
    people: list[bytes] = field(default_factory=list)

    def address(self, rng: random.Random) -> bytes:
        """Return some address, most often a contract."""
        pools: list[Sequence[bytes]] = [self.contracts, self.contracts, self.people]
        pool = rng.choice(pools)
        roll = rng.random()
        if roll < 0.12:
            return rng.choice((1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 13)).to_bytes(20, "big")
        if roll < 0.18 or not pool:
            return rng.choice((0, 0x12, 0xDEAD, 2**159)).to_bytes(20, "big")
        return rng.choice(pool)


class Writer:
    """Emits one program."""

    def __init__(self, rng: random.Random, world: World, depth: int = 0) -> None:
        self.rng = rng
        self.world = world
        self.depth = depth
        self.code = bytearray()
        self.height = 0

    def program(self, length: int) -> bytes:
        """Return the code of about `length` steps, ended in some way."""
        for _ in range(length):
            self.step()
        self.end()
        return bytes(self.code)

    def op(self, name: str) -> None:
        self.code.append(OPCODES[name])

    def push(self, value: int, size: int | None = None) -> None:
        least = (value.bit_length() + 7) // 8
        width = least if size is None else max(size, least)
        if width < 32 and self.rng.random() < 0.1:
            width += 1
        self.op("PUSH0" if width == 0 else f"PUSH{width}")
        self.code += value.to_bytes(width, "big")
        self.height += 1

    def word(self) -> None:
        """Put some number on the stack."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            self.push(rng.choice(_EDGES))
        elif roll < 0.6:
            self.push(rng.randrange(256))
        elif roll < 0.7:
            self.push(rng.getrandbits(8 * rng.randint(1, 32)))
        elif roll < 0.8 and self.height:
            depth = rng.randint(1, min(self.height, 16))
            self.op(f"DUP{depth}")
            self.height += 1
        elif roll < 0.9:
            self.op(rng.choice(_NULLARY))
            self.height += 1
        else:
            self.push(int.from_bytes(self.world.address(rng), "big"), 20)

    def offset(self) -> None:
        """Put a small memory offset or size on the stack, rarely one that costs all gas."""
        rng = self.rng
        self.push(2**40 if rng.random() < 0.004 else rng.choice((0, 0, 1, 31, 32, 33, 64, 100, 128)))

    def fold(self) -> None:
        """Use up one stack item so that its value shows."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.35:
            self.push(32 * rng.randrange(6))
            self.op("MSTORE")
            self.height -= 2
        elif roll < 0.5:
            self.push(rng.choice(_SLOTS))
            self.op("SSTORE")
            self.height -= 2
        elif roll < 0.56:
            self.push(rng.choice(_SLOTS))
            self.op("TSTORE")
            self.height -= 2
        elif roll < 0.6:
            self.push(rng.randrange(200))
            self.op("MSTORE8")
            self.height -= 2
        elif roll < 0.7 or self.height > 12:
            self.op("POP")
            self.height -= 1

    def step(self) -> None:
        """Emit one step of some kind."""
        kinds: list[tuple[int, Callable[[], None]]] = [
            (30, self._arithmetic), (14, self._read), (12, self._storage), (10, self._memory), (8, self._log),
            (14, self._call), (4, self._create), (6, self._branch), (3, self._loop), (5, self._stack), (4, self._code),
            (1, self._strange),
        ]  # fmt: skip
        weights = [weight for weight, _ in kinds]
        self.rng.choices([kind for _, kind in kinds], weights)[0]()

    def _arithmetic(self) -> None:
        rng = self.rng
        roll = rng.random()
        if roll < 0.75:
            self._apply(rng.choice(_BINARY), 2)
        elif roll < 0.87:
            self._apply(rng.choice(("ADDMOD", "MULMOD")), 3)
        else:
            self._apply(rng.choice(("NOT", "ISZERO")), 1)

    def _apply(self, name: str, arguments: int) -> None:
        for _ in range(arguments):
            self.word()
        self.op(name)
        self.height -= arguments - 1
        self.fold()

    def _read(self) -> None:
        rng = self.rng
        roll = rng.random()
        if roll < 0.4:
            self.push(int.from_bytes(self.world.address(rng), "big"), 20)
            self.op(rng.choice(("BALANCE", "EXTCODESIZE", "EXTCODEHASH")))
        elif roll < 0.6:
            self.op(rng.choice(_NULLARY))
            self.height += 1
        elif roll < 0.75:
            self.push(rng.choice((0, 4, 32, 2**70)))
            self.op("CALLDATALOAD")
        elif roll < 0.85:
            self.push(rng.choice((0, 1, 5, 2**63)))
            self.op("BLOCKHASH")
            self.op("ISZERO")
        elif roll < 0.92:
            self.push(rng.randrange(3))
            self.op("BLOBHASH")
        else:
            self.op("PREVRANDAO")
            self.op("POP")
            return
        self.fold()

    def _storage(self) -> None:
        rng = self.rng
        roll = rng.random()
        if roll < 0.5:
            self.push(rng.choice((0, 0, 1, rng.getrandbits(256))))
            self.push(rng.choice(_SLOTS))
            self.op("SSTORE" if rng.random() < 0.8 else "TSTORE")
            self.height -= 2
        else:
            self.push(rng.choice(_SLOTS))
            self.op("SLOAD" if roll < 0.85 else "TLOAD")
            self.fold()

    def _memory(self) -> None:
        rng = self.rng
        roll = rng.random()
        if roll < 0.3:
            self.offset()
            self.op("MLOAD")
            self.fold()
        elif roll < 0.55:
            self.offset(), self.offset(), self.offset()
            self.op("MCOPY")
            self.height -= 3
        else:
            self.offset()
            if roll < 0.75:
                self.push(0)  # RETURNDATACOPY beyond the end fails, so mostly start at the front
                self.offset()
                self.op("CALLDATACOPY" if rng.random() < 0.7 else "CODECOPY")
            else:
                self.push(rng.choice((0, 0, 0, 1)))
                if rng.random() < 0.8:
                    self.op("RETURNDATASIZE")
                    self.height += 1
                else:
                    self.offset()
                self.op("SWAP2")  # size, offset, destination are wanted from the bottom up
                self.op("RETURNDATACOPY")
            self.height -= 3

    def _log(self) -> None:
        topics = self.rng.randrange(5)
        for _ in range(topics):
            self.word()
        self.offset(), self.offset()
        self.op(f"LOG{topics}")
        self.height -= topics + 2

    def _call(self) -> None:
        rng = self.rng
        name = rng.choices(("CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"), (6, 2, 3, 3))[0]
        self.offset(), self.offset(), self.offset(), self.offset()
        arguments = 6
        if name in ("CALL", "CALLCODE"):
            self.push(rng.choice((0, 0, 0, 1, 7, 2**100)))
            arguments = 7
        self.push(int.from_bytes(self.world.address(rng), "big"), 20)
        roll = rng.random()
        if roll < 0.6:
            self.push(rng.choice((0, 100, 2_300, 10_000, 60_000)))
        else:
            self.op("GAS")
            self.height += 1
        self.op(name)
        self.height -= arguments - 1
        self.fold()

    def _create(self) -> None:
        rng = self.rng
        if self.depth >= 2:
            return
        inner = Writer(rng, self.world, self.depth + 1)
        code = inner.program(rng.randrange(1, 8)) if rng.random() < 0.8 else initcode(b"\xfe" * rng.randrange(3))
        code = code[:200]
        for start in range(0, len(code), 32):
            self.push(int.from_bytes(code[start : start + 32].ljust(32, b"\0"), "big"), 32)
            self.push(start)
            self.op("MSTORE")
            self.height -= 2
        create2 = rng.random() < 0.5
        if create2:
            self.push(rng.randrange(2))
        self.push(len(code))
        self.push(0)
        self.push(rng.choice((0, 0, 0, 1, 2**100)))
        self.op("CREATE2" if create2 else "CREATE")
        self.height -= 3 if create2 else 2
        self.fold()

    def _branch(self) -> None:
        """Skip a step or not, as some value says."""
        self.word()
        if self.rng.random() < 0.5:
            self.op("ISZERO")
        place = self._forward()
        self.op("JUMPI")
        self.height -= 2
        before = self.height
        self.step()
        self._level(before)
        self._land(place)

    def _loop(self) -> None:
        """Do a step a few times."""
        self.push(self.rng.randrange(1, 4))
        before = self.height
        start = len(self.code)
        self.op("JUMPDEST")
        self.step()
        self._level(before)
        self.push(1)
        self.op("SWAP1")
        self.op("SUB")
        self.height -= 1
        self.op("DUP1")
        self.height += 1
        self.push(start, 2)
        self.op("JUMPI")
        self.height -= 2
        self.op("POP")
        self.height -= 1

    def _stack(self) -> None:
        before = self.height
        for _ in range(17 if self.rng.random() < 0.3 else 2):
            self.word()
        depth = self.rng.randint(1, min(self.height - 1, 16))
        self.op(f"SWAP{depth}")
        self.op(f"DUP{self.rng.randint(1, min(self.height, 16))}")
        self.height += 1
        self.fold()
        self._level(min(before + 2, self.height))

    def _code(self) -> None:
        rng = self.rng
        self.offset(), self.offset()
        if rng.random() < 0.6:
            self.op("KECCAK256")
            self.height -= 1
            self.fold()
        else:
            self.offset()
            self.push(int.from_bytes(self.world.address(rng), "big"), 20)
            self.op("EXTCODECOPY")
            self.height -= 4

    def _strange(self) -> None:
        """Emit what may well fail: a byte out of the blue, a jump to nowhere."""
        rng = self.rng
        if rng.random() < 0.5:
            byte = rng.randrange(256)
            if byte not in (0x40, 0x44):
                self.code.append(byte)
        else:
            self.push(rng.randrange(100))
            self.op("JUMP" if rng.random() < 0.3 else "POP")
            self.height -= 1

    def _forward(self) -> int:
        self.code += bytes((OPCODES["PUSH2"], 0, 0))
        self.height += 1
        return len(self.code) - 2

    def _land(self, place: int) -> None:
        self.code[place : place + 2] = len(self.code).to_bytes(2, "big")
        self.op("JUMPDEST")

    def _level(self, height: int) -> None:
        while self.height > height:
            self.op("POP")
            self.height -= 1
        while self.height < height:
            self.push(0)

    def end(self) -> None:
        """Stop in one of the ways there are."""
        rng = self.rng
        roll = rng.random()
        if roll < 0.08:
            self.push(int.from_bytes(self.world.address(rng), "big"), 20)
            self.op("SELFDESTRUCT")
        elif roll < 0.12:
            self.op("INVALID")
        elif roll < 0.2:
            self.op("STOP")
        else:
            self.push(rng.choice((0, 32, 64, 200)))
            self.push(rng.choice((0, 0, 32)))
            self.op("REVERT" if roll < 0.38 else "RETURN")


def initcode(runtime: bytes) -> bytes:
    """Return code that deploys `runtime`."""
    size = len(runtime).to_bytes(2, "big")
    return (
        bytes.fromhex("61")
        + size
        + bytes.fromhex("600c5f39")
        + bytes.fromhex("61")
        + size
        + bytes.fromhex("5ff3")
        + runtime
    )
