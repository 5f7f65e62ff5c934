"""Where the contracts that hold money are, and what they count in.

A contract counts in one coin, so there is one instance for every coin, at the address that the coin determines. A
workspace has one of each name, the one that was deployed or found last; any other is reached by its address.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tallystick.chain.calls import Call, Log
from tallystick.chain.coin import Coin, read_coin
from tallystick.chain.deploy import check_code, deploy, find_birth, read_coin_of
from tallystick.chain.deployments import Deployment, record_deployment
from tallystick.chain.log_query import Topics
from tallystick.chain.node import Node
from tallystick.chain.outbox_rows import MINED
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import LOG_RANGE_BLOCKS_MAX

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally


@dataclass(frozen=True)
class Place:
    """One contract and the coin that it counts in; before `first_block` it has no event."""

    contract: str
    address: str
    first_block: int
    coin: Coin

    def value(self, units: int) -> int:
        """Return what a call that pays so much carries along: nothing where the coin is a token."""
        return units if self.coin.is_native else 0

    def last(self, tally: Tally, topic: bytes) -> bytes:
        """Return the id of the newest request of this workspace's account, whose events have this topic.

        raises  InvalidInput "request.none"
        """
        consumer = bytes.fromhex(tally.account.address[2:]).rjust(32, b"\0")
        found = self.newest(tally.node, (topic, None, consumer), 1)
        if not found:
            raise InvalidInput("request.none", f"this account asked nothing of {self.address}", hint="`ask` first")
        return found[0].topics[1]

    def newest(self, node: Node, topics: Topics, limit: int, *, blocks: int = LOG_RANGE_BLOCKS_MAX) -> list[Log]:
        """Return the newest events with these topics, the youngest first; so many blocks are read at a time."""
        found: list[Log] = []
        last = node.block_number()
        while len(found) < limit and last >= self.first_block:
            first = max(self.first_block, last - blocks + 1)
            found += reversed(node.logs(self.address, topics, from_block=first, to_block=last))
            last = first - 1
        return found[:limit]

    def send(self, tally: Tally, call: Call, intent: str) -> None:
        """Send a call that may be wanted again later, each time as another intent, and wait until it is mined.

        One of the same intent that is on its way already is waited for, so that who asks again does not pay twice.
        """
        prefix, outbox = f"{self.contract} {self.address} {intent} at ", tally.outbox
        on_its_way = (row.key for row in outbox.pending() if row.key.startswith(prefix) and row.state != MINED)
        outbox.send_and_wait(call, key=next(on_its_way, f"{prefix}{tally.node.block_number()}"))

    def pay(self, tally: Tally, units: int, *, approve: bool) -> None:
        """Return if the contract can be paid so much by this workspace's account.

        approve  let it take just this amount, where the coin is a token
        raises   Rejected "coin.balance"; InvalidInput "coin.allowance"
        """
        if approve:
            self.coin.approve(tally.outbox, self.address, units)
        self.coin.check_payable(tally.node, tally.account.address, self.address, units)


def now_s(tally: Tally) -> int:
    """Return the time of the block to come: the chain's, or the clock's where the chain stands still."""
    return max(tally.node.block().timestamp, int(time.time()))


def find_place(tally: Tally, contract: str, address: str | None = None) -> Place:
    """Return where the workspace's `contract` is, or the one at an address, whose code is compared with ours.

    raises  InvalidInput "deployments.absent" where nobody told, "chain.no_contract"; VerificationFailed "deploy.code"
    """
    if address is not None:
        found = parse_address(address)
        check_code(tally.node, contract, found, has_immutables=True)
        return Place(contract, found, find_birth(tally.node, found), _coin(tally, found))
    try:
        found, first_block = tally.address(contract), tally.first_block(contract)
    except InvalidInput as error:
        if error.code == "deployments.absent":
            error.hint = "`tally chain deploy` puts the contracts there, or finds them"
        raise
    return Place(contract, found, first_block, _coin(tally, found))


def deploy_place(tally: Tally, contract: str, coin: str) -> tuple[Place, Deployment]:
    """Return where `contract` counts in this coin, after putting it there if it was not, and how.

    raises  as `chain.deploy.deploy`; InvalidInput "coin.decimals", "address.…", "chain.no_contract"

    It is the workspace's from here on. What was asked of another one stays there.
    """
    found = read_coin(tally.node, coin)
    made = deploy(tally.outbox, contract, arguments=[found.address])
    folder = tally.workspace.deployments_path.parent
    record_deployment(folder, tally.node.chain_id, tally.node.genesis_hash, made)
    return Place(contract, made.address, made.block_number, found), made


def _coin(tally: Tally, address: str) -> Coin:
    return read_coin(tally.node, read_coin_of(tally.node, address))
