"""RLP is written and read as the `rlp` package does, and anything that is not canonical is refused by both."""

from __future__ import annotations

import contextlib

import pytest
import rlp
from hypothesis import example, given
from hypothesis import strategies as st

from tallystick.chain.embedded.codec import decode, encode, integer

strings = st.one_of(st.binary(max_size=3), st.binary(min_size=54, max_size=58), st.binary(min_size=250, max_size=260))
items = st.recursive(strings, lambda inner: st.lists(inner, max_size=6), max_leaves=20)


@given(items)
def test_what_is_written_is_what_the_package_writes_and_is_read_back(item: object) -> None:
    encoded = encode(item)  # type: ignore[arg-type]
    assert encoded == rlp.encode(item)
    assert decode(encoded) == item


@given(st.one_of(st.binary(max_size=80), items.map(rlp.encode)), st.binary(max_size=2), st.integers(0, 80))
@example(b"\x81\x00", b"", 80)  # a small byte as a string
@example(b"\xb8\x37" + bytes(55), b"", 80)  # a long form where the short one would do
@example(b"\xb9\x00\x38" + bytes(56), b"", 80)  # a length with a leading zero
@example(b"\xc1\x81\x00", b"", 80)
@example(b"\xc2\x82\x00", b"\x00", 80)  # an item that reaches out of its list
def test_the_same_bytes_are_refused_as_by_the_package(encoded: bytes, more: bytes, cut: int) -> None:
    spoiled = encoded[:cut] + more
    peer: object = None
    with contextlib.suppress(rlp.exceptions.RLPException):
        peer = rlp.decode(spoiled, strict=True)
    if peer is None:
        with pytest.raises(ValueError):
            decode(spoiled)
    else:
        assert decode(spoiled) == peer


def test_deep_nesting_is_refused_before_it_is_an_attack_on_recursion() -> None:
    deep: object = b""
    for _ in range(16):
        deep = [deep]
    assert decode(rlp.encode(deep)) == deep
    with pytest.raises(ValueError, match="nested too deeply"):
        decode(rlp.encode([deep]))
    with pytest.raises(ValueError):
        decode(b"\xc1" * 100_000)


@given(st.integers(0, 2**256 - 1))
def test_numbers_have_one_form(number: int) -> None:
    assert encode(integer(number)) == rlp.encode(number)
