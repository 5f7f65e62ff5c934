"""Who sends: the workspace's account, or another key of its keystore, by name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.outbox import Outbox
from tallystick.core.digest import keccak
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

OWN: Final = "main"  # the workspace's account
GAS_WEI: Final = 10**18  # what another key of the embedded chain, where coins are worth nothing, gets for gas


def account_of(tally: Tally, key: str) -> Account:
    """Return the account of a key; raises as `Tally.secret`."""
    return tally.account if key == OWN else Account(tally.secret(key).reveal())


def address_of(tally: Tally, key_or_address: str) -> str:
    """Return the address that a user means: one that is written out, or that of a key of the keystore.

    raises  InvalidInput "address.…", "keys.missing", "keys.kind"

    On the embedded chain a key that is missing is made; elsewhere `tally key new` makes it. No passphrase is needed.
    """
    if key_or_address.startswith("0x"):
        return parse_address(key_or_address)
    if tally.workspace.is_embedded:
        return account_of(tally, key_or_address).address
    known = tally.workspace.keyring.info(key_or_address)
    if known.kind != "secp256k1":
        raise InvalidInput("keys.kind", f"key {known.name!r} is a signer", expected="an account", got=known.kind)
    return parse_address(known.public)


@contextmanager
def outbox_of(tally: Tally, key: str) -> Iterator[Outbox]:
    """Give the outbox of a key; on the embedded chain the workspace's account pays for its gas."""
    if key == OWN:
        yield tally.outbox
        return
    account = account_of(tally, key)
    if tally.workspace.is_embedded and tally.node.balance(account.address) < GAS_WEI // 100:
        fund = Call(account.address, b"", GAS_WEI, "account", "fund")
        tally.outbox.send_and_wait(fund, key=f"gas for {account.address} at {tally.node.block_number()}")
    outbox = Outbox(tally.workspace.outbox_path, tally.node, account)
    try:
        yield outbox
    finally:
        outbox.close()


def send(tally: Tally, key: str, call: Call, intent: str) -> TxReceipt:
    """Send a call that may be wanted again later, each time as another intent, and wait until it is mined."""
    with outbox_of(tally, key) as outbox:
        what = f"{keccak(call.data).hex()[:16]} by {outbox.account.address}"
        return outbox.send_and_wait(call, key=f"agents {intent} {what} at {tally.node.block_number()}")


def now_s(tally: Tally) -> int:
    """Return the time of the newest block: a call is simulated at it."""
    return tally.node.block().timestamp
