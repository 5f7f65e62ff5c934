"""The signer that the package's own facilitator asks for, over the market's ledger; the bench's peer uses it too."""

from __future__ import annotations

import itertools
from typing import Any

from eth_abi.abi import decode, encode
from x402.mechanisms.evm.types import TransactionReceipt

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.fees import Fees
from tallystick.chain.node import Node
from tallystick.core.digest import keccak
from tallystick.core.ids import parse_address


def _calldata(abi: Any, name: str, values: tuple[Any, ...]) -> tuple[bytes, list[str]]:
    entry = next(one for one in abi if one.get("name") == name and len(one["inputs"]) == len(values))
    types = [one["type"] for one in entry["inputs"]]
    selector = keccak(f"{name}({','.join(types)})".encode())[:4]
    return selector + encode(types, values), [one["type"] for one in entry["outputs"]]


class NodeSigner:
    """Signs with one key on one node, nonces counted in memory and legacy prices, as the package's own does."""

    def __init__(self, node: Node, account: Account, gas: int = 500_000) -> None:
        self._node, self._account, self._gas = node, account, gas
        self._nonces = itertools.count(node.nonce(account.address))

    def get_addresses(self) -> list[str]:
        return [self._account.address]

    def read_contract(self, address: str, abi: Any, function_name: str, *args: Any) -> Any:
        data, outputs = _calldata(abi, function_name, args)
        answer = self._node.call(parse_address(address), data, sender=self._account.address, at="pending")
        values = decode(outputs, answer)
        return values[0] if len(values) == 1 else values or None

    def verify_typed_data(self, *args: Any, **kwargs: Any) -> bool:
        raise AssertionError("the scheme exact by EIP-3009 never asks this")

    def write_contract(self, address: str, abi: Any, function_name: str, *args: Any, data_suffix: Any = None) -> str:
        data, _ = _calldata(abi, function_name, args)
        return self.send_transaction(parse_address(address), data)

    def send_transaction(self, to: str, data: bytes) -> str:
        fees = Fees(cap=10**11, tip=0)
        fields = TransactionFields(self._node.chain_id, next(self._nonces), to, 0, data, self._gas, fees)
        return "0x" + self._node.send_raw(self._account.sign_transaction(fields).raw).hex()

    def wait_for_transaction_receipt(self, tx_hash: str) -> TransactionReceipt:
        found = self._node.receipt(bytes.fromhex(tx_hash[2:]))
        assert found is not None
        logs = [{"address": one.address, "topics": list(one.topics), "data": one.data} for one in found.logs]
        return TransactionReceipt(int(found.succeeded), found.block_number, tx_hash, logs)

    def get_balance(self, address: str, token_address: str) -> int:
        return self._node.balance(parse_address(address))

    def get_chain_id(self) -> int:
        return self._node.chain_id

    def get_code(self, address: str) -> bytes:
        return self._node.code(parse_address(address))


def LedgerSigner(market: Any) -> NodeSigner:
    """Return the signer of the market's bringer."""
    return NodeSigner(market.node, Account(b"\x63" * 32))
