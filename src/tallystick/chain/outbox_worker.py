"""One pass over an outbox: look at the chain, and do what is due to every row of one sender.

At most one pass runs for a sender at a time, over all processes that share the file: a lock in `locks/` beside the file
sees to it. Every pass may be the first after a crash, so nothing is remembered between passes but the file. Which
change is due is decided in `outbox_rules.py`; this file only carries it out, and in this order: record, then act.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tallystick.chain.accounts import Account
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import FeeBudget, Fees
from tallystick.chain.node import Node
from tallystick.chain.outbox_policy import Clock, OutboxPolicy
from tallystick.chain.outbox_rows import (
    CANCELLED,
    DRAFTED,
    FAILED,
    FINAL,
    IN_FLIGHT,
    MINED,
    REPLACED,
    SENT,
    UNMINED,
    Row,
)
from tallystick.chain.outbox_rules import Due, Sight, due, is_repeat_due, missing_nonces
from tallystick.chain.outbox_signing import OutboxSigner, is_filler
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.core.limits import OUTBOX_FINAL_DEPTH, OUTBOX_IN_FLIGHT_MAX, OUTBOX_MINED_LOOK_S
from tallystick.store.locks import FileLock

_CANCELLED = Rejected(CANCELLED, "its owner cancelled it before it was mined")


class OutboxWorker:
    """Carries out what is due to the rows of one account on one chain.

    faults  called with the name of each point at which a crash would be interesting; does nothing unless a test's
    """

    def __init__(
        self,
        store: OutboxStore,
        node: Node,
        account: Account,
        policy: OutboxPolicy,
        clock: Clock,
        faults: Callable[[str], None],
    ) -> None:
        self._store = store
        self._node = node
        self._account = account
        self._policy = policy
        self._clock = clock
        self._faults = faults
        self._signer = OutboxSigner(store, node, account, policy, clock, faults)
        self._mined_look_s = float("-inf")  # when to look at mined rows again

    def work(self, *, lock_wait_s: float, is_thorough: bool) -> None:
        """Do what is due now to every row.

        is_thorough  look again at mined rows too, for reorganisations and finality; otherwise only every two seconds
        raises       Unavailable "lock.held" while another pass runs for longer than `lock_wait_s`, or whatever keeps
                     the node from answering; what was done until then is recorded
        """
        with self._alone(lock_wait_s):
            now_s = self._clock.monotonic_s()
            is_thorough = is_thorough or now_s >= self._mined_look_s
            if is_thorough:
                self._mined_look_s = now_s + OUTBOX_MINED_LOOK_S
            if self._settle(is_thorough=is_thorough):
                self._settle(is_thorough=False)
            while signed := self._signer.sign_drafted():
                self._hand_over(signed)
                self._settle(is_thorough=False)

    def offer(self) -> Fees:
        """Return what would be offered now for a transaction that is signed for the first time."""
        return self._signer.offer(self._signer.market())

    def cancel(self, row_id: int, budget: FeeBudget | None, *, lock_wait_s: float) -> None:
        """Record that a row is not to be executed: a drafted one fails, of a signed one the nonce is spent on nothing.

        A failed row is left as it is; so is one that is being cancelled already, unless `budget` names what more may be
        offered. Nothing leaves from here: the next pass sends it.

        raises  Rejected "outbox.too_late" when it is in the chain, and as `OutboxSigner.cancel`; Unavailable as `work`
        """
        with self._alone(lock_wait_s):
            row = self._store.row(row_id)
            if row.state == FAILED:
                return
            if row.state == DRAFTED:
                self._store.move(row, FAILED, _CANCELLED.message, self._clock.now_s(), error=_CANCELLED)
                return
            receipt = self._receipts([row]).get(row.id) if row.state in UNMINED else row.receipt
            if receipt is not None and not _is_cancel(row, receipt):
                raise Rejected(
                    "outbox.too_late", f"{row.key!r} is in the chain already", hint="undo it by another call"
                )
            if receipt is None and (budget is not None or not row.is_being_cancelled):
                self._signer.cancel(row, budget or self._policy.budget)

    @contextmanager
    def _alone(self, lock_wait_s: float) -> Iterator[None]:
        """Hold the one worker's lock of this account, on a chain that is the one the file knows."""
        chain_id, sender = self._node.chain_id, self._account.address
        name = f"{self._store.path.name}.{chain_id}-{sender.lower()}"
        with FileLock(self._store.path.parent / "locks" / name, "the outbox", wait_s=lock_wait_s):
            self._store.bind_chain(chain_id, self._node.genesis_hash)
            yield

    def _settle(self, *, is_thorough: bool) -> bool:
        """Bring rows in flight up to date with the chain; return whether anything was handed to the node."""
        chain_id, sender = self._node.chain_id, self._account.address
        rows = self._store.rows(chain_id, sender, IN_FLIGHT if is_thorough else UNMINED, OUTBOX_IN_FLIGHT_MAX)
        if not rows:
            return False
        self._faults("settle.look")
        sight = self._look()
        receipts = self._receipts(rows)
        now_s = self._clock.now_s()
        patience = self._policy.patience
        plan = [(row, due(row, receipts.get(row.id), sight, patience, now_s)) for row in rows]
        mined = [(row, receipts[row.id]) for row, what in plan if what in (Due.CONFIRM, Due.FINISH)]
        reasons = {row.id: self._reason(row, receipt) for row, receipt in mined}
        self._faults("settle.record")
        with self._store.together(durable=False):
            for row, what in plan:
                self._record(row, what, receipts.get(row.id), reasons.get(row.id), now_s)
            self._faults("settle.within")
        self._faults("settle.recorded")
        ready = [row for row, what in plan if what in (Due.SEND, Due.RETURN)]
        ready += self._bumped([row for row, what in plan if what is Due.BUMP])
        if is_thorough:
            lost = missing_nonces([row for row in rows if row.id not in receipts], sight, patience, now_s)
            ready += self._signer.fill(lost) if lost else []
        return self._hand_over([self._store.row(row.id) for row in ready])

    def _look(self) -> Sight:
        """Look at the final block, then the nonces; the receipts must be asked for afterwards."""
        final = self._final_number()
        sender = self._account.address
        final_nonce = self._node.nonce(sender, final) if final >= 0 else 0
        return Sight(final, final_nonce, self._node.nonce(sender))

    def _final_number(self) -> int:
        depth = self._policy.final_depth
        if depth is None:
            final = self._node.finalized()
            if final is not None:
                return final.number
            depth = OUTBOX_FINAL_DEPTH
        return max(self._node.block_number() - depth, -1)

    def _receipts(self, rows: Sequence[Row]) -> dict[int, TxReceipt]:
        asked = [(row.id, one.hash) for row in rows for one in row.attempts if one.nonce == row.nonce]
        found = self._node.receipts([transaction for _, transaction in asked])
        return {row_id: receipt for (row_id, _), receipt in zip(asked, found, strict=True) if receipt is not None}

    def _record(
        self, row: Row, what: Due, receipt: TxReceipt | None, reason: TallystickError | None, now_s: float
    ) -> None:
        move = self._store.move
        match what:
            case Due.CONFIRM:
                move(row, MINED, "it is in the chain", now_s, receipt=receipt, error=reason)
            case Due.FINISH:
                if row.state != MINED:
                    row = move(row, MINED, "it is in the chain", now_s, receipt=receipt, error=reason)
                end = FINAL if reason is None else FAILED
                move(row, end, "its block is final", now_s, receipt=receipt, error=reason)
            case Due.RETURN:
                move(row, SENT, "a reorganisation took it out of the chain", now_s)
            case Due.YIELD:
                move(row, REPLACED, "another transaction has its nonce", now_s)
            case Due.REDRAFT if is_filler(row):
                unneeded = Rejected("outbox.not_needed", "another transaction filled the gap")
                move(row, FAILED, unneeded.message, now_s, error=unneeded, frees_nonce=True)
            case Due.REDRAFT if row.is_being_cancelled:
                move(row, FAILED, _CANCELLED.message, now_s, error=_CANCELLED, frees_nonce=True)
            case Due.REDRAFT:
                move(row, DRAFTED, "another transaction has its nonce for good", now_s, frees_nonce=True)
            case Due.SEND | Due.BUMP | Due.NOTHING:
                pass

    def _reason(self, row: Row, receipt: TxReceipt) -> TallystickError | None:
        """Return why a mined row was not executed, as far as the states around its block still show it."""
        if _is_cancel(row, receipt):
            return _CANCELLED
        if receipt.succeeded:
            return None
        sent = self._node.transaction(receipt.transaction_hash)
        try:
            if sent is not None and sent.to is not None:
                for at in (receipt.block_number - 1, receipt.block_number):
                    self._node.call(sent.to, sent.data, at=at, sender=sent.sender, value=sent.value)
        except Rejected as error:
            return error
        except (InvalidInput, Unavailable):
            pass
        return Rejected(
            "chain.reverted", "the transaction was mined and reverted", hint="run the call again to see why"
        )

    def _bumped(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows with a better offer; those the budget forbids only where it is time to repeat them."""
        if not rows:
            return []
        market = self._signer.market()
        return [
            row
            for row in rows
            if self._signer.bump(row, market) is not None
            or is_repeat_due(row, self._policy.patience, self._clock.now_s())
        ]

    def _hand_over(self, rows: Sequence[Row]) -> bool:
        """Hand the rows' current attempts to the node in order of nonce, and record what it said of each."""
        batch = [(row, row.current) for row in sorted(rows, key=lambda row: row.nonce or 0)]
        raws = [attempt.raw for _, attempt in batch if attempt is not None]
        if not raws:
            return False
        self._faults("send.before")
        answers = self._node.send_raw_batch(raws)
        self._faults("send.after")
        outcomes = [(row, *_verdict(answer)) for (row, _), answer in zip(batch, answers, strict=True)]
        self._store.record_sent(outcomes, self._clock.now_s())
        self._faults("send.recorded")
        for answer in answers:
            if isinstance(answer, TallystickError) and not isinstance(answer, Rejected | InvalidInput):
                raise answer
        return True


def _is_cancel(row: Row, receipt: TxReceipt) -> bool:
    return any(one.is_cancel for one in row.attempts if one.hash == receipt.transaction_hash)


def _verdict(answer: bytes | TallystickError) -> tuple[str | None, bool]:
    """Return what the node objected, and whether it has the transaction or a better one."""
    if isinstance(answer, bytes):
        return None, True
    # The pool has a better paid attempt of the same nonce, or the chain has one: as good as sent, the next look tells.
    return answer.code, answer.code in ("chain.replacement_underpriced", "chain.nonce_too_low")
