"""One pass over an outbox: look at the chain, and do what is due to every row of one sender.

At most one pass runs for a sender at a time, over all processes that share the file: a lock beside the file sees to
it. Every pass may be the first after a crash, so nothing is remembered between passes but the file. Which change is
due is decided in `outbox_rules.py`; this file only carries it out, and in this order: record, then act.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tallystick.chain.accounts import Account, SignedTransaction, TransactionFields
from tallystick.chain.facts import Block, TxReceipt
from tallystick.chain.fees import FeeBudget, Fees, bumped_fees, first_fees
from tallystick.chain.node import Node
from tallystick.chain.outbox_rows import DRAFTED, FAILED, FINAL, IN_FLIGHT, MINED, REPLACED, SENT, UNMINED, Row
from tallystick.chain.outbox_rules import Due, Patience, Sight, due, is_repeat_due
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.core.limits import GAS_MARGIN_PERCENT, OUTBOX_FINAL_DEPTH, OUTBOX_IN_FLIGHT_MAX, OUTBOX_MINED_LOOK_S
from tallystick.store.locks import FileLock


class Clock(Protocol):
    """Time as the outbox needs it; tests bring their own."""

    def now_s(self) -> float:
        """Return seconds since 1970, for records and patience."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds since some moment, never going back, for deadlines."""
        ...

    def pause(self, seconds: float) -> None:
        """Return after so many seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_s(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def monotonic_s(self) -> float:
        """Return seconds since some moment, never going back."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Return after so many seconds."""
        time.sleep(seconds)


@dataclass(frozen=True)
class OutboxPolicy:
    """What an outbox may spend and how long it waits.

    final_depth  blocks on top of a block that make it final; None follows the node's "finalized" tag, and counts 64
                 blocks where the node has none
    """

    budget: FeeBudget = field(default_factory=FeeBudget)
    patience: Patience = field(default_factory=Patience)
    final_depth: int | None = None


@dataclass(frozen=True)
class _Market:
    base_fee: int | None
    tip: int
    gas_limit: int


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
        self._mined_look_s = float("-inf")  # when to look at mined rows again

    def work(self, *, lock_wait_s: float, is_thorough: bool) -> None:
        """Do what is due now to every row.

        is_thorough  look again at mined rows too, for reorganisations and finality; otherwise only every two seconds
        raises  Unavailable "lock.held" while another pass runs for longer than `lock_wait_s`, or whatever keeps the
                node from answering; what was done until then is recorded
        """
        chain_id, sender = self._node.chain_id, self._account.address
        name = f"{self._store.path.name}.{chain_id}-{sender.lower()}.lock"
        with FileLock(self._store.path.with_name(name), "the outbox", wait_s=lock_wait_s):
            self._store.bind_chain(chain_id, self._node.genesis_hash)
            now_s = self._clock.monotonic_s()
            if is_thorough or now_s >= self._mined_look_s:
                self._mined_look_s = now_s + OUTBOX_MINED_LOOK_S
                states: tuple[str, ...] = IN_FLIGHT
            else:
                states = UNMINED
            if self._settle(states):
                self._settle(UNMINED)
            while self._advance():
                self._settle(UNMINED)

    def _rows(self, states: Sequence[str], limit: int) -> list[Row]:
        return self._store.rows(self._node.chain_id, self._account.address, states, limit)

    def _settle(self, states: Sequence[str]) -> bool:
        """Bring the rows in these states up to date with the chain; return whether the node was handed anything."""
        rows = self._rows(states, OUTBOX_IN_FLIGHT_MAX)
        if not rows:
            return False
        self._faults("settle.look")
        sight = self._look()
        receipts = self._receipts(rows)
        now_s = self._clock.now_s()
        plan = [(row, due(row, receipts.get(row.id), sight, self._policy.patience, now_s)) for row in rows]
        reasons = {row.id: self._reason(receipts[row.id]) for row, what in plan if what in (Due.CONFIRM, Due.FINISH)}
        self._faults("settle.record")
        with self._store.together():
            for row, what in plan:
                self._record(row, what, receipts.get(row.id), reasons.get(row.id), now_s)
            self._faults("settle.within")
        self._faults("settle.recorded")
        return self._dispatch([(row.id, what) for row, what in plan if what in (Due.SEND, Due.BUMP, Due.RETURN)])

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
                end = FAILED if reason is not None else FINAL
                move(row, end, "its block is final", now_s, receipt=receipt, error=reason)
            case Due.RETURN:
                move(row, SENT, "a reorganisation took it out of the chain", now_s)
            case Due.YIELD:
                move(row, REPLACED, "another transaction has its nonce", now_s)
            case Due.REDRAFT:
                move(row, DRAFTED, "another transaction has its nonce for good", now_s, frees_nonce=True)
            case Due.SEND | Due.BUMP | Due.NOTHING:
                pass

    def _reason(self, receipt: TxReceipt) -> TallystickError | None:
        """Return why a mined transaction failed, as far as the state before its block still shows it."""
        if receipt.succeeded:
            return None
        row_call = self._node.transaction(receipt.transaction_hash)
        try:
            if row_call is not None and row_call.to is not None:
                self._node.call(
                    row_call.to,
                    row_call.data,
                    at=receipt.block_number - 1,
                    sender=row_call.sender,
                    value=row_call.value,
                )
        except Rejected as error:
            return error
        except (InvalidInput, Unavailable):
            pass
        return Rejected(
            "chain.reverted", "the transaction was mined and reverted", hint="run the call again to see why"
        )

    def _advance(self) -> bool:
        """Sign and hand over what is drafted; return whether there was anything."""
        room = OUTBOX_IN_FLIGHT_MAX - self._store.count(self._node.chain_id, self._account.address, IN_FLIGHT)
        drafted = self._rows((DRAFTED,), room) if room > 0 else []
        if not drafted:
            return False
        unmined = self._store.count(self._node.chain_id, self._account.address, UNMINED)
        accepted = self._simulated(drafted, is_settled=not unmined)
        if not accepted:
            return False
        market = self._market()
        ready = self._affordable(accepted, market, is_settled=not unmined)
        if not ready:
            return False
        floor = self._node.nonce(self._account.address)
        now_s = self._clock.now_s()
        self._faults("sign.before")
        with self._store.together():
            for row, gas, fees in ready:
                nonce = self._store.take_nonce(row.chain_id, row.sender, floor)
                signed = self._sign(row, nonce, gas, fees)
                self._store.sign(row, nonce, signed, gas, fees, "simulated and signed", now_s)
                self._faults("sign.within")
        self._faults("sign.after")
        return self._dispatch([(row.id, Due.SEND) for row, _, _ in ready])

    def _simulated(self, rows: Sequence[Row], *, is_settled: bool) -> list[tuple[Row, int]]:
        """Return the rows that the chain would accept now, with their gas limits.

        is_settled  no older row is unmined; a refusal counts only on a state that holds all that was asked for
                    before, until then the row stays drafted and is simulated again
        """
        answers = self._node.simulate([row.call for row in rows], sender=self._account.address)
        ready: list[tuple[Row, int]] = []
        for row, answer in zip(rows, answers, strict=True):
            problem = answer if isinstance(answer, TallystickError) else self._missing_contract(row)
            if problem is None and isinstance(answer, int):
                ready.append((row, row.gas or answer + answer * GAS_MARGIN_PERCENT // 100))
            elif isinstance(problem, Unavailable) or (problem is not None and problem.code == "rpc.answer"):
                raise problem
            elif is_settled and not ready:
                self._store.move(row, FAILED, "refused in simulation", self._clock.now_s(), error=problem)
        return ready

    def _missing_contract(self, row: Row) -> TallystickError | None:
        if row.call.to is None or not row.call.data:
            return None
        try:
            self._node.check_contract(row.call.to)
        except InvalidInput as error:
            return error
        return None

    def _market(self) -> _Market:
        head: Block = self._node.block("latest")
        tip = self._node.gas_price() if head.base_fee is None else self._node.tip_suggestion()
        return _Market(head.base_fee, tip, head.gas_limit)

    def _affordable(
        self, ready: Sequence[tuple[Row, int]], market: _Market, *, is_settled: bool
    ) -> list[tuple[Row, int, Fees]]:
        fees = first_fees(market.base_fee, market.tip, self._policy.budget)
        left = self._node.balance(self._account.address)
        kept: list[tuple[Row, int, Fees]] = []
        for row, gas in ready:
            cost = row.call.value + min(gas, market.gas_limit) * fees.cap
            if cost > left:
                if is_settled and not kept:
                    error = _too_poor(self._account.address, cost, left)
                    self._store.move(row, FAILED, "too little money", self._clock.now_s(), error=error)
                continue
            left -= cost
            kept.append((row, min(gas, market.gas_limit), fees))
        return kept

    def _sign(self, row: Row, nonce: int, gas: int, fees: Fees) -> SignedTransaction:
        call = row.call
        fields = TransactionFields(row.chain_id, nonce, call.to, call.value, call.data, gas, fees)
        return self._account.sign_transaction(fields)

    def _bump(self, row: Row, market: _Market) -> Row | None:
        """Record a better offer for the row; None when the budget allows none."""
        last = row.current
        fees = None if last is None else bumped_fees(last.fees, market.base_fee, market.tip, self._policy.budget)
        if last is None or fees is None:
            return None
        now_s = self._clock.now_s()
        with self._store.together():
            signed = self._sign(row, last.nonce, last.gas, fees)
            bumped = self._store.sign(row, None, signed, last.gas, fees, "offered more", now_s)
        self._faults("bump.after")
        return bumped

    def _dispatch(self, wanted: Sequence[tuple[int, Due]]) -> bool:
        """Hand rows to the node in order of nonce, bumping those that need it; record what it said."""
        if not wanted:
            return False
        market = self._market() if any(what is Due.BUMP for _, what in wanted) else None
        batch: list[Row] = []
        for row_id, what in wanted:
            row = self._store.row(row_id)
            if what is Due.BUMP and market is not None:
                bumped = self._bump(row, market)
                if bumped is None and not is_repeat_due(row, self._policy.patience, self._clock.now_s()):
                    continue
                row = bumped or row
            batch.append(row)
        if not batch:
            return False
        self._faults("send.before")
        answers = self._node.send_raw_batch([row.current.raw for row in batch if row.current is not None])
        self._faults("send.after")
        outcomes = [(row, *_verdict(answer)) for row, answer in zip(batch, answers, strict=True)]
        self._store.record_sent(outcomes, self._clock.now_s())
        self._faults("send.recorded")
        for answer in answers:
            if isinstance(answer, TallystickError) and not isinstance(answer, Rejected | InvalidInput):
                raise answer
        return True


def _too_poor(address: str, cost: int, balance: int) -> Rejected:
    return Rejected(
        "chain.insufficient_funds",
        f"account {address} cannot pay for this",
        expected=f"{cost} wei",
        got=f"{balance} wei",
        hint="fund the account and ask again",
    )


def _verdict(answer: bytes | TallystickError) -> tuple[str | None, bool]:
    """Return what the node objected, and whether it has the transaction or a better one."""
    if isinstance(answer, bytes):
        return None, True
    # A better paid attempt of the same nonce is in its pool already: as good as sent, and the next bump goes higher.
    return answer.code, answer.code in ("chain.replacement_underpriced", "chain.nonce_too_low")
