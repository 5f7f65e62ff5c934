"""Calls as Solidity writes them, `transfer(address,uint256)`: their selector, and which words their arguments fill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput

SIGNATURE_CHARS_MAX: Final = 256  # the longest standard signatures have about 100

_NAME = re.compile(r"([A-Za-z_$][A-Za-z0-9_$]*)\((.*)\)\Z", re.ASCII)
_ATOM = re.compile(r"(address|bool|string|bytes|u?int(?:[1-9][0-9]{0,2})|bytes(?:[1-9][0-9]?))", re.ASCII)
_ARRAY = re.compile(r"\[([1-9][0-9]{0,3})?\]", re.ASCII)


@dataclass(frozen=True)
class CallForm:
    """A function as a policy names it.

    text      its canonical signature; `0x` and eight digits where only the selector is known
    selector  the first four bytes of calldata
    kinds     the type of each argument; none where only the selector is known
    words     the word that each argument begins in, counted from the selector on
    """

    text: str
    selector: bytes
    kinds: tuple[str, ...] = ()
    words: tuple[int, ...] = ()

    @property
    def is_named(self) -> bool:
        """Whether the arguments are known."""
        return not self.text.startswith("0x")

    @property
    def is_static(self) -> bool:
        """Whether every call of it has the same length."""
        return self.is_named and not any(_is_dynamic(kind) for kind in self.kinds)

    def fits(self, payee_word: int, amount_word: int, words: tuple[int, ...]) -> bool:
        """Whether these words are arguments of it, the payee an address and the amount a number; -1 stands for none."""
        if not self.is_named:
            return True
        kinds = dict(zip(self.words, self.kinds, strict=True))
        return (
            (payee_word < 0 or kinds.get(payee_word) == "address")
            and (amount_word < 0 or kinds.get(amount_word, "").startswith("uint"))
            and all(word in kinds for word in words)
        )

    @property
    def length(self) -> int:
        """The least length of calldata in bytes; the exact one where it `is_static`."""
        return 4 + 32 * sum(_width(kind) for kind in self.kinds)


TRANSFER_OF_COIN: Final = CallForm("native", bytes(4))  # no calldata at all


def parse_call(value: object, what: str) -> CallForm:
    """Return the function that `value` names: a signature, a selector in hex, or `native`.

    raises  InvalidInput "policy.call"
    """
    if not isinstance(value, str) or len(value) > SIGNATURE_CHARS_MAX:
        raise _malformed(value, what)
    return _parse(value, what)


@cache
def _parse(value: str, what: str) -> CallForm:
    if value == TRANSFER_OF_COIN.text:
        return TRANSFER_OF_COIN
    if re.fullmatch(r"0x[0-9a-f]{8}", value, re.ASCII):
        return CallForm(value, bytes.fromhex(value[2:]))
    match = _NAME.match(value)
    kinds = _split(match[2]) if match else None
    if match is None or kinds is None or not all(_is_type(kind) for kind in kinds):
        raise _malformed(value, what)
    words, at = [], 0
    for kind in kinds:
        words.append(at)
        at += _width(kind)
    return CallForm(value, keccak(value.encode())[:4], tuple(kinds), tuple(words))


def _malformed(value: object, what: str) -> InvalidInput:
    return InvalidInput(
        "policy.call", f"{what} is no function",
        expected='like "transfer(address,uint256)", without names or spaces; "native"; or a selector "0x…"',
        got=ascii(value)[:80], hint="write uint256 for uint",
    )  # fmt: skip


def _split(text: str) -> list[str] | None:
    """Return the types between commas on the outermost level, None where brackets do not match."""
    if not text:
        return []
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return None
        if char == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return None if depth else [*parts, text[start:]]


def members_of(kind: str) -> tuple[str, ...]:
    """Return the types of a tuple that `parse_call` let pass."""
    return tuple(_split(kind[1:-1]) or ())


def _core(kind: str) -> tuple[str, str]:
    """Return a type without its trailing array brackets, and those."""
    at = kind.find("[", kind.rfind(")") + 1)
    return (kind, "") if at < 0 else (kind[:at], kind[at:])


def _is_type(kind: str) -> bool:
    core, arrays = _core(kind)
    if _ARRAY.sub("", arrays):
        return False
    if core.startswith("(") and core.endswith(")"):
        members = _split(core[1:-1])
        return bool(members) and all(_is_type(member) for member in members or ())
    if not _ATOM.fullmatch(core):
        return False
    digits = re.sub(r"\D", "", core)
    if core.startswith("bytes"):
        return not digits or int(digits) <= 32
    return not digits or (int(digits) <= 256 and int(digits) % 8 == 0)


def _is_dynamic(kind: str) -> bool:
    core, arrays = _core(kind)
    if "[]" in arrays or core in ("string", "bytes"):
        return True
    return core.startswith("(") and any(_is_dynamic(member) for member in _split(core[1:-1]) or ())


def _width(kind: str) -> int:
    """Return how many words an argument fills in the head of a call."""
    if _is_dynamic(kind):
        return 1
    core, arrays = _core(kind)
    width = sum(_width(member) for member in _split(core[1:-1]) or ()) if core.startswith("(") else 1
    for count in _ARRAY.findall(arrays):
        width *= int(count)
    return width
