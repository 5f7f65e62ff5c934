"""Receipts and the 2,048-bit bloom filters over their logs (Yellow Paper, 4.3.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from tallystick.chain.embedded.codec import decode, encode, integer
from tallystick.core.digest import keccak
from tallystick.core.errors import VerificationFailed


class Log(NamedTuple):
    """What a contract emitted: its address, up to four 32-byte topics, and data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome of one transaction; `cumulative_gas` counts the block's transactions up to and with this one."""

    type_id: int
    status: int
    cumulative_gas: int
    bloom: int
    logs: tuple[Log, ...]

    def encode(self) -> bytes:
        """Return the bytes that stand in the receipt trie (EIP-2718)."""
        body = encode(
            [
                integer(self.status),
                integer(self.cumulative_gas),
                self.bloom.to_bytes(256, "big"),
                [[log.address, list(log.topics), log.data] for log in self.logs],
            ]
        )
        return (bytes((self.type_id,)) if self.type_id else b"") + body

    @classmethod
    def decode(cls, encoded: bytes) -> Receipt:
        """Read a receipt.

        raises  VerificationFailed "chain.receipt" when the bytes are not one
        """
        type_id = encoded[0] if encoded and encoded[0] < 0x80 else 0
        try:
            status, gas, bloom, logs = decode(encoded[1:] if type_id else encoded)
            read = tuple(Log(address, tuple(topics), data) for address, topics, data in logs)
            return cls(type_id, int.from_bytes(status), int.from_bytes(gas), int.from_bytes(bloom), read)
        except (ValueError, TypeError):
            raise VerificationFailed("chain.receipt", "a stored receipt is malformed", got=encoded[:40].hex()) from None


def bloom_of(logs: Iterable[Log]) -> int:
    """Return the bloom filter of the addresses and topics in `logs`."""
    bits = 0
    for log in logs:
        bits |= bloom_bits(log.address)
        for topic in log.topics:
            bits |= bloom_bits(topic)
    return bits


def bloom_bits(item: bytes) -> int:
    """Return the three bits that `item` sets: eleven low bits of the first three pairs of bytes of its hash."""
    digest = keccak(item)
    bits = 0
    for start in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[start : start + 2]) & 2047)
    return bits
