"""The outbox: the one way by which a `Call` becomes a transaction, and at most one.

Whoever sends names the intent with an idempotency key. The row is on disk before a byte leaves; nonces come from the
file, never from the node; what would revert is refused before it is paid for; after a crash the same bytes go out
again. The invariant: each key is executed on the canonical chain at most once, and exactly once when the node is
back and honest; and what was reported final is not undone short of a reorganisation below the node's own finality.
Read `outbox_rows.py` for the states and `outbox_rules.py` for what moves a row from one to the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from tallystick.chain.accounts import Account
from tallystick.chain.calls import Call
from tallystick.chain.facts import TxReceipt
from tallystick.chain.fees import FeeBudget
from tallystick.chain.node import Node
from tallystick.chain.outbox_policy import Clock, OutboxPolicy, SystemClock
from tallystick.chain.outbox_rows import CANCELLED, DRAFTED, IN_FLIGHT, MINED, STATES, Change, Row
from tallystick.chain.outbox_signing import OWN_KEYS, is_filler
from tallystick.chain.outbox_store import OutboxStore
from tallystick.chain.outbox_worker import OutboxWorker
from tallystick.core.errors import InvalidInput, Rejected, Unavailable
from tallystick.core.limits import (
    GAS_MARGIN_PERCENT,
    OUTBOX_KEY_CHARS_MAX,
    OUTBOX_LOCK_WAIT_S,
    OUTBOX_POLL_S_MAX,
    OUTBOX_POLL_S_MIN,
    OUTBOX_ROWS_MAX,
    OUTBOX_WAIT_S,
)

Until = Literal["mined", "final"]


class Outbox:
    """Sends calls from one account to one chain, through a file that any number of processes may share.

    path    the outbox file, created if absent; several accounts and chains may share it
    raises  InvalidInput "outbox.file", Broken "outbox.disk"
    """

    def __init__(
        self,
        path: Path,
        node: Node,
        account: Account,
        *,
        policy: OutboxPolicy | None = None,
        clock: Clock | None = None,
        faults: Callable[[str], None] | None = None,
    ) -> None:
        self.node = node
        self.account = account
        self.clock = clock or SystemClock()
        self._faults = faults or _no_fault
        self._store = OutboxStore(path)
        self._worker = OutboxWorker(self._store, node, account, policy or OutboxPolicy(), self.clock, self._faults)

    def send(self, call: Call, *, key: str, gas: int | None = None) -> Row:
        """Record the call under `key` and hand it to the node as far as that is possible now; return its row.

        key     names the intent; the same key with the same call returns the row made before and sends nothing new,
                except that a call refused before it was signed is tried again
        gas     the limit; None takes the node's estimate and a fifth
        raises  InvalidInput "outbox.key_reused", "outbox.key"; Unavailable only where not even the chain id is known

        Neither a refusal nor an unreachable node raises here: the row says so, `wait` raises.
        """
        return self.send_many([(key, call)], gas=gas)[0]

    def send_many(self, calls: Sequence[tuple[str, Call]], *, gas: int | None = None) -> list[Row]:
        """Record several (key, call) pairs, all or none, and hand them over together; return their rows.

        The calls are simulated on the same state: one that needs another of them to be mined first is held back
        until that is so, by `wait` or by a later `work`.
        """
        chain_id = self.node.chain_id
        for key, call in calls:
            _check(key, call)
        now_s = self.clock.now_s()
        self._faults("draft.before")
        with self._store.together():
            rows = [self._store.draft(chain_id, self.account.address, key, call, gas, now_s) for key, call in calls]
            self._faults("draft.within")
        self._faults("draft.after")
        if any(not row.is_over for row in rows):
            self._work(OUTBOX_LOCK_WAIT_S, is_thorough=False)
        return [self._store.row(row.id) for row in rows]

    def wait(self, row: Row | int, timeout_s: float = OUTBOX_WAIT_S, *, until: Until = "mined") -> TxReceipt:
        """Return the receipt of a row once it is mined, or final.

        until   "mined" may still be undone by a reorganisation, in which case the outbox sends it again
        raises  Rejected "<reason>" when it was refused or reverted; Unavailable "outbox.waiting" when the time is up,
                the row then goes on by itself at the next `work`, `wait` or `send`
        """
        row_id = row if isinstance(row, int) else row.id
        deadline = self.clock.monotonic_s() + timeout_s
        pause_s = OUTBOX_POLL_S_MIN
        found = self._store.row(row_id)
        while not _is_done(found, until):
            trouble = self._work(0.0, is_thorough=found.state == MINED)
            found = self._store.row(row_id)
            if _is_done(found, until):
                break
            left_s = deadline - self.clock.monotonic_s()
            if left_s <= 0:
                raise _still_waiting(found, until, trouble)
            self.clock.pause(min(pause_s, left_s))
            pause_s = min(2 * pause_s, OUTBOX_POLL_S_MAX)
        if found.receipt is None or not found.receipt.succeeded or found.error_code == CANCELLED:
            raise Rejected(found.error_code or "chain.reverted", found.error_message or "the transaction reverted")
        return found.receipt

    def send_and_wait(
        self,
        call: Call,
        *,
        key: str,
        gas: int | None = None,
        timeout_s: float = OUTBOX_WAIT_S,
        until: Until = "mined",
    ) -> TxReceipt:
        """Send a call and return its receipt; raises as `send` and `wait`."""
        return self.wait(self.send(call, key=key, gas=gas), timeout_s, until=until)

    def cancel(self, key: str, *, budget: FeeBudget | None = None) -> Row:
        """Take back what was asked for under `key`, unless it is in the chain already; return its row.

        A call that is not signed yet fails at once. Of one that may have left, the nonce is offered for a transfer of
        nothing to ourselves: the chain mines one of the two, and until then the row says `is_being_cancelled`. `wait`
        then raises Rejected "outbox.cancelled", or returns the call's receipt if that was faster. Once it is over, the
        key may be asked for again.

        budget  the most that the transfer may cost per gas, None takes the policy's; a call is often stuck because its
                own budget is spent. Asking again with a larger one offers more
        raises  InvalidInput "outbox.no_row", "outbox.other_account", "outbox.key" for a row of the outbox's own;
                Rejected "outbox.too_late", "outbox.cancel_budget", "chain.insufficient_funds"; Unavailable, and nothing
                is changed
        """
        row = self.row(key)
        if row.sender != self.account.address:
            raise InvalidInput(
                "outbox.other_account",
                "another account asked for this",
                expected=self.account.address,
                got=row.sender,
                hint="cancel it with the account that signs it",
            )
        if is_filler(row):
            raise InvalidInput("outbox.key", "this row moves nothing; there is nothing to cancel", got=key)
        self._worker.cancel(row.id, budget, lock_wait_s=OUTBOX_LOCK_WAIT_S)
        self._work(OUTBOX_LOCK_WAIT_S, is_thorough=False)
        return self._store.row(row.id)

    def work(self) -> None:
        """Do what is due now to every row of this account: send, repeat, offer more, confirm.

        raises  Unavailable where the node does not answer or another worker holds on for too long
        """
        self._worker.work(lock_wait_s=OUTBOX_LOCK_WAIT_S, is_thorough=True)

    def row(self, key: str) -> Row:
        """Return the row under `key`; raise InvalidInput "outbox.no_row"."""
        return self._store.row_of_key(self.node.chain_id, key)

    def reserve(self, gas: int) -> int:
        """Return the wei that must be there before transactions of so much gas in all are signed now: margin and cap.

        raises  Unavailable "fees.over_budget", or when the node does not answer
        """
        return (gas + gas * GAS_MARGIN_PERCENT // 100) * self._worker.offer().cap

    def pending(self) -> list[Row]:
        """Return the rows that are not over, by nonce, those without one last."""
        states = (DRAFTED, *IN_FLIGHT)
        return self._store.rows(self.node.chain_id, self.account.address, states, OUTBOX_ROWS_MAX)

    def history(self, limit: int = 100) -> list[Row]:
        """Return the newest rows of this account, over or not, youngest first."""
        return self._store.rows(self.node.chain_id, self.account.address, STATES, limit, newest=True)

    def changes(self, row: Row | int) -> list[Change]:
        """Return every change of state of a row, oldest first."""
        return self._store.changes(row if isinstance(row, int) else row.id)

    def close(self) -> None:
        """Close the file; rows in flight go on when it is next opened. The node stays open."""
        self._store.close()

    def __enter__(self) -> Outbox:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _work(self, lock_wait_s: float, *, is_thorough: bool) -> Unavailable | None:
        """Work, and return what stood in the way instead of raising it: the rows are safe and their time will come."""
        try:
            self._worker.work(lock_wait_s=lock_wait_s, is_thorough=is_thorough)
        except Unavailable as error:
            return error
        return None


def _check(key: str, call: Call) -> None:
    if not key or len(key) > OUTBOX_KEY_CHARS_MAX or not key.isprintable() or key.startswith(OWN_KEYS):
        raise InvalidInput(
            "outbox.key",
            "not an idempotency key",
            expected=f"1 to {OUTBOX_KEY_CHARS_MAX} printable characters, not beginning with {OWN_KEYS!r}",
            got=repr(key)[:80],
        )
    if call.value < 0:
        raise InvalidInput("outbox.value", "a call cannot carry less than nothing", got=call.value)


def _is_done(row: Row, until: Until) -> bool:
    return row.is_over or (until == "mined" and row.state == MINED)


def _still_waiting(row: Row, until: Until, trouble: Unavailable | None) -> Unavailable:
    last = row.current
    objection = trouble.message if trouble is not None else (last.answer if last is not None else None)
    return Unavailable(
        "outbox.waiting",
        f"{row.key!r} is {row.state}" + ("" if objection is None else f" ({objection})"),
        expected=until,
        got=row.state,
        hint="it is kept and goes on; wait again, or ask `pending`",
    )


def _no_fault(point: str) -> None:
    """Stand for a process that does not crash."""
