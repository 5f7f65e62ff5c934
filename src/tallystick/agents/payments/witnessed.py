"""The scheme `exact` where another settles: it is asked to, and the chain is asked whether it did.

Whether a payment is good is looked at here, since a node is at hand. A facilitator can then only be slow or lie about
settling, and neither costs the seller an answer or the payer a second payment: "settled" counts where the token's logs
show the transfer, "failed" where the nonce cannot be spent any more, and everything else is not known yet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from tallystick.agents.payments import reasons
from tallystick.agents.payments.outcomes import Claimable, Outcome, Refused, Settled, Unknown, Verdict
from tallystick.agents.payments.transfers import find_recent, has_transfer, is_spent
from tallystick.agents.payments.verifying import Verifier
from tallystick.agents.payments.wire import EXACT, Payment, Requirements, Settlement
from tallystick.chain.node import Node
from tallystick.core.digest import parse_hex32
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.ids import parse_address


class Settler(Protocol):
    """A facilitator, as far as it is needed."""

    def settle(self, payment: Payment, requirements: Requirements) -> Settlement:
        """Return what it says; raises Unavailable, InvalidInput where it says nothing that can be read."""
        ...


class WitnessedScheme:
    """Takes payments that `settler` settles, with the chain of `node` as the witness."""

    name: Final = EXACT

    def __init__(self, settler: Settler, verifier: Verifier, node: Node, clock: Callable[[], float]) -> None:
        self._settler = settler
        self._verifier = verifier
        self._node = node
        self._clock = clock

    def claim(self, payment: Payment, requirements: Requirements) -> Claimable | Refused:
        """Return what the payment claims to be."""
        return self._verifier.claim(payment, requirements)

    def verify(self, payment: Payment, requirements: Requirements) -> Verdict | Unknown:
        """Return whether it could be settled now."""
        return self._verifier.verify(payment, requirements)

    def settle(self, payment: Payment, requirements: Requirements) -> Outcome:
        """Have the money moved; asked again, what the chain shows is returned and nobody is asked anew."""
        key = self.claim(payment, requirements)
        if isinstance(key, Refused):
            return key
        try:
            shown = self._shown(key)
            if shown is not None:
                return shown
            told = self._settler.settle(payment, requirements)
            return self._judged(told, key)
        except (Unavailable, InvalidInput, Rejected) as error:
            return Unknown("settlement_pending", f"{error.code}: {error.message}"[:200], key.payer)

    # --- parts

    def _judged(self, told: Settlement, key: Claimable) -> Outcome:
        """Return the outcome that the chain bears out."""
        if told.success:
            receipt = self._node.receipt(parse_hex32(told.transaction.lower(), "transaction"))
            if receipt is not None and receipt.succeeded and has_transfer(receipt.logs, parse_address(key.asset), key):
                return Settled(key.network, key.payer, key.amount, "0x" + receipt.transaction_hash.hex())
        shown = self._shown(key)
        if shown is not None:
            return shown
        if told.success:
            return Unknown(reasons.NOT_THERE, reasons.MEANINGS[reasons.NOT_THERE], key.payer, told.transaction)
        if told.reason == reasons.PENDING:
            return Unknown(reasons.PENDING, told.message, key.payer, told.transaction)
        return Refused(told.reason or reasons.FAILED, told.message, key.payer)

    def _shown(self, key: Claimable) -> Settled | Refused | None:
        """Return what the chain says for good; None where it says nothing yet."""
        if is_spent(self._node, key):
            return find_recent(self._node, key) or Refused(reasons.USED, reasons.MEANINGS[reasons.USED], key.payer)
        if key.valid_before and self._node.block().timestamp >= key.valid_before:
            return Refused(reasons.EXPIRED, reasons.MEANINGS[reasons.EXPIRED], key.payer)
        return None
