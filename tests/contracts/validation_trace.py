"""What an execution did, instruction by instruction: the embedded ledger and anvil in one shape, for validation_rules.

The embedded ledger executes with instructions that say what they are about to do; anvil is asked for `debug_traceCall`.
Neither says whose storage an instruction works on: `frames` finds that out from the calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from eth.vm.logic.invalid import InvalidOpcode
from eth.vm.opcode import as_opcode

from tallystick.chain.embedded.rpc_state import read_message
from tallystick.chain.embedded.rules import Computation
from tallystick.chain.embedded.simulate import Simulation

STOP, KECCAK256 = 0x00, 0x20
CALL, CALLCODE, RETURN, DELEGATECALL, STATICCALL, REVERT, SELFDESTRUCT = 0xF1, 0xF2, 0xF3, 0xF4, 0xFA, 0xFD, 0xFF
INVALID, UNKNOWN = 0xFE, -1  # any code that no instruction has
CREATES = (0xF0, 0xF5)
CALLS = (CALL, CALLCODE, DELEGATECALL, STATICCALL)
GAS_LIMIT = 16_000_000
STACK_SEEN = 5  # gas, address, value, start and length of the call data
# Where an instruction reads memory that the rules want to see: depth of start and length in the stack.
_READS = {KECCAK256: (0, 1), CALL: (3, 4), CALLCODE: (3, 4), DELEGATECALL: (2, 3), STATICCALL: (2, 3)}


@dataclass(frozen=True)
class Step:
    """An instruction about to be done, with the top of the stack first, and the memory that it reads."""

    pc: int
    op: int
    depth: int
    stack: tuple[int, ...]
    memory: bytes


@dataclass(frozen=True)
class Frame:
    """A message: whose storage it works on, who asked, with what; its steps and the frames in it, by step."""

    storage: str
    caller: str
    data: bytes
    steps: list[Step] = field(default_factory=list)
    inner: dict[int, Frame] = field(default_factory=dict)

    @property
    def ended_by_itself(self) -> bool:
        """Whether the code stopped, and not the machine: for want of gas, or at a bad jump."""
        return self.steps[-1].op in (STOP, RETURN, REVERT, SELFDESTRUCT, INVALID, UNKNOWN)

    def walk(self) -> Iterator[Frame]:
        """Yield this frame and every one in it."""
        yield self
        for one in self.inner.values():
            yield from one.walk()


def frames(steps: list[Step], storage: str, caller: str, data: bytes) -> Frame:
    """Return the frame of the whole execution, the calls in it as frames of their own."""
    root = Frame(storage, caller, data)
    open_frames = [root]
    for step in steps:
        while step.depth < len(open_frames):
            open_frames.pop()
        if step.depth > len(open_frames):
            outer = open_frames[-1]
            made = _inner(outer, outer.steps[-1])
            outer.inner[len(outer.steps) - 1] = made
            open_frames.append(made)
        open_frames[-1].steps.append(step)
    return root


def _inner(outer: Frame, step: Step) -> Frame:
    if step.op in CREATES:
        return Frame("", outer.storage, b"")  # the address comes of the nonce or the code; it is forbidden anyway
    is_borrowed = step.op in (CALLCODE, DELEGATECALL)
    storage = outer.storage if is_borrowed else address_of(step.stack[1])
    return Frame(storage, outer.caller if step.op == DELEGATECALL else outer.storage, step.memory)


def address_of(word: int) -> str:
    """Return the address in a word of the stack, in lower case."""
    return f"0x{word % 2**160:040x}"


def trace_embedded(ledger: Any, to: str, data: bytes, sender: str) -> list[Step]:
    """Return the steps of a call to the embedded ledger at its newest block."""
    node = ledger.node.provider.node
    block = node.ledger.head()
    message = read_message({"from": sender, "to": to, "data": "0x" + data.hex()}, node.ledger.chain_id)
    steps: list[Step] = []
    simulation = _Noting(node.ledger, node.ledger.accounts(block), block.header, message)
    simulation.note_into(steps)
    simulation.run(GAS_LIMIT)
    return steps


class _Noting(Simulation):
    def note_into(self, steps: list[Step]) -> None:
        """Have every instruction noted before it is done."""

        def noting(code: int, instruction: Any) -> Any:
            def run(computation: Any) -> None:
                steps.append(_step_of(code, computation))
                instruction(computation=computation)

            return as_opcode(run, instruction.mnemonic, 0)

        class Noted(dict[int, Any]):
            def __missing__(self, code: int) -> Any:
                return noting(code if code == INVALID else UNKNOWN, InvalidOpcode(code))

        noted = Noted((code, noting(code, instruction)) for code, instruction in Computation.opcodes.items())
        self._state.computation_class = type("NotingComputation", (Computation,), {"opcodes": noted})


def _step_of(code: int, computation: Any) -> Step:
    values = computation._stack.values[-1 : -STACK_SEEN - 1 : -1]
    stack = tuple(one if isinstance(one, int) else int.from_bytes(one, "big") for one in values)
    pc = max(0, computation.code.program_counter - 1)
    return Step(pc, code, computation.msg.depth + 1, stack, _read(code, stack, bytes(computation._memory._bytes)))


def trace_anvil(ledger: Any, to: str, data: bytes, sender: str) -> list[Step]:
    """Return the steps of a call to anvil at its newest block."""
    asked = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(GAS_LIMIT)}
    told = ledger.anvil.rpc("debug_traceCall", asked, "latest", {"enableMemory": True, "disableStorage": True})
    return [_step_told(one) for one in told["structLogs"]]


def _step_told(one: dict[str, Any]) -> Step:
    stack = tuple(int(word, 16) for word in reversed(one["stack"][-STACK_SEEN:]))
    code = _CODES.get(one["op"], UNKNOWN)
    words = one.get("memory") or () if code in _READS else ()
    memory = b"".join(bytes.fromhex(word.removeprefix("0x")) for word in words)
    return Step(one["pc"], code, one["depth"], stack, _read(code, stack, memory))


def _read(code: int, stack: tuple[int, ...], memory: bytes) -> bytes:
    if code not in _READS or len(stack) <= _READS[code][1]:
        return b""
    start, length = (stack[at] for at in _READS[code])
    return memory[start : start + length].ljust(min(length, 2**20), b"\0")


_CODES = {instruction.mnemonic: code for code, instruction in Computation.opcodes.items()} | {
    "KECCAK256": KECCAK256,
    "INVALID": INVALID,
    "DIFFICULTY": 0x44,
}
