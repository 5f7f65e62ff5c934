"""The payer's side of a channel: write a call down, sign it, and take the payee's receipt for what it cost.

    (signed,) = payer.sign(channel, [(operation, bound)])        on the disk; send it
    payer.learn(channel, [(signed, receipt, signature)])        the payee's word for it, checked and kept
    payer.repeat(channel)                                        after a crash: the same bytes again

One key signs vouchers and calls: the channel's authorizer, which for a policy account is a session's key. What it can
lose is the deposit.
"""

from __future__ import annotations

from collections.abc import Sequence

from tallystick.agents.channels.payer_book import Channel, PayerBook
from tallystick.agents.channels.signing import CallReceipt, PaidCall, SignedCall, domain_of, signer_of
from tallystick.chain.accounts import Account
from tallystick.core.eip712 import Domain, Signer
from tallystick.core.errors import InvalidInput, VerificationFailed


class Payer:
    """Pays over the channels in a book whose vouchers the key `secret` signs."""

    def __init__(self, book: PayerBook, secret: bytes) -> None:
        self.book = book
        self.address = Account(secret).address
        self._key = Signer(secret)
        self._vouchers: dict[bytes, tuple[int, bytes]] = {}  # the highest that was signed here, by channel
        self._channels: dict[bytes, Channel] = {}

    def sign(self, channel: bytes, wanted: Sequence[tuple[bytes, int]]) -> list[SignedCall | InvalidInput]:
        """Return signed calls for (operation, bound) each; they are on the disk.

        Among them InvalidInput "channel.exhausted" for those that the deposit does not cover.

        raises  InvalidInput "channel.not_ours", "channel.other_key"
        """
        found = self._found(channel)
        made = self.book.reserve(channel, wanted)
        return [self._signed(found, one) if isinstance(one, PaidCall) else one for one in made]

    def repeat(self, channel: bytes) -> list[SignedCall]:
        """Return the calls without a receipt, as they were signed."""
        found = self._found(channel)
        return [self._signed(found, call) for call in self.book.undecided(channel)]

    def learn(
        self, channel: bytes, answers: Sequence[tuple[SignedCall, CallReceipt, bytes]]
    ) -> list[VerificationFailed | None]:
        """Record what calls cost, by the payee's receipts.

        Returned is what is wrong with each: not the payee's, of another call, beyond the call's bound. A receipt that
        is wrong changes nothing.
        """
        found = self._found(channel)
        domain = domain_of(found.chain_id, found.contract)
        faults = [_fault(*one, domain, found.receipt_key) for one in answers]
        good = [one for one, fault in zip(answers, faults, strict=True) if fault is None]
        self.book.settle(channel, [(receipt, signature) for _, receipt, signature in good])
        return faults

    def _found(self, channel: bytes) -> Channel:
        """Return what is fixed about a channel; the numbers in it are old."""
        if channel not in self._channels:
            found = self.book.channel(channel)
            if signer_of(found.terms) != self.address:
                raise InvalidInput(
                    "channel.other_key", "another key signs for this channel",
                    expected=signer_of(found.terms), got=self.address,
                )  # fmt: skip
            self._channels[channel] = found
        return self._channels[channel]

    def _signed(self, found: Channel, call: PaidCall) -> SignedCall:
        known = self._vouchers.get(call.channel)
        voucher = known[1] if known is not None and known[0] == call.max_amount else None
        signed = SignedCall.sign(call, domain_of(found.chain_id, found.contract), self._key, voucher)
        self._vouchers[call.channel] = (call.max_amount, signed.voucher)
        return signed


def _fault(
    signed: SignedCall, receipt: CallReceipt, signature: bytes, domain: Domain, receipt_key: str
) -> VerificationFailed | None:
    try:
        receipt.check(signed.call, domain, signature, receipt_key)
    except VerificationFailed as error:
        return error
    return None
