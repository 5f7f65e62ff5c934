"""RPC methods about state: balances, code, storage, proofs, and messages tried without being sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tallystick.chain.embedded.accounts import EMPTY_CODE, NOBODY, Account
from tallystick.chain.embedded.header import ZERO_ADDRESS
from tallystick.chain.embedded.node import EmbeddedNode
from tallystick.chain.embedded.params import Params, data, hex_of, invalid, quantity, storage_slot
from tallystick.chain.embedded.simulate import Message, Simulation
from tallystick.chain.embedded.transaction import Authorization
from tallystick.chain.embedded.trie import BLANK_ROOT, prove
from tallystick.core.digest import keccak
from tallystick.core.limits import LEDGER_CALL_BYTES_MAX, LEDGER_PROOF_SLOTS_MAX

_MESSAGE_FIELDS = {
    "from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "nonce", "data", "input",
    "accessList", "authorizationList", "chainId", "type",
}  # fmt: skip


def balance(node: EmbeddedNode, values: Sequence[Any]) -> str:
    return hex_of(_account(node, Params(values, 2))[1].balance)


def transaction_count(node: EmbeddedNode, values: Sequence[Any]) -> str:
    return hex_of(_account(node, Params(values, 2))[1].nonce)


def code(node: EmbeddedNode, values: Sequence[Any]) -> str:
    _, account = _account(node, Params(values, 2))
    return hex_of(b"" if account.code_hash == EMPTY_CODE else node.ledger.file.value(account.code_hash))


def storage_at(node: EmbeddedNode, values: Sequence[Any]) -> str:
    params = Params(values, 3)
    address, slot = params.address(0), storage_slot(params.value(1), "argument 1")
    state = node.ledger.accounts(node.require(params.block(2)))
    return hex_of(state.get_storage(address, slot).to_bytes(32, "big"))


def proof(node: EmbeddedNode, values: Sequence[Any]) -> dict[str, Any]:
    params = Params(values, 3)
    address, keys = params.address(0), params.value(1)
    if not isinstance(keys, list) or len(keys) > LEDGER_PROOF_SLOTS_MAX:
        raise invalid(f"invalid argument 1: want a list of at most {LEDGER_PROOF_SLOTS_MAX} storage keys")
    slots = [storage_slot(key, "argument 1") for key in keys]
    block = node.require(params.block(2))
    state = node.ledger.accounts(block)
    account = state.account(address) or NOBODY
    read = node.ledger.file.node
    return {
        "address": hex_of(address),
        "accountProof": [hex_of(item) for item in prove(read, block.header.state_root, keccak(address))],
        "balance": hex_of(account.balance),
        "codeHash": hex_of(account.code_hash),
        "nonce": hex_of(account.nonce),
        "storageHash": hex_of(account.storage_root),
        "storageProof": [
            {
                "key": hex_of(slot.to_bytes(32, "big")) if len(key) == 66 else hex_of(slot),  # as it was asked for
                "value": hex_of(state.get_storage(address, slot)),
                "proof": [hex_of(item) for item in prove(read, account.storage_root, keccak(slot.to_bytes(32, "big")))]
                if account.storage_root != BLANK_ROOT
                else [],
            }
            for key, slot in zip(keys, slots, strict=True)
        ],
    }


def call(node: EmbeddedNode, values: Sequence[Any]) -> str:
    return hex_of(_simulation(node, Params(values, 4), "latest").call())


def estimate_gas(node: EmbeddedNode, values: Sequence[Any]) -> str:
    return hex_of(_simulation(node, Params(values, 3), "pending").estimate())


def create_access_list(node: EmbeddedNode, values: Sequence[Any]) -> dict[str, Any]:
    entries, used, error = _simulation(node, Params(values, 2), "pending").access_list()
    shown: dict[str, Any] = {
        "accessList": [
            {"address": hex_of(address), "storageKeys": [hex_of(slot.to_bytes(32, "big")) for slot in slots]}
            for address, slots in entries
        ],
        "gasUsed": hex_of(used),
    }
    return shown if error is None else shown | {"error": error}


def _account(node: EmbeddedNode, params: Params) -> tuple[bytes, Account]:
    address = params.address(0)
    return address, node.ledger.accounts(node.require(params.block(1))).account(address) or NOBODY


def _simulation(node: EmbeddedNode, params: Params, default: str) -> Simulation:
    message = read_message(params.value(0), node.ledger.chain_id)
    for index in (2, 3):
        if params.optional(index):
            raise invalid(f"invalid argument {index}: state and block overrides are not supported")
    wanted = params.block(1)
    tag = wanted.tag if params.optional(1) is not None else default
    block = node.require(wanted)
    header = node.next_header(block) if tag == "pending" else block.header
    return Simulation(node.ledger, node.ledger.accounts(block), header, message)


def read_message(value: object, chain_id: int) -> Message:
    """Return the message that a call object describes.

    raises  RpcFault -32602
    """
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise invalid("invalid argument 0: not an object")
    if unknown := sorted(set(value) - _MESSAGE_FIELDS):
        raise invalid(f"invalid argument 0: unknown or unsupported field {unknown[0]!r}")
    given = {key: item for key, item in value.items() if item is not None}
    if "data" in given and "input" in given and given["data"] != given["input"]:
        raise invalid('invalid argument 0: both "data" and "input" are set and not equal')
    if "gasPrice" in given and ("maxFeePerGas" in given or "maxPriorityFeePerGas" in given):
        raise invalid("invalid argument 0: both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    if "chainId" in given and (named := quantity(given["chainId"], "chainId", 64)) != chain_id:
        raise invalid(f"invalid argument 0: chainId does not match node's (have={named}, want={chain_id})")
    payload = data(given.get("input", given.get("data", "0x")), "data")
    if len(payload) > LEDGER_CALL_BYTES_MAX:
        raise invalid(f"invalid argument 0: data is longer than {LEDGER_CALL_BYTES_MAX} bytes")
    numbers = {
        key: quantity(given[key], key, bits) if key in given else None
        for key, bits in (
            ("gas", 63),
            ("gasPrice", 256),
            ("maxFeePerGas", 256),
            ("maxPriorityFeePerGas", 256),
            ("nonce", 64),
        )
    }
    max_fee = numbers["gasPrice"] if numbers["gasPrice"] is not None else numbers["maxFeePerGas"]
    tip = numbers["maxPriorityFeePerGas"]
    if tip is not None and max_fee is not None and tip > max_fee:
        raise invalid(f"maxFeePerGas ({max_fee}) < maxPriorityFeePerGas ({tip})")
    return Message(
        sender=data(given["from"], "from", size=20) if "from" in given else ZERO_ADDRESS,
        to=data(given["to"], "to", size=20) if "to" in given else b"",
        data=payload,
        value=quantity(given["value"], "value") if "value" in given else 0,
        gas=numbers["gas"] or None,
        max_fee=max_fee,
        tip=tip,
        nonce=numbers["nonce"],
        access_list=_access_list(given.get("accessList", [])),
        authorizations=_authorizations(given.get("authorizationList", [])),
    )


def _access_list(value: object) -> tuple[tuple[bytes, tuple[int, ...]], ...]:
    if not isinstance(value, list) or len(value) > LEDGER_PROOF_SLOTS_MAX:
        raise invalid("invalid accessList: not a short list")
    entries: list[tuple[bytes, tuple[int, ...]]] = []
    for item in value:
        keys = item.get("storageKeys", []) if isinstance(item, dict) else None
        if not isinstance(keys, list) or len(keys) > LEDGER_PROOF_SLOTS_MAX:
            raise invalid("invalid accessList: want objects of address and storageKeys")
        slots = tuple(int.from_bytes(data(key, "storageKeys", size=32), "big") for key in keys)
        entries.append((data(item.get("address"), "accessList address", size=20), slots))
    return tuple(entries)


def _authorizations(value: object) -> tuple[Authorization, ...]:
    if not isinstance(value, list) or len(value) > LEDGER_PROOF_SLOTS_MAX:
        raise invalid("invalid authorizationList: not a short list")
    entries: list[Authorization] = []
    for item in value:
        if not isinstance(item, dict):
            raise invalid("invalid authorizationList: want objects")
        entries.append(
            Authorization(
                chain_id=quantity(item.get("chainId"), "chainId"),
                address=data(item.get("address"), "authorization address", size=20),
                nonce=quantity(item.get("nonce"), "nonce", 64),
                y_parity=quantity(item.get("yParity"), "yParity", 8),
                r=quantity(item.get("r"), "r"),
                s=quantity(item.get("s"), "s"),
            )
        )
    return tuple(entries)


METHODS = {
    "eth_getBalance": balance,
    "eth_getTransactionCount": transaction_count,
    "eth_getCode": code,
    "eth_getStorageAt": storage_at,
    "eth_getProof": proof,
    "eth_call": call,
    "eth_estimateGas": estimate_gas,
    "eth_createAccessList": create_access_list,
}
