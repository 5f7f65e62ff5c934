"""Calldata as people write it: what fits its type is encoded, everything else is refused with the argument's number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.agents.calldata import write_call
from tallystick.chain.abi import encode_call
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

SHOP = parse_address("0x" + "41" * 20)
TRANSFER = "transfer(address,uint256)"


def address_of(text: str) -> str:
    return SHOP if text == "shop" else parse_address(text)


def selector(form: str) -> str:
    return keccak(form.encode())[:4].hex()


def test_a_signature_and_its_arguments_are_what_the_abi_says() -> None:
    wanted = bytes.fromhex("a9059cbb" + SHOP[2:].lower().rjust(64, "0") + f"{5:064x}")
    for call, amount in ((TRANSFER, "5"), (TRANSFER, "0x5"), ("0xa9059cbb", "5")):
        assert write_call(call, (SHOP, amount), address_of) == wanted
    assert write_call(TRANSFER, ("shop", "5"), address_of) == wanted
    assert write_call("0x" + wanted.hex(), (), address_of) == wanted
    assert write_call("native", (), address_of) == write_call("0x", (), address_of) == b""
    assert write_call("ping()", (), address_of).hex() == selector("ping()")


@pytest.mark.parametrize(
    ("kinds", "texts", "values"),
    [
        (("uint256[]",), ('["1", 2]',), ([1, 2],)),
        (("(bool,bytes4)[2]",), ('[[true,"0x01020304"],["false","0xaabbccdd"]]',),
         ([(True, b"\1\2\3\4"), (False, b"\xaa\xbb\xcc\xdd")],)),
        (("string", "bytes"), ("für", "0x00ff"), ("für", b"\0\xff")),
        (("int8", "bool"), ("-128", "true"), (-128, True)),
        (("(address,uint8[])",), ('["shop",[]]',), ((SHOP, []),)),
    ],
)  # fmt: skip
def test_types_of_every_kind_have_their_spelling(
    kinds: tuple[str, ...], texts: tuple[str, ...], values: tuple[object, ...]
) -> None:
    form = f"f({','.join(kinds)})"
    assert write_call(form, texts, address_of) == encode_call(selector(form), kinds, values)


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("30", (), "calldata.call"), ("transfer(address to)", (), "calldata.call"), ("f(uint)", (), "calldata.call"),
        ("0xabc", (), "calldata.call"), ("", (), "calldata.call"), ("f(" + 99 * "uint8," + "u)", (), "calldata.call"),
        (TRANSFER, (), "calldata.count"), (TRANSFER, ("shop", "1", "2"), "calldata.count"),
        ("native", ("1",), "calldata.count"), ("0xa9059cbb00", ("1",), "calldata.count"),
        (TRANSFER, ("nobody", "1"), "address.form"), (TRANSFER, ("shop", "-1"), "calldata.argument"),
        (TRANSFER, ("shop", "1.5"), "calldata.argument"), (TRANSFER, ("shop", str(2**256)), "calldata.argument"),
        (TRANSFER, ("shop", "1" + "0" * 90), "calldata.argument"), (TRANSFER, ("shop", "٣"), "calldata.argument"),
        ("f(uint8)", ("256",), "calldata.argument"), ("f(bytes4)", ("0x01",), "calldata.argument"),
        ("f(bytes)", ("0x1",), "calldata.argument"), ("f(bool)", ("1",), "calldata.argument"),
        ("f(uint8[2])", ("[1]",), "calldata.argument"), ("f(uint8[])", ("[" * 10_000,), "calldata.argument"),
        ("f(uint8[])", ("[1.5]",), "calldata.argument"), ("f(uint8[])", ('{"a": 1}',), "calldata.argument"),
        ("f((uint8,uint8))", ("[1]",), "calldata.argument"), ("f(string)", ("\udcff",), "calldata.argument"),
        ("f(uint8[])", ("\udcff",), "calldata.argument"), ("f(uint8[])", ("[null]",), "calldata.argument"),
        ("0xa9059cbb", ("-1",), "calldata.argument"), ("0xa9059cbb", ("0x12",), "calldata.argument"),
        ("0xa9059cbb", ("shop",), "calldata.argument"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: str, arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        write_call(call, arguments, address_of)
    assert caught.value.code == code
    assert code != "calldata.argument" or "argument " in caught.value.message


TEXTS = st.text(max_size=40) | st.sampled_from(["[]", "[[1]]", "true", "0x", "-0", "00", "1e5", "shop", "null", '""'])
CALLS = TEXTS | st.sampled_from([TRANSFER, "f(uint8[])", "f((bool,string)[1])", "f(bytes3,int16)", "0xa9059cbb"])


@given(CALLS, st.lists(TEXTS, max_size=3))
def test_whatever_is_written_is_calldata_or_the_callers_fault(call: str, arguments: list[str]) -> None:
    try:
        data = write_call(call, arguments, address_of)
    except InvalidInput:
        return
    assert len(data) % 32 in (0, 4) or call.startswith("0x")
