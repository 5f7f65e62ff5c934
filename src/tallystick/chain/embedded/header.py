"""A Prague block header: its RLP, its hash, and how one follows from another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.chain.embedded.codec import decode, encode, integer
from tallystick.chain.embedded.trie import BLANK_ROOT
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed

EMPTY_UNCLES: Final = keccak(b"\xc0")
EMPTY_REQUESTS: Final = bytes.fromhex(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)  # SHA-256 of ""
ZERO_HASH: Final = bytes(32)
ZERO_ADDRESS: Final = bytes(20)

# EIP-1559
_ELASTICITY: Final = 2
_FEE_CHANGE_DENOMINATOR: Final = 8

# (name, width): width 0 is an integer, others are byte strings of that length, None is any length
_FIELDS: Final[tuple[tuple[str, int | None], ...]] = (
    ("parent_hash", 32),
    ("uncles_hash", 32),
    ("coinbase", 20),
    ("state_root", 32),
    ("transaction_root", 32),
    ("receipt_root", 32),
    ("bloom", 256),
    ("difficulty", 0),
    ("number", 0),
    ("gas_limit", 0),
    ("gas_used", 0),
    ("timestamp", 0),
    ("extra_data", None),
    ("mix_hash", 32),
    ("nonce", 8),
    ("base_fee", 0),
    ("withdrawals_root", 32),
    ("blob_gas_used", 0),
    ("excess_blob_gas", 0),
    ("beacon_root", 32),
    ("requests_hash", 32),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The 21 fields of a Prague header, in RLP order; fees in wei, time in seconds since 1970."""

    parent_hash: bytes
    uncles_hash: bytes = EMPTY_UNCLES
    coinbase: bytes = ZERO_ADDRESS
    state_root: bytes
    transaction_root: bytes = BLANK_ROOT
    receipt_root: bytes = BLANK_ROOT
    bloom: bytes = bytes(256)
    difficulty: int = 0
    number: int
    gas_limit: int
    gas_used: int = 0
    timestamp: int
    extra_data: bytes = b""
    mix_hash: bytes = ZERO_HASH
    nonce: bytes = bytes(8)
    base_fee: int
    withdrawals_root: bytes = BLANK_ROOT
    blob_gas_used: int = 0
    excess_blob_gas: int = 0
    beacon_root: bytes = ZERO_HASH
    requests_hash: bytes = EMPTY_REQUESTS

    def encode(self) -> bytes:
        """Return the RLP, whose Keccak-256 is the block hash."""
        fields: list[bytes] = []
        for name, width in _FIELDS:
            value = getattr(self, name)
            fields.append(integer(value) if width == 0 else value)
        return encode(fields)

    @property
    def hash(self) -> bytes:
        """The block hash."""
        return keccak(self.encode())

    @classmethod
    def decode(cls, encoded: bytes) -> Header:
        """Read a header.

        raises  VerificationFailed "chain.header" when `encoded` is not the RLP of one
        """
        try:
            items = decode(encoded)
        except ValueError as error:
            raise VerificationFailed("chain.header", "stored header is not RLP", got=str(error)[:120]) from None
        if not isinstance(items, list) or len(items) != len(_FIELDS):
            raise VerificationFailed("chain.header", "stored header is not a Prague header", expected="21 fields")
        fields: dict[str, bytes | int] = {}
        for (name, width), item in zip(_FIELDS, items, strict=True):
            bad = not isinstance(item, bytes) or (width and len(item) != width) or (width == 0 and item[:1] == b"\0")
            if bad:
                raise VerificationFailed("chain.header", f"stored header has a malformed {name}")
            fields[name] = int.from_bytes(item, "big") if width == 0 else item
        return cls(**fields)  # type: ignore[arg-type]


def next_base_fee(parent: Header) -> int:
    """Return the base fee of the block after `parent`, in wei per gas (EIP-1559)."""
    target = parent.gas_limit // _ELASTICITY
    if parent.gas_used == target:
        return parent.base_fee
    step = parent.base_fee * abs(parent.gas_used - target) // target // _FEE_CHANGE_DENOMINATOR
    return parent.base_fee + max(step, 1) if parent.gas_used > target else parent.base_fee - step
