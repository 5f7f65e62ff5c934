"""What the tests of `core` draw from: JSON values, names, trees and independent references."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from hypothesis import strategies as st

from tallystick.core.limits import SAFE_INTEGER_MAX

hashes = st.binary(min_size=32, max_size=32)
secrets = st.integers(1, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 - 1).map(
    lambda number: number.to_bytes(32, "big")
)

# Characters that encoders disagree on: controls, quotes, DEL, line separators, both sides of the surrogates.
awkward = st.sampled_from('\x00\b\t\n\f\r\x1f"\\/\x7f\x80\u2028\u2029é\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff')
characters = st.characters(exclude_categories=["Cs"])
texts = st.text(st.one_of(characters, awkward), max_size=20)
integers = st.one_of(
    st.integers(-SAFE_INTEGER_MAX, SAFE_INTEGER_MAX),
    st.sampled_from([0, -1, SAFE_INTEGER_MAX, -SAFE_INTEGER_MAX, 2**31, 2**32, -(2**31)]),
)
scalars = st.one_of(st.none(), st.booleans(), integers, texts)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=5), st.dictionaries(texts, inner, max_size=5)),
    max_leaves=25,
)


def reference_root(entries: Sequence[bytes]) -> bytes:
    """Return RFC 6962's MTH by its own recursive words, sharing no code with the package."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\x01" + reference_root(entries[:split]) + reference_root(entries[split:])).digest()


def flip(data: bytes, bit: int) -> bytes:
    """Return `data` with one bit inverted."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)
