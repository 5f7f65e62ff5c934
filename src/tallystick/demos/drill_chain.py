"""Where the drill happens: a chain whose clock can be turned, and parties who send whatever they like."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tallystick.chain.accounts import Account, TransactionFields
from tallystick.chain.bindings.policy_account import Denied
from tallystick.chain.calls import Call
from tallystick.chain.connect import connect
from tallystick.chain.embedded import EmbeddedProvider, Genesis, create
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import Fees
from tallystick.chain.funding import fund_from_unlocked
from tallystick.chain.node import Node
from tallystick.chain.outbox import Outbox
from tallystick.chain.wire import read_data, write_data
from tallystick.core.eip712 import sign_digest
from tallystick.core.errors import Broken, Rejected, Unavailable
from tallystick.core.limits import OUTBOX_POLL_S_MIN, OUTBOX_WAIT_S

FUNDS_WEI: Final = 5 * 10**18
GAS: Final = 4_000_000
_FEES: Final = Fees(cap=10**11, tip=10**9)
PARTIES: Final = ("owner", "guardian", "approver", "agent", "helper", "brief", "scout", "provider", "thief")


class Party:
    """Somebody with a key, who sends without asking whether it will go well."""

    def __init__(self, node: Node, secret: bytes) -> None:
        self._node = node
        self._secret = secret
        self._account = Account(secret)

    @property
    def address(self) -> str:
        """Who it is."""
        return self._account.address

    def outbox(self, path: Path) -> Outbox:
        """Return an outbox, for what is sent in good faith."""
        return Outbox(path, self._node, self._account)

    def sign(self, digest: bytes) -> bytes:
        """Return the signature of a digest."""
        return sign_digest(self._secret, digest)

    def mine(self, call: Call, gas: int = GAS) -> TxReceipt:
        """Return the receipt of a call, whatever came of it; raises Unavailable "drill.waiting"."""
        fields = TransactionFields(
            chain_id=self._node.chain_id, nonce=self._node.nonce(self.address), to=call.to, value=call.value,
            data=call.data, gas=gas, fees=_FEES,
        )  # fmt: skip
        sent = self._node.send_raw(self._account.sign_transaction(fields).raw)
        deadline = time.monotonic() + OUTBOX_WAIT_S
        while (receipt := self._node.receipt(sent)) is None:
            if time.monotonic() > deadline:
                raise Unavailable("drill.waiting", "a transaction of the drill is not mined", hint="try again")
            time.sleep(OUTBOX_POLL_S_MIN)
        return receipt

    def do(self, call: Call) -> TxReceipt:
        """Return the receipt of a call that belongs to the setting; raises Broken "drill.setting" if it fails."""
        receipt = self.mine(call)
        if not receipt.succeeded:
            raise Broken("drill.setting", f"the drill could not be set up: {call.function or 'a contract'} failed")
        return receipt

    def attempt(self, call: Call, gas: int = GAS) -> str:
        """Return why a call was refused, in the contract's words, after mining it; "" if it was not."""
        reason = self._simulated(call, gas)
        receipt = self.mine(call, gas)
        if receipt.succeeded:
            denied = [Denied.decode(log).reason for log in receipt.logs if log.topics[0] == Denied.topic]
            return denied[0] if denied else ""
        return reason or "reverted"

    def _simulated(self, call: Call, gas: int) -> str:
        """Return the reason with which a call would revert now, with this much gas."""
        message = {
            "from": self.address,
            "to": call.to,
            "data": write_data(call.data),
            "gas": hex(gas),
            "value": hex(call.value),
        }
        try:
            self._node.request("eth_call", [message, "latest"], read_data)
        except Rejected as error:
            return error.code
        return ""


@dataclass(frozen=True)
class Stage:
    """A node, its parties by name, and its clock."""

    node: Node
    parties: dict[str, Party]
    clock: Clock

    def __getitem__(self, name: str) -> Party:
        """Return a party."""
        return self.parties[name]

    def now_s(self) -> int:
        """Return the time of the newest block."""
        return self.node.block().timestamp

    def wait(self, seconds: int) -> None:
        """Let so much time pass on the chain, and mine a block in it."""
        self.clock.turn(self.node, seconds)
        self.parties["owner"].do(Call(self.parties["owner"].address, b""))


class Clock:
    """Time of the chain: of the machine, with what was turned ahead."""

    def __init__(self, *, is_own: bool) -> None:
        self._ahead_s = 0
        self._is_own = is_own

    def __call__(self) -> float:
        """Return Unix seconds."""
        return time.time() + self._ahead_s

    def turn(self, node: Node, seconds: int) -> None:
        """Turn it ahead: ours, or a development node's; raises what a node says that has no such clock."""
        if self._is_own:
            self._ahead_s += seconds
        else:
            node.request("evm_increaseTime", [seconds], lambda value, _: value)


@contextlib.contextmanager
def open_stage(folder: Path, rpc: str | None) -> Iterator[Stage]:
    """Open a chain on which the parties have coins: a development node's, or an embedded one."""
    clock = Clock(is_own=rpc is None)
    path = folder / "chain.db"
    keys = {name: secrets.token_bytes(32) for name in PARTIES}
    if rpc is None:
        balances = {bytes.fromhex(Account(key).address[2:]): FUNDS_WEI for key in keys.values()}
        create(path, Genesis(timestamp=int(time.time()), balances=balances))
        node = Node(EmbeddedProvider(path, clock=clock))
    else:
        node = connect(rpc)
    with node:
        parties = {name: Party(node, key) for name, key in keys.items()}
        if rpc is not None:
            for one in parties.values():
                fund_from_unlocked(node, one.address, FUNDS_WEI)
        yield Stage(node, parties, clock)
