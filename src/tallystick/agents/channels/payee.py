"""The payee's side of a channel: look at a call, take it up, and say under signature what it cost.

What is looked at, in this order; the first that fails is told:

 1  the channel is to this payee, its id is that of its terms, its delay is long enough to look at the chain in
 2  the numbers fit their words
 3  the voucher is its authorizer's, and so is the call that it is handed over for
 4  the chain has the channel, open, not closing, and not about to expire
 5  the voucher is within the deposit
 6  the book: the number is new, and the highest voucher covers this call and all before it

A voucher counts for ever only if a key signs it. A channel without an authorizer whose payer has code is therefore
refused at 3: what its payer says today it can deny when the voucher is brought.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tallystick.agents.channels.payee_book import Done, Offer, PayeeBook, Taken, Work
from tallystick.agents.channels.signing import SignedCall, channel_id, signer_of
from tallystick.agents.channels.standing import Standings
from tallystick.chain.accounts import Account
from tallystick.chain.bindings.payment_channels import Terms
from tallystick.core.digest import sha256
from tallystick.core.eip712 import Domain, Signer
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.core.limits import CHANNEL_ANSWER_BYTES_MAX, CHANNEL_MARGIN_S, CHANNEL_VIEWS_MAX

DELAY_S_MIN: Final = 900  # the contract's least: the chain is looked at thirty times in it
NO_ANSWER: Final = bytes(32)  # of a receipt that speaks for no answer
_M63, _M128 = 2**63 - 1, 2**128 - 1


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it came in."""

    terms: Terms
    signed: SignedCall


@dataclass(frozen=True, slots=True)
class Answered:
    """A call that is charged and answered, under the payee's signature."""

    done: Done
    signature: bytes


class Payee:
    """Takes calls for the payee `address`; safe among threads, and among processes that share the book.

    key          signs receipts
    address      the payee of the channels; the key's own if left out
    delay_s_min  channels that could be emptied sooner are refused
    margin_s     before a channel ends no call is taken
    """

    def __init__(
        self,
        book: PayeeBook,
        standings: Standings,
        domain: Domain,
        key: bytes,
        *,
        address: str = "",
        delay_s_min: int = DELAY_S_MIN,
        margin_s: int = CHANNEL_MARGIN_S,
    ) -> None:
        self.book = book
        self.domain = domain
        self.receipt_key = Account(key).address
        self.address = address or self.receipt_key
        self._standings = standings
        self._key = Signer(key)
        self._delay_s_min = delay_s_min
        self._margin_s = margin_s
        self._vouchers: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()  # the last that was checked, by channel

    def take(self, requests: Sequence[Request]) -> list[Taken | Answered | TallystickError]:
        """Return what is to be done about each call; what is taken is so for all who share the book.

        errors among what is returned: InvalidInput "channel.payee", "channel.terms", "channel.delay", "channel.amount",
        "channel.unknown", "channel.closed", "channel.ending", "channel.over_deposit", and those of `PayeeBook.take`;
        VerificationFailed "channel.voucher", "channel.signature"; Unavailable where the chain cannot be looked at
        """
        looked = [self._look(one) for one in requests]
        offers = [one for one in looked if isinstance(one, Offer)]
        taken = iter(self.book.take(offers) if offers else ())
        return [self._answer(next(taken)) if isinstance(one, Offer) else one for one in looked]

    def check(self, request: Request) -> None:
        """Return if a call could be taken now; nothing is taken. Raises what `take` would return."""
        found = self._look(request)
        if isinstance(found, TallystickError):
            raise found
        self.book.check(found)

    def charge(self, taken: Taken) -> Answered:
        """Return the receipt of a call that costs its whole bound; it speaks for no answer."""
        (done,) = self.book.finish([Work(taken.call, taken.call.bound, NO_ANSWER, b"")])
        return self._signed(done)

    def finish(self, works: Sequence[tuple[Taken, int, bytes]]) -> list[Answered]:
        """Return the receipts of calls that were taken: (call, what it costs, the answer). All of it is on the disk.

        A handler that failed costs nothing: its answer says so, and the receipt charges 0.

        raises  InvalidInput "channel.answer_size" for an answer that is too large to be kept; Broken as
                `PayeeBook.finish`
        """
        for _, _, answer in works:
            if len(answer) > CHANNEL_ANSWER_BYTES_MAX:
                raise InvalidInput(
                    "channel.answer_size", "the answer is too large to be kept", got=len(answer),
                    expected=f"≤ {CHANNEL_ANSWER_BYTES_MAX} bytes",
                )  # fmt: skip
        done = self.book.finish([Work(taken.call, cost, sha256(answer), answer) for taken, cost, answer in works])
        return [self._signed(one) for one in done]

    # --- parts

    def _answer(self, found: Taken | Done | TallystickError) -> Taken | Answered | TallystickError:
        return self._signed(found) if isinstance(found, Done) else found

    def _signed(self, done: Done) -> Answered:
        return Answered(done, done.receipt.sign(self.domain, self._key))

    def _look(self, request: Request) -> Offer | TallystickError:
        try:
            self._check_terms(request)
            _check_numbers(request.signed)
            self._check_signatures(request)
            return Offer(request.terms, request.signed, self._check_standing(request))
        except TallystickError as error:
            return error

    def _check_terms(self, request: Request) -> None:
        terms = request.terms
        if terms.payee != self.address:
            raise InvalidInput("channel.payee", "the channel pays another", expected=self.address, got=terms.payee)
        if channel_id(terms) != request.signed.call.channel:
            raise InvalidInput("channel.terms", "the call is of a channel with other terms")
        if terms.withdraw_delay_s < self._delay_s_min:
            raise InvalidInput(
                "channel.delay", "the channel can be emptied too soon",
                expected=f"≥ {self._delay_s_min} s", got=terms.withdraw_delay_s,
            )  # fmt: skip

    def _check_signatures(self, request: Request) -> None:
        signed, channel = request.signed, request.signed.call.channel
        voucher = (signed.call.max_amount, signed.voucher)
        is_known = self._vouchers.get(channel) == voucher
        signed.check(self.domain, signer_of(request.terms), is_voucher_known=is_known)
        if not is_known:
            self._vouchers[channel] = voucher
            while len(self._vouchers) > CHANNEL_VIEWS_MAX:
                self._vouchers.popitem(last=False)

    def _check_standing(self, request: Request) -> int:
        """Return the deposit; looked at again where the voucher is for more than was known."""
        call = request.signed.call
        standing = self._standings.of(call.channel)
        if not standing.is_known or call.max_amount > standing.deposit:
            standing = self._standings.of(call.channel, age_s=0)
        if not standing.is_known:
            raise InvalidInput(
                "channel.unknown", "the chain has no such channel", hint="open it, and wait until it is mined"
            )
        if standing.is_closed:
            raise InvalidInput("channel.closed", "the channel is closed", hint="open another")
        ends = standing.ends(request.terms.expires)
        if standing.chain_s + self._margin_s >= ends:
            raise InvalidInput(
                "channel.ending", "the channel is about to end", expected=f"> {standing.chain_s + self._margin_s}",
                got=ends, hint="open another",
            )  # fmt: skip
        if standing.closes:
            raise InvalidInput("channel.ending", "its payer wants the rest back", got=ends, hint="open another")
        if call.max_amount > standing.deposit:
            raise InvalidInput(
                "channel.over_deposit", "the voucher is for more than the channel holds",
                expected=f"≤ {standing.deposit}", got=call.max_amount, hint="top the channel up",
            )  # fmt: skip
        return standing.deposit


def _check_numbers(signed: SignedCall) -> None:
    call = signed.call
    if not (0 < call.number <= _M63 and 0 <= call.bound <= call.max_amount <= _M128):
        raise InvalidInput(
            "channel.amount", "the numbers of the call do not fit", got=f"{call.number}, {call.bound}",
            expected="a number from 1, and a bound that the voucher covers",
        )  # fmt: skip
