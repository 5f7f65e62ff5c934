"""Signed transactions: strict decoding, the sender, and the gas a transaction costs before it runs.

Types 0 (with EIP-155 replay protection), 1, 2 and 4 are read; 3 carries blobs, which this ledger has nowhere to keep.
An object here offers what py-evm's executor asks of a transaction. `fsck` reads the same bytes with py-evm's classes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from coincurve import PublicKey

from tallystick.chain.embedded.codec import decode, encode, integer
from tallystick.chain.embedded.fault import RpcFault
from tallystick.core.digest import keccak
from tallystick.core.limits import LEDGER_TX_BYTES_MAX

LEGACY: Final = 0
ACCESS_LIST: Final = 1
DYNAMIC_FEE: Final = 2
BLOB: Final = 3
SET_CODE: Final = 4

_N: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141  # secp256k1 order
_FIELDS: Final = {LEGACY: 9, ACCESS_LIST: 11, DYNAMIC_FEE: 12, SET_CODE: 13}


@dataclass(frozen=True, slots=True)
class Authorization:
    """One EIP-7702 entry, as signed by the account that delegates; `validate` is py-evm's question, answered there."""

    chain_id: int
    address: bytes
    nonce: int
    y_parity: int
    r: int
    s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A transaction whose signature was recovered. Fees in wei per gas; `to` is empty when it creates a contract."""

    type_id: int
    chain_id: int
    nonce: int
    max_priority_fee_per_gas: int
    max_fee_per_gas: int
    gas: int
    to: bytes
    value: int
    data: bytes
    access_list: tuple[tuple[bytes, tuple[int, ...]], ...] = ()
    authorization_list: tuple[Authorization, ...] = ()
    v: int
    r: int
    s: int
    sender: bytes
    hash: bytes
    raw: bytes = field(repr=False)

    @property
    def intrinsic_gas(self) -> int:
        """Gas charged before the first instruction (EIP-2028, 2930, 7702), without EIP-3860's, as py-evm wants it."""
        return intrinsic_gas(self.to, self.data, self.access_list, len(self.authorization_list))


def intrinsic_gas(to: bytes, data: bytes, access_list: tuple[tuple[bytes, tuple[int, ...]], ...], auths: int) -> int:
    """Return 21,000 and what data, contract creation, access list and authorizations add to it."""
    zeros = data.count(0)
    slots = sum(len(keys) for _, keys in access_list)
    create = 0 if to else 32_000
    calldata = 4 * zeros + 16 * (len(data) - zeros)
    return 21_000 + create + calldata + 2_400 * len(access_list) + 1_900 * slots + 25_000 * auths


def minimum_gas(to: bytes, data: bytes, access_list: tuple[tuple[bytes, tuple[int, ...]], ...], auths: int) -> int:
    """Return the least gas limit a block may include: intrinsic gas with EIP-3860's words, or EIP-7623's floor."""
    words = 0 if to else 2 * ((len(data) + 31) // 32)
    zeros = data.count(0)
    floor = 21_000 + 10 * (zeros + 4 * (len(data) - zeros))
    return max(intrinsic_gas(to, data, access_list, auths) + words, floor)


def decode_transaction(raw: bytes, chain_id: int) -> Transaction:
    """Return the transaction that `raw` is the one encoding of, with its sender.

    raises  RpcFault -32000 when it is malformed, of another chain, unprotected, or its signature recovers to nobody
    """
    if not raw or len(raw) > LEDGER_TX_BYTES_MAX:
        raise RpcFault(-32000, "oversized data" if raw else "typed transaction too short", place="tx.size")
    type_id = raw[0] if raw[0] < 0x80 else LEGACY
    if type_id == BLOB:
        raise RpcFault(
            -32000, "transaction type not supported: blobs (type 3) have no place on this ledger", place="tx.blob"
        )
    if raw[0] < 0xC0 and type_id not in (ACCESS_LIST, DYNAMIC_FEE, SET_CODE):
        raise RpcFault(-32000, "transaction type not supported", place="tx.type")
    try:
        items = decode(raw if type_id == LEGACY else raw[1:])
        if not isinstance(items, list) or len(items) != _FIELDS[type_id]:
            raise ValueError(f"expected {_FIELDS[type_id]} fields")
        return _read(type_id, items, raw, chain_id)
    except ValueError as error:
        raise RpcFault(-32000, f"rlp: {str(error)[:120]}", place="tx.rlp") from None


def _read(type_id: int, items: list[Any], raw: bytes, chain_id: int) -> Transaction:
    v, r, s = (_integer(item, 256) for item in items[-3:])
    if type_id == LEGACY:
        nonce, price, gas, to, value, data = items[:6]
        tip = price
        if v < 35:
            message = "only replay-protected (EIP-155) transactions allowed over RPC"
            raise RpcFault(-32000, message, place="tx.unprotected")
        claimed, parity = divmod(v - 35, 2)
        signing = encode([*items[:6], integer(claimed), b"", b""])
    else:
        claimed, parity = _integer(items[0], 256), v
        signing = bytes((type_id,)) + encode(items[:-3])
        if type_id == ACCESS_LIST:
            nonce, price, gas, to, value, data = items[1:7]
            tip = price
        else:
            nonce, tip, price, gas, to, value, data = items[1:8]
    if claimed != chain_id:
        raise RpcFault(-32000, f"invalid chain id for signer: have {claimed} want {chain_id}", place="tx.chain_id")
    access = {ACCESS_LIST: 7, DYNAMIC_FEE: 8, SET_CODE: 8}.get(type_id)
    if not isinstance(to, bytes) or len(to) not in ((20,) if type_id == SET_CODE else (0, 20)):
        raise ValueError("recipient is not an address")
    if not isinstance(data, bytes):
        raise ValueError("data is not a byte string")
    return Transaction(
        type_id=type_id,
        chain_id=claimed,
        nonce=_integer(nonce, 64),
        max_priority_fee_per_gas=_integer(tip, 256),
        max_fee_per_gas=_integer(price, 256),
        gas=_integer(gas, 64),
        to=to,
        value=_integer(value, 256),
        data=data,
        access_list=() if access is None else _access_list(items[access]),
        authorization_list=_authorizations(items[9]) if type_id == SET_CODE else (),
        v=v,
        r=r,
        s=s,
        sender=recover(keccak(signing), parity, r, s),
        hash=keccak(raw),
        raw=raw,
    )


def recover(digest: bytes, parity: int, r: int, s: int) -> bytes:
    """Return the address whose key signed `digest`; high s is refused (EIP-2).

    raises  RpcFault -32000 "invalid sender"
    """
    if parity > 1 or not 0 < r < _N or not 0 < s <= _N // 2:
        raise RpcFault(-32000, "invalid sender: invalid transaction v, r, s values", place="tx.signature")
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes((parity,))
    try:
        key = PublicKey.from_signature_and_message(signature, digest, hasher=None)
    except Exception:  # noqa: BLE001  coincurve raises bare Exception when no key fits
        raise RpcFault(-32000, "invalid sender: signature recovers to no key", place="tx.signature") from None
    return keccak(key.format(compressed=False)[1:])[12:]


def _access_list(item: Any) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    entries: list[tuple[bytes, tuple[int, ...]]] = []
    if not isinstance(item, list):
        raise ValueError("access list is not a list")
    for entry in item:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[1], list):
            raise ValueError("access list entry is not (address, slots)")
        address, keys = entry
        if not isinstance(address, bytes) or len(address) != 20:
            raise ValueError("access list address is not 20 bytes")
        if any(not isinstance(key, bytes) or len(key) != 32 for key in keys):
            raise ValueError("access list slot is not 32 bytes")
        entries.append((address, tuple(int.from_bytes(key, "big") for key in keys)))
    return tuple(entries)


def _authorizations(item: Any) -> tuple[Authorization, ...]:
    if not isinstance(item, list):
        raise ValueError("authorization list is not a list")
    entries: list[Authorization] = []
    for entry in item:
        if not isinstance(entry, list) or len(entry) != 6 or not isinstance(entry[1], bytes) or len(entry[1]) != 20:
            raise ValueError("authorization is not six fields")
        chain, address, nonce, parity, r, s = entry
        numbers = (_integer(chain, 256), _integer(nonce, 64), _integer(parity, 8), _integer(r, 256), _integer(s, 256))
        entries.append(Authorization(numbers[0], address, *numbers[1:]))
    return tuple(entries)


def _integer(item: Any, bits: int) -> int:
    if not isinstance(item, bytes) or item[:1] == b"\0" or len(item) * 8 > bits:
        raise ValueError(f"not a canonical integer of {bits} bits")
    return int.from_bytes(item, "big")
