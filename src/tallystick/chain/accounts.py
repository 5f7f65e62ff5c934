"""An account that signs: a secp256k1 key in memory, its address, and the transactions it makes.

Keys at rest belong to `store.keys`; nothing here prints, compares or pickles a key. The four transaction forms are
encoded here with `rlp` and `coincurve`; `eth_account` does the same in three times the time after an import of almost
a second, and the tests hold the two to the same bytes. Blob transactions (EIP-4844) are not made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import rlp
from coincurve import PrivateKey

from tallystick.chain.fees import Fees
from tallystick.core.digest import check_digest, keccak
from tallystick.core.eip712 import sign_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import address_of_public_key, parse_address

_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141  # of secp256k1 (SEC 2, 2.4.1)


@dataclass(frozen=True)
class Authorization:
    """An EIP-7702 authorization, signed: the signer's account runs the code of `address`."""

    chain_id: int
    address: str
    nonce: int
    signature: bytes  # 65 bytes r, s, v


@dataclass(frozen=True)
class TransactionFields:
    """All that a transaction says, before its signature.

    to           checksum address, None to create a contract
    value        wei; `gas` is the limit; `fees` choose the form: legacy prices make type 0 (type 1 with an access list)
    access_list  (address, slots) pairs of EIP-2930
    authorizations  make it type 4 (EIP-7702)
    """

    chain_id: int
    nonce: int
    to: str | None
    value: int
    data: bytes
    gas: int
    fees: Fees
    access_list: tuple[tuple[str, tuple[bytes, ...]], ...] = ()
    authorizations: tuple[Authorization, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.chain_id, self.nonce, self.value, self.gas, self.fees.cap, self.fees.tip)
        if min(numbers) < 0 or self.fees.tip > self.fees.cap or self.nonce >= 2**64 - 1 or self.gas >= 2**64:
            raise InvalidInput("transaction.number", "a number of the transaction is out of range")
        if self.authorizations and (self.to is None or self.fees.is_legacy):
            raise InvalidInput("transaction.form", "authorizations need a target and EIP-1559 fees")


@dataclass(frozen=True)
class SignedTransaction:
    """The bytes that go to a node, and the hash by which every node will know them."""

    raw: bytes
    hash: bytes


class Account:
    """A key that signs; its `address` is all that it shows.

    secret  32 bytes, a number from 1 below the order of secp256k1
    raises  InvalidInput "account.secret"
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32 or not 0 < int.from_bytes(secret, "big") < _ORDER:
            raise InvalidInput("account.secret", "not a secp256k1 key", expected="32 bytes below the group order")
        self.__secret = bytes(secret)
        self.address = address_of_public_key(PrivateKey(secret).public_key.format(compressed=False)[1:])

    def sign_digest(self, digest: bytes) -> bytes:
        """Return the 65-byte signature r, s, v (27 or 28) of a 32-byte digest."""
        return sign_digest(self.__secret, check_digest(digest))

    def sign_transaction(self, fields: TransactionFields) -> SignedTransaction:
        """Return the signed bytes of a transaction; the same fields give the same bytes (RFC 6979)."""
        prefix, body = _body(fields)
        unsigned = [*body, fields.chain_id, 0, 0] if not prefix else body  # EIP-155
        signature = self.sign_digest(keccak(prefix + _encode(unsigned)))
        parity = signature[64] - 27
        v = parity if prefix else 35 + 2 * fields.chain_id + parity
        raw = prefix + _encode([*body, v, _number(signature[:32]), _number(signature[32:64])])
        return SignedTransaction(raw, keccak(raw))

    def authorize(self, chain_id: int, address: str, nonce: int) -> Authorization:
        """Return an EIP-7702 authorization by which this account runs the code of `address`."""
        message = b"\x05" + _encode([chain_id, bytes.fromhex(parse_address(address)[2:]), nonce])
        return Authorization(chain_id, parse_address(address), nonce, self.sign_digest(keccak(message)))

    def __repr__(self) -> str:
        return f"Account({self.address})"

    def __reduce__(self) -> str:
        raise InvalidInput("account.pickle", "an account holds a key and cannot be copied out of its process")


def _body(fields: TransactionFields) -> tuple[bytes, list[object]]:
    to = b"" if fields.to is None else bytes.fromhex(parse_address(fields.to)[2:])
    access = [[bytes.fromhex(parse_address(address)[2:]), list(slots)] for address, slots in fields.access_list]
    tail: list[object] = [fields.gas, to, fields.value, fields.data]
    if fields.fees.is_legacy and not access:
        return b"", [fields.nonce, fields.fees.cap, *tail]
    if fields.fees.is_legacy:
        return b"\x01", [fields.chain_id, fields.nonce, fields.fees.cap, *tail, access]
    body: list[object] = [fields.chain_id, fields.nonce, fields.fees.tip, fields.fees.cap, *tail, access]
    if not fields.authorizations:
        return b"\x02", body
    return b"\x04", [*body, [_authorization_body(one) for one in fields.authorizations]]


def _authorization_body(one: Authorization) -> list[object]:
    r, s, parity = _number(one.signature[:32]), _number(one.signature[32:64]), one.signature[64] - 27
    return [one.chain_id, bytes.fromhex(one.address[2:]), one.nonce, parity, r, s]


def _number(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _encode(value: object) -> bytes:
    return cast(bytes, rlp.encode(value))
