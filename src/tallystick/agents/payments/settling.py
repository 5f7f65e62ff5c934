"""A payment is brought to the token: once, through the outbox, with a bounded loss for whoever pays the gas.

The outbox's idempotency key is network, asset, payer and nonce. So two requests with one payment, in two threads or two
processes or before and after a crash, are one transaction; another signature for the same nonce is refused; and
"settled" is said only of a transfer that is in the chain's own logs. Where the chain does not answer in time the
outcome is `Unknown`, and asking again goes on where this attempt stood.

Gas is the facilitator's. It pays for a failure only where the payer's account changed its mind between the outbox's
simulation and the block, at most `SETTLE_GAS_MAX` each time, and no more than `PAYER_FAILURES_MAX` times an hour for
one payer.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from tallystick.agents.payments import reasons
from tallystick.agents.payments.dispatch import Dispatch
from tallystick.agents.payments.exact import ExactPayment, read_exact
from tallystick.agents.payments.failures import Failures
from tallystick.agents.payments.outcomes import Claimable, Outcome, Refused, Settled, Unknown, Verdict
from tallystick.agents.payments.transfers import find_recent, has_transfer
from tallystick.agents.payments.verifying import Allowed, Verifier
from tallystick.agents.payments.wire import EXACT, Payment, Requirements
from tallystick.chain.facts import TxReceipt
from tallystick.chain.outbox import Outbox
from tallystick.chain.outbox_rows import FAILED, Row
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.ids import parse_address
from tallystick.core.limits import SETTLE_WAIT_S, VERIFIED_KEPT_MAX, VERIFIED_KEPT_S

# What the chain says about who brings the payment, not about the payment: it may be settled later.
_OURS: Final = frozenset({"chain.insufficient_funds", "chain.gas_too_high", "chain.underpriced", "outbox.cancelled"})

# Refusals behind which the money may have moved all the same, in a transaction that is not ours.
_SPENT: Final = frozenset({reasons.USED, reasons.FAILED, reasons.SIMULATION, reasons.BOUND})


class ExactScheme:
    """Takes payments of the scheme `exact` and settles them itself, with the account of `outbox`.

    allowed   which tokens, and whose payments
    failures  remembers payers whose settlements failed
    wait_s    how long a settlement is waited for before its outcome is called unknown
    is_claimed  whoever asks has claimed the payment for one operation before, as a cashier does: then one that somebody
                else brings first, who saw it on its way, is settled as well. Without a claim it would buy twice
    """

    name: Final = EXACT

    def __init__(
        self,
        outbox: Outbox,
        allowed: Allowed,
        failures: Failures,
        clock: Callable[[], float],
        *,
        wait_s: float = SETTLE_WAIT_S,
        is_claimed: bool = False,
    ) -> None:
        self._outbox = outbox
        self._failures = failures
        self._clock = clock
        self._wait_s = wait_s
        self._is_claimed = is_claimed
        self._dispatch = Dispatch(outbox)
        self._seen = _Seen(clock)
        self._verifier = Verifier(outbox.node, allowed, clock, outbox.account.address)
        self.network: Final = self._verifier.network
        self.signer: Final = outbox.account.address

    def claim(self, payment: Payment, requirements: Requirements) -> Claimable | Refused:
        """Return what the payment claims to be."""
        return self._verifier.claim(payment, requirements)

    def verify(self, payment: Payment, requirements: Requirements) -> Verdict | Unknown:
        """Return whether it could be settled now."""
        verdict = self._verifier.verify(payment, requirements)
        if isinstance(verdict, Unknown) or not verdict.is_valid:
            return verdict
        if self._failures.is_spent(verdict.payer, self._clock()):
            return Verdict(False, verdict.payer, reasons.PAYER, reasons.MEANINGS[reasons.PAYER])
        key = self.claim(payment, requirements)
        if not isinstance(key, Refused):
            self._seen.keep(key.digest)
        return verdict

    def settle(self, payment: Payment, requirements: Requirements) -> Outcome:
        """Have the money moved, once; raises Broken, VerificationFailed where the outbox's file fails."""
        key = self.claim(payment, requirements)
        if isinstance(key, Refused):
            return key
        try:
            outcome = self._settle(key, read_exact(payment), payment, requirements)
            if self._is_claimed and isinstance(outcome, Refused) and outcome.reason in _SPENT:
                return self._brought(key) or outcome
        except Unavailable as error:
            return Unknown.of(error, key.payer)
        return outcome

    # --- parts

    def _settle(self, key: Claimable, found: ExactPayment, payment: Payment, requirements: Requirements) -> Outcome:
        intent = f"x402 {key.network} {key.asset} {key.payer} {key.nonce.hex()}"
        if not self._seen.take(key.digest) and not self._is_begun(intent):
            verdict = self.verify(payment, requirements)
            if isinstance(verdict, Unknown):
                return verdict
            if not verdict.is_valid and not self._is_begun(intent):  # by another process, while this one looked
                return Refused(verdict.reason, verdict.message, key.payer)
        call = found.call(self._outbox.node, key.asset)
        try:
            row = self._dispatch.send(intent, call)
        except InvalidInput as error:
            if error.code != "outbox.key_reused":
                raise
            return Refused(reasons.BOUND, "another signature for this nonce is being settled", key.payer)
        return self._await(row, key, payment, requirements)

    def _brought(self, key: Claimable) -> Outcome | None:
        """Return the settlement of a payment that somebody else brought, None where nobody did."""
        try:
            return find_recent(self._outbox.node, key)
        except (InvalidInput, Rejected) as error:  # the node will not say: it stays open
            return Unknown.of(Unavailable(error.code, error.message), key.payer)

    def _is_begun(self, intent: str) -> bool:
        """Whether bytes may have left for this payment; its fate is the chain's then, no question of form."""
        try:
            row = self._outbox.row(intent)
        except InvalidInput as error:
            if error.code != "outbox.no_row":
                raise
            return False
        return bool(row.attempts) or row.state != FAILED

    def _await(self, row: Row, key: Claimable, payment: Payment, requirements: Requirements) -> Outcome:
        try:
            receipt = self._outbox.wait(row, self._wait_s)
        except Rejected as error:
            return self._rejected(error, key, payment, requirements)
        except Unavailable as error:
            return Unknown.of(error, key.payer)
        return judge(receipt, key)

    def _rejected(self, error: Rejected, key: Claimable, payment: Payment, requirements: Requirements) -> Outcome:
        if error.code in _OURS:
            return Unknown.of(Unavailable(error.code, error.message), key.payer)
        intent = f"x402 {key.network} {key.asset} {key.payer} {key.nonce.hex()}"
        if self._outbox.row(intent).attempts:
            self._failures.note(key.payer, key.nonce, self._clock())
            return Refused(reasons.FAILED, f"{error.code}: {error.message}", key.payer)
        verdict = self.verify(payment, requirements)
        if isinstance(verdict, Verdict) and not verdict.is_valid:
            return Refused(verdict.reason, verdict.message, key.payer)
        return Refused(reasons.SIMULATION, f"{error.code}: {error.message}", key.payer)


class _Seen:
    """Payments that were found good a moment ago: the outbox tries each once more, nothing else needs to."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, digest: bytes) -> None:
        """Remember a payment."""
        with self._lock:
            self._at[digest] = self._clock()
            while len(self._at) > VERIFIED_KEPT_MAX:
                self._at.popitem(last=False)

    def take(self, digest: bytes) -> bool:
        """Return whether a payment was found good a moment ago; that counts once."""
        with self._lock:
            return self._clock() - self._at.pop(digest, float("-inf")) < VERIFIED_KEPT_S


def judge(receipt: TxReceipt, key: Claimable) -> Settled | Refused:
    """Return what a mined transaction did for a payment: the token must show this very transfer."""
    if not receipt.succeeded:
        return Refused(reasons.FAILED, "the transaction reverted", key.payer)
    if not has_transfer(receipt.logs, parse_address(key.asset), key):
        return Refused(reasons.EVENT, reasons.MEANINGS[reasons.EVENT], key.payer)
    return Settled(key.network, key.payer, key.amount, "0x" + receipt.transaction_hash.hex())
