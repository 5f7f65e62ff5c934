"""What the ledger's tests share: hands that sign, a clock that waits, a provider called by method name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tallystick.chain.embedded import EmbeddedProvider

START = 1_700_000_000
FUNDS = 10**24


class Hand:
    """One account that signs transactions and counts its own nonces."""

    def __init__(self, seed: int) -> None:
        self.account: LocalAccount = Account.from_key(bytes([seed]) * 32)
        self.nonce = 0

    @property
    def address(self) -> str:
        return self.account.address

    @property
    def raw_address(self) -> bytes:
        return bytes.fromhex(self.address[2:])

    def sign(self, **fields: Any) -> bytes:
        """Return a signed transaction; what `fields` leaves out is a cheap transfer with the next nonce."""
        if "nonce" not in fields:
            fields["nonce"] = self.nonce
            self.nonce += 1
        if "gasPrice" not in fields:
            fields = {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 1, **fields}
        whole = {"chainId": 1337, "to": "0x" + "11" * 20, "value": 1, "gas": 100_000, **fields}
        if whole["to"] is None:
            del whole["to"]
        elif isinstance(whole["to"], str):
            whole["to"] = bytes.fromhex(whole["to"][2:])
        return bytes(self.account.sign_transaction(whole).raw_transaction)


@dataclass
class Clock:
    """A clock that only moves when told."""

    now: float = field(default=float(START + 100))

    def __call__(self) -> float:
        return self.now


class Rpc:
    """A provider, called by method name, that returns results and raises what the answer calls an error."""

    def __init__(self, provider: EmbeddedProvider) -> None:
        self.provider = provider

    def __call__(self, method: str, *params: Any) -> Any:
        answer: Any = self.provider.make_request(method, list(params))  # type: ignore[arg-type]
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def error(self, method: str, *params: Any) -> Any:
        """Return the error object of a request that must be refused."""
        with pytest.raises(Refused) as refused:
            self(method, *params)
        return refused.value.args[0]

    def send(self, raw: bytes) -> Any:
        """Send a transaction and return its receipt."""
        return self("eth_getTransactionReceipt", self("eth_sendRawTransaction", "0x" + raw.hex()))


class Refused(Exception):
    """The error object of an answer."""
