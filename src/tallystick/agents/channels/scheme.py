"""Channels as one more scheme of a cashier: whoever takes payments by x402 may take them over channels too.

One payment is one call of a channel whose bound is the price; it is charged whole when the work is done. Servers that
charge less than the bound, and those that answer a thousand calls a second, take calls themselves: `payee.py`. A
receipt made here speaks for no answer (32 zero bytes), since a cashier signs one of its own that does.
"""

from __future__ import annotations

from typing import Final

from tallystick.agents.channels import wire
from tallystick.agents.channels.payee import Answered, Payee, Request
from tallystick.agents.channels.payee_book import Taken
from tallystick.agents.channels.signing import signer_of
from tallystick.agents.payments.outcomes import Claimable, Outcome, Refused, Settled, Unknown, Verdict
from tallystick.agents.payments.terms import OPERATION
from tallystick.agents.payments.wire import Payment, Requirements
from tallystick.core.digest import keccak
from tallystick.core.errors import TallystickError, Unavailable

CONTRACT: Final = "contract"  # in a requirement's extra: where the channel is
RECEIPT: Final = "channel-receipt"  # in a settlement's extensions


class ChannelScheme:
    """The scheme `channel` of one payee and one contract."""

    name: Final = wire.SCHEME

    def __init__(self, payee: Payee) -> None:
        self._payee = payee

    def claim(self, payment: Payment, requirements: Requirements) -> Claimable | Refused:
        """Return what the payment claims to be."""
        try:
            request = wire.read_payload(payment.payload)
        except TallystickError as error:
            return Refused("invalid_payload", str(error))
        call = request.signed.call
        return Claimable(
            network=requirements.network,
            asset=requirements.asset,
            payer=signer_of(request.terms),
            payee=request.terms.payee,
            amount=call.bound,
            nonce=keccak(call.channel + call.number.to_bytes(16, "big")),
            digest=keccak(call.digest(self._payee.domain) + request.signed.voucher + request.signed.signature),
        )

    def verify(self, payment: Payment, requirements: Requirements) -> Verdict | Unknown:
        """Return whether it is the payer's, for this operation at this price, and covered now; nothing is taken."""
        try:
            request = wire.read_payload(payment.payload)
            payer = signer_of(request.terms)
            reason = self._mismatch(request, requirements)
            if reason:
                return Verdict(False, payer, reason)
            self._payee.check(request)
        except Unavailable as error:
            return Unknown.of(error)
        except TallystickError as error:
            return Verdict(False, "", "invalid_payload" if error.code == "channel.wire" else error.code, str(error))
        return Verdict(True, payer)

    def settle(self, payment: Payment, requirements: Requirements) -> Outcome:
        """Charge the call, once however often this is asked for the same payment."""
        try:
            request = wire.read_payload(payment.payload)
            reason = self._mismatch(request, requirements)
            if reason:
                return Refused(reason)
            (found,) = self._payee.take([request])
            if isinstance(found, Taken):
                found = self._payee.charge(found)
        except TallystickError as error:
            found = error
        if isinstance(found, Answered):
            return self._settled(request, requirements, found)
        return Unknown.of(found) if isinstance(found, Unavailable) else Refused(found.code, str(found))

    # --- parts

    def _mismatch(self, request: Request, requirements: Requirements) -> str:
        """Return x402's word for what does not fit what is asked; empty where all does."""
        domain, call = self._payee.domain, request.signed.call
        told = str(requirements.extra.get(OPERATION, "")).lower()
        if requirements.network != f"eip155:{domain.chain_id}":
            return "network_mismatch"
        if str(requirements.extra.get(CONTRACT, "")).lower() != domain.verifying_contract.lower():
            return "tally_channel_contract_mismatch"
        if told != "0x" + call.operation.hex():
            return "tally_channel_operation_mismatch"
        return "" if call.bound == requirements.amount else "tally_channel_amount_mismatch"

    def _settled(self, request: Request, requirements: Requirements, answered: Answered) -> Settled:
        receipt, call = answered.done.receipt, request.signed.call
        return Settled(
            network=requirements.network,
            payer=signer_of(request.terms),
            amount=receipt.charged,
            transaction=f"channel:0x{call.channel.hex()}:{call.number}",
            extensions={RECEIPT: wire.receipt_members(answered)},
        )
