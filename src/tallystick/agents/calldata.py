"""Calldata as people write it: a function's signature and its arguments, a bare selector and words, or all the bytes.

An argument is text. Numbers are decimal, or hexadecimal after 0x; addresses are written out or are what the caller
knows by name; bytes are hexadecimal; arrays and tuples are JSON lists of such texts. Nothing is guessed: what does not
fit its type is refused, with the argument's number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from tallystick.agents.policy.signatures import TRANSFER_OF_COIN, CallForm, members_of, parse_call
from tallystick.chain.abi import encode_call
from tallystick.core import canonical
from tallystick.core.errors import InvalidInput

AddressOf = Callable[[str], str]

_HEX: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*\Z", re.ASCII)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,77})\Z|0x[0-9a-fA-F]{1,64}\Z", re.ASCII)
_SELECTOR_BYTES: Final = 4
_WORD_DIGITS: Final = 64
_ADDRESS_DIGITS: Final = 40
_BOOLS: Final = {"true": True, "false": False}


def write_call(call: str, arguments: Sequence[str], address_of: AddressOf) -> bytes:
    """Return calldata.

    call        "transfer(address,uint256)"; a selector, "0xa9059cbb", whose arguments are words; all the calldata in
                hexadecimal; or "native", none at all
    address_of  makes an address of what an argument of that type says; raises InvalidInput
    raises      InvalidInput "calldata.call", "calldata.count", "calldata.argument", and what `address_of` raises
    """
    if call == TRANSFER_OF_COIN.text or _HEX.match(call):
        return _bytes_of("0x" if call == TRANSFER_OF_COIN.text else call, arguments)
    form = _form_of(call)
    if len(arguments) != len(form.kinds):
        raise InvalidInput(
            "calldata.count", f"{form.text} takes another number of arguments", expected=len(form.kinds),
            got=len(arguments), hint="an array or a tuple is one argument, a JSON list",
        )  # fmt: skip
    pairs = enumerate(zip(form.kinds, arguments, strict=True), 1)
    values = [_checked(kind, text, address_of, at) for at, (kind, text) in pairs]
    return encode_call(form.selector.hex(), form.kinds, values)


def _form_of(call: str) -> CallForm:
    try:
        return parse_call(call, "CALL")
    except InvalidInput:
        raise InvalidInput(
            "calldata.call", "not a call",
            expected='like "transfer(address,uint256)", without names or spaces; or calldata in hexadecimal after 0x',
            got=ascii(call)[:80], hint="write uint256 for uint, and quote the parentheses for your shell",
        ) from None  # fmt: skip


def _bytes_of(call: str, arguments: Sequence[str]) -> bytes:
    data = bytes.fromhex(call[2:])
    if arguments and len(data) != _SELECTOR_BYTES:
        raise InvalidInput(
            "calldata.count", "whole calldata takes no arguments", expected=0, got=len(arguments),
            hint="name the function by its signature, or by its first four bytes alone",
        )  # fmt: skip
    return data + b"".join(_word(text, at) for at, text in enumerate(arguments, 1))


def _word(text: str, at: int) -> bytes:
    """Return the word that an argument of a function without a signature writes."""
    digits = text.removeprefix("0x")
    if text != digits and len(digits) in (_ADDRESS_DIGITS, _WORD_DIGITS) and _NUMBER.match(text):
        return bytes.fromhex(digits.rjust(_WORD_DIGITS, "0"))
    if _NUMBER.match(text) and text == digits and 0 <= int(text) < 2**256:
        return int(text).to_bytes(32, "big")
    raise _misfit("a word: a number, an address, or 64 hexadecimal digits after 0x", text, at)


def _checked(kind: str, text: str, address_of: AddressOf, at: int) -> object:
    """Return the value of one argument, which encodes as its type."""
    try:
        value = _value(kind, _listed(text) if kind.endswith((")", "]")) else text, address_of)
        encode_call("", (kind,), (value,))
    except _Misfit:
        raise _misfit(kind, text, at) from None
    except InvalidInput as error:
        if error.code == "abi.argument":
            raise _misfit(kind, text, at) from None
        raise
    return value


class _Misfit(Exception):
    """A text is not of its type."""


def _misfit(expected: str, text: str, at: int) -> InvalidInput:
    return InvalidInput(
        "calldata.argument", f"argument {at} does not fit", expected=expected, got=ascii(text)[:80],
        hint='numbers are in smallest units; lists are JSON, like ["1", "2"], large numbers in quotes',
    )  # fmt: skip


def _listed(text: str) -> object:
    try:
        return canonical.parse(text.encode("utf-8", "surrogatepass"), "a list")
    except InvalidInput:
        raise _Misfit from None


def _value(kind: str, item: object, address_of: AddressOf) -> object:
    if kind.endswith("]"):
        return [_value(kind[: kind.rindex("[")], one, address_of) for one in _items(item)]
    if kind.startswith("("):
        kinds, items = members_of(kind), _items(item)
        if len(kinds) != len(items):
            raise _Misfit
        return tuple(_value(one, each, address_of) for one, each in zip(kinds, items, strict=True))
    text = str(item).lower() if isinstance(item, bool | int) else item  # a list of JSON may hold them bare
    if not isinstance(text, str):
        raise _Misfit
    return _atom(kind, text, address_of)


def _items(item: object) -> list[object]:
    if not isinstance(item, list):
        raise _Misfit
    return item


def _atom(kind: str, text: str, address_of: AddressOf) -> object:
    if kind == "address":
        return address_of(text)
    if kind == "string":
        return text
    if kind == "bool" and text in _BOOLS:
        return _BOOLS[text]
    if kind.startswith("bytes") and _HEX.match(text):
        return bytes.fromhex(text[2:])
    if kind.startswith(("uint", "int")) and _NUMBER.match(text):
        return int(text, 16 if text.startswith("0x") else 10)
    raise _Misfit
