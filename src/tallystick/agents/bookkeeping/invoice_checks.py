"""Whether an invoice is good, and whether it is paid: by its signature, and by what the chain shows.

What pays an invoice is a fact on chain: a transfer of just its amount from the buyer to `pay_to`, in one transaction
with an authorization whose nonce is one of the invoice's; the transaction that the payer's book names; or a claim that
brings the channel's payee to where the invoice says. A payer's word alone pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tallystick.agents.bookkeeping.invoice import Invoice, SignedInvoice
from tallystick.agents.payments.outcomes import Claimable
from tallystick.agents.payments.transfers import find_transfer
from tallystick.chain.abi import read
from tallystick.chain.bindings.payment_channels import Claimed, PaymentChannels
from tallystick.chain.bindings.token import Transfer
from tallystick.chain.deploy import read_coin_of
from tallystick.chain.facts import TxReceipt
from tallystick.chain.node import Node
from tallystick.core.checks import Check, Report
from tallystick.core.digest import parse_hex32
from tallystick.core.eip712 import recover
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, VerificationFailed

_MAGIC: Final = bytes.fromhex("1626ba7e")  # ERC-1271
_KEY_BYTES: Final = 65


@dataclass(frozen=True)
class Payment:
    """What paid an invoice: a transaction, and how it is known to have been meant for it."""

    transaction: bytes
    how: str


def check_invoice(
    signed: SignedInvoice, node: Node, *, seller: str | None = None, buyer: str | None = None, now_s: int | None = None
) -> Report:
    """Return the checks of an invoice that came from outside.

    1  it is of this chain        2  its seller signed it: a key, or an account that says so (ERC-1271)
    3  the seller is who is expected, where that is said     4  it bills who is expected, where that is said
    5  it is not overdue, where a time is given              6  its channel is one of its buyer and seller, in its token
    """
    return Report.of(_checks(signed, node, seller, buyer, now_s))


def _checks(
    signed: SignedInvoice, node: Node, seller: str | None, buyer: str | None, now_s: int | None
) -> Iterator[Check]:
    one = signed.invoice
    yield Check.equal("chain", f"eip155:{node.chain_id}", one.network)
    yield _signature(signed, node)
    if seller is not None:
        yield Check.equal("seller", seller, one.seller, "whom the invoice is expected from")
    if buyer is not None:
        yield Check.equal("buyer", buyer, one.buyer, "who is to be billed")
    if now_s is not None:
        yield Check("due", now_s <= one.due, "not overdue", f"≤ {one.due}", str(now_s))
    if one.channel is not None:
        yield _channel(one, node)


def _signature(signed: SignedInvoice, node: Node) -> Check:
    one, digest = signed.invoice, signed.invoice.signing_digest()
    try:
        if not node.code(one.seller):
            return Check.equal("signature", one.seller, recover(digest, signed.signature), "by the seller's key")
        types = (["bytes32", "bytes"], [digest, signed.signature], ["bytes4"])
        (said,) = read(node, one.seller, _MAGIC.hex(), *types, "latest")
        return Check.equal("signature", _MAGIC, said, "by the seller's account (ERC-1271)")
    except (VerificationFailed, InvalidInput, Rejected) as error:
        return Check.failed("signature", error)


def _channel(one: Invoice, node: Node) -> Check:
    stretch = one.channel
    assert stretch is not None
    try:
        known = PaymentChannels(node, stretch.contract).channel_of(stretch.id)
        coin = read_coin_of(node, stretch.contract)
    except TallystickError as error:
        return Check.failed("channel", error)
    expected, got = f"{one.buyer} in {one.asset}", f"{known.payer} in {coin}"
    is_enough = stretch.after <= known.deposit
    detail = "of the buyer, in its token, with a deposit that covers it"
    return Check("channel", expected == got and is_enough, detail, expected, f"{got}, deposit {known.deposit}")


def find_payment(node: Node, one: Invoice, from_block: int, named: str = "") -> Payment | None:
    """Return what paid an invoice, as the chain shows it from a block on; None where nothing did.

    named   a transaction of which a book says that it did: for payers whose nonces are not free to choose
    raises  Unavailable where the chain does not answer; InvalidInput "rpc.…"
    """
    if one.network != f"eip155:{node.chain_id}":
        return None
    if one.channel is not None:
        return _claimed(node, one, from_block)
    for nonce in one.nonces():
        key = Claimable(one.network, one.asset, one.buyer, one.pay_to, one.amount, nonce, b"")
        found = find_transfer(node, key, from_block)
        if found is not None:
            return Payment(parse_hex32(found.transaction, "transaction"), "its authorization names the invoice")
    return _named(node, one, named) if named else None


def _claimed(node: Node, one: Invoice, from_block: int) -> Payment | None:
    stretch = one.channel
    assert stretch is not None
    for log in node.logs(stretch.contract, (Claimed.topic, stretch.id), from_block=from_block):
        event = Claimed.decode(log)
        if event.total >= stretch.after and (event.payer, event.payee) == (one.buyer, one.pay_to):
            return Payment(log.transaction_hash, f"the channel paid {event.total} in all")
    return None


def _named(node: Node, one: Invoice, named: str) -> Payment | None:
    receipt = node.receipt(parse_hex32(named, "transaction"))
    if receipt is None or not has_payment(receipt, one):
        return None
    return Payment(receipt.transaction_hash, "the transaction that the book names")


def has_payment(receipt: TxReceipt, one: Invoice) -> bool:
    """Whether a transaction moved the invoice's amount from its buyer to where it is to be paid."""
    for log in receipt.logs if receipt.succeeded else ():
        if log.address != one.asset or not log.topics or log.topics[0] != Transfer.topic:
            continue
        try:
            moved = Transfer.decode(log)
        except InvalidInput:
            continue  # a token may log what it likes
        if (moved.sender, moved.receiver, moved.amount) == (one.buyer, one.pay_to, one.amount):
            return True
    return False
