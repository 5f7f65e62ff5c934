"""What may come of a payment, and the two seams that carry it: how one is checked and settled, and how one is made.

The third outcome is the one that matters. Whoever does not know whether money moved says so, and the payer repeats the
same payment; a new challenge instead would make an honest payer pay twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.wire import Members, Payment, Requirements, Settlement
from tallystick.core.errors import TallystickError
from tallystick.core.limits import PAYMENT_RETRY_AFTER_S


@dataclass(frozen=True)
class Claimable:
    """What makes a payment one of a kind: whoever has claimed this may settle it, and nobody else.

    nonce         the payer's, spent once
    digest        of all that the payer signed, and of the signature
    valid_before  when it can no longer be settled, in seconds; 0 where it does not end
    """

    network: str
    asset: str
    payer: str
    payee: str
    amount: int
    nonce: bytes
    digest: bytes
    valid_before: int = 0


@dataclass(frozen=True)
class Verdict:
    """Whether a payment could be settled now; `reason` is x402's code where it could not."""

    is_valid: bool
    payer: str = ""
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Settled:
    """The money moved: `transaction` says where, as its network names transactions; a receipt is in `extensions`."""

    network: str
    payer: str
    amount: int
    transaction: str
    extensions: Members = field(default_factory=dict)

    def to_settlement(self) -> Settlement:
        """Return it as it travels."""
        told = (self.network, self.transaction, self.payer, str(self.amount))
        return Settlement(True, *told, extensions=self.extensions)


@dataclass(frozen=True)
class Refused:
    """The money did not move and will not by this attempt. `reason` is x402's code, or one of ours after `tally_`."""

    reason: str
    message: str = ""
    payer: str = ""

    def to_settlement(self, network: str) -> Settlement:
        """Return it as it travels."""
        return Settlement(False, network, "", self.payer, "", self.reason, self.message)


@dataclass(frozen=True)
class Unknown:
    """Nobody knows yet whether the money moves. The same payment is to be repeated; never a new one."""

    reason: str
    message: str = ""
    payer: str = ""
    transaction: str = ""
    retry_after_s: int = PAYMENT_RETRY_AFTER_S

    @classmethod
    def of(cls, error: TallystickError, payer: str = "") -> Unknown:
        """Return the outcome of an attempt that ended in an error."""
        return cls("settlement_pending", f"{error.code}: {error.message}", payer)

    def to_settlement(self, network: str) -> Settlement:
        """Return it as it travels."""
        return Settlement(False, network, self.transaction, self.payer, "", self.reason, self.message)


Outcome = Settled | Refused | Unknown


class Scheme(Protocol):
    """How payments of one scheme are taken: what the cashier asks. Nothing here raises over what a payer sent."""

    @property
    def name(self) -> str:
        """The scheme as x402 names it."""
        ...

    def claim(self, payment: Payment, requirements: Requirements) -> Claimable | Refused:
        """Return what the payment claims to be; nothing of it is proved yet."""
        ...

    def verify(self, payment: Payment, requirements: Requirements) -> Verdict | Unknown:
        """Return whether it is the payer's and could be settled now."""
        ...

    def settle(self, payment: Payment, requirements: Requirements) -> Outcome:
        """Have the money moved, once however often this is asked for the same payment."""
        ...


@dataclass(frozen=True)
class Candidate:
    """A nonce that a payer may use, and what is to be said beside a payment that uses it."""

    nonce: bytes
    extensions: Members = field(default_factory=dict)


@dataclass(frozen=True)
class Signed:
    """A payment that a payer signed: the scheme's own members, and what it is known by."""

    payload: Members
    claim: Claimable


class Payer(Protocol):
    """How payments of one scheme are made: what the purse asks. A payer signs and remembers nothing."""

    @property
    def address(self) -> str:
        """Whose money it is."""
        ...

    def refusal(self, requirements: Requirements, now_s: int) -> str:
        """Return why it cannot pay like this, in words; empty where it can. Nothing is signed."""
        ...

    def candidates(self, requirements: Requirements, operation: Operation, now_s: int) -> Iterable[Candidate]:
        """Yield nonces to choose from, the best first; the purse takes the first that it has not used."""
        ...

    def sign(self, requirements: Requirements, candidate: Candidate, now_s: int) -> Signed:
        """Return the signed payment; raises InvalidInput, Rejected where it may not or cannot."""
        ...
