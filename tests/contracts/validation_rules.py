"""The rules of ERC-7562 for validating a user operation, checked on a trace: what bundlers ask before they relay.

`violations` looks at what an account did from the EntryPoint's `validateUserOp` on: instructions, calls and storage.
What concerns factories and paymasters, their stakes and reputation, is left to those who write such; an account of ours
is made before its first operation. Storage in other contracts is an account's own where a slot is the account, or was
computed as keccak256(account ‖ word) and at most 128 behind it: Solidity's layout of mappings, not Vyper's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tallystick.core.digest import keccak
from tests.contracts.validation_trace import (
    CALL,
    CALLCODE,
    CALLS,
    KECCAK256,
    UNKNOWN,
    Frame,
    Step,
    address_of,
)

VALIDATE = bytes.fromhex("19822f7c")
DEPOSIT_TO = keccak(b"depositTo(address)")[:4]
GAS, CREATE2, ISZERO, EXTCODESIZE = 0x5A, 0xF5, 0x15, 0x3B
BANNED = {
    0x32: "ORIGIN", 0x3A: "GASPRICE", 0x40: "BLOCKHASH", 0x41: "COINBASE", 0x42: "TIMESTAMP", 0x43: "NUMBER",
    0x44: "PREVRANDAO", 0x45: "GASLIMIT", 0x48: "BASEFEE", 0xF0: "CREATE", 0xFE: "INVALID", 0xFF: "SELFDESTRUCT",
}  # fmt: skip
STAKED_ONLY = {0x31: "BALANCE", 0x47: "SELFBALANCE"}
CODE_READS = {0x3B: "EXTCODESIZE", 0x3C: "EXTCODECOPY", 0x3F: "EXTCODEHASH"}
STORAGE = {0x54: "SLOAD", 0x55: "SSTORE", 0x5C: "TLOAD", 0x5D: "TSTORE"}
PRECOMPILES = range(1, 10)
RESERVED_MAX = 0x1FF  # where networks put precompiles
ASSOCIATED_SPAN = 128


@dataclass(frozen=True, order=True)
class Violation:
    """A rule that was broken, and by what."""

    rule: str
    what: str


@dataclass(frozen=True)
class Scope:
    """Whose validation it is, and what is known of the chain."""

    account: str
    entry_point: str
    has_code: Callable[[str], bool]
    hashed: frozenset[int]  # slots that were computed as keccak256(account ‖ word)

    def is_associated(self, slot: int) -> bool:
        """Whether the slot of another contract is this account's."""
        near = any(0 <= slot - base <= ASSOCIATED_SPAN for base in self.hashed)
        return near or slot == int(self.account, 16)


def validations(root: Frame, entry_point: str) -> list[Frame]:
    """Return every frame in which an account validates an operation that this EntryPoint brought."""
    if root.caller == entry_point.lower() and root.data[:4] == VALIDATE:
        return [root]
    return [found for one in root.inner.values() for found in validations(one, entry_point)]


def violations(validation: Frame, entry_point: str, has_code: Callable[[str], bool]) -> list[Violation]:
    """Return each rule that an account broke while it validated, once."""
    inner = list(validation.walk())
    account = validation.storage
    scope = Scope(account, entry_point.lower(), has_code, frozenset(_hashed(inner, account)))
    found = {one for frame in inner for one in _of_frame(frame, scope)}
    return sorted(found)


def _hashed(inner: list[Frame], account: str) -> Iterator[int]:
    padded = bytes.fromhex(account[2:]).rjust(32, b"\0")
    for frame in inner:
        for step in frame.steps:
            if step.op == KECCAK256 and len(step.memory) == 64 and step.memory[:32] == padded:
                yield int.from_bytes(keccak(step.memory), "big")


def _of_frame(frame: Frame, scope: Scope) -> Iterator[Violation]:
    if not frame.ended_by_itself:
        yield Violation("OP-020", "the machine ended a message, for want of gas or at a bad jump")
    follow = [*frame.steps[1:], None]
    for step, after in zip(frame.steps, follow, strict=True):
        yield from _of_instruction(step, after)
        if step.op in CODE_READS:
            yield from _of_code_read(step, after, scope)
        elif step.op in CALLS:
            yield from _of_call(frame, step, scope)
        elif step.op in STORAGE and frame.storage != scope.account and not scope.is_associated(step.stack[0]):
            yield Violation("STO-021", f"{STORAGE[step.op]} in {frame.storage}, where the slot is not the account's")


def _of_instruction(step: Step, after: Step | None) -> Iterator[Violation]:
    if step.op in BANNED:
        yield Violation("OP-011", BANNED[step.op])
    if step.op == UNKNOWN:
        yield Violation("OP-013", "an instruction that there is not")
    if step.op in STAKED_ONLY:
        yield Violation("OP-080", STAKED_ONLY[step.op])
    if step.op == CREATE2:
        yield Violation("OP-031", "CREATE2")
    if step.op == GAS and (after is None or after.op not in CALLS):
        yield Violation("OP-012", "GAS that is not for a call")


def _of_code_read(step: Step, after: Step | None, scope: Scope) -> Iterator[Violation]:
    target = address_of(step.stack[0])
    if target == scope.entry_point:
        if step.op != EXTCODESIZE or after is None or after.op != ISZERO:
            yield Violation("OP-054", f"{CODE_READS[step.op]} of the EntryPoint")
    elif not scope.has_code(target):
        yield Violation("OP-041", f"{CODE_READS[step.op]} where there is no code")


def _of_call(frame: Frame, step: Step, scope: Scope) -> Iterator[Violation]:
    target, data = address_of(step.stack[1]), step.memory
    amount = step.stack[2] if step.op in (CALL, CALLCODE) else 0
    if target == scope.entry_point:
        is_from_account = frame.storage == scope.account and step.op == CALL
        is_deposit = data[:4] == DEPOSIT_TO and data[16:36] == bytes.fromhex(scope.account[2:])
        if not (is_from_account and (data == b"" or is_deposit)):
            yield Violation("OP-054", "a call of the EntryPoint that is no deposit")
        return
    if amount != 0:
        yield Violation("OP-061", "a call with value")
    number = int(target, 16)
    if number <= RESERVED_MAX and number not in PRECOMPILES:
        yield Violation("OP-062", "a precompile that is not everywhere, or looks at the chain")
    elif number > RESERVED_MAX and not scope.has_code(target):
        yield Violation("OP-041", "a call where there is no code")
