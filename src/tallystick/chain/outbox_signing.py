"""From a drafted row to signed bytes on disk: simulate, price, take a nonce, sign, record.

Nothing leaves from here. The nonce and the bytes that use it become durable in one SQL transaction, so no nonce is
ever taken without bytes, nor twice. `outbox_worker.py` hands over what is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from tallystick.chain.accounts import Account, SignedTransaction, TransactionFields
from tallystick.chain.calls import Call
from tallystick.chain.fees import FeeBudget, Fees, bumped_fees, first_fees
from tallystick.chain.node import Node
from tallystick.chain.outbox_policy import Clock, OutboxPolicy
from tallystick.chain.outbox_rows import DRAFTED, FAILED, IN_FLIGHT, UNMINED, Attempt, Row
from tallystick.chain.outbox_store import OutboxStore
from tallystick.core.errors import Broken, InvalidInput, Rejected, TallystickError, Unavailable
from tallystick.core.limits import GAS_MARGIN_PERCENT, OUTBOX_IN_FLIGHT_MAX

OWN_KEYS = "outbox: "  # how the keys of the outbox's own rows begin; nobody else's may

_NOTHING_GAS = 100_000  # of a transfer of nothing: a plain one takes 21,000; rollups add the cost of their data


@dataclass(frozen=True)
class Market:
    """What the newest block says of prices: wei per gas, and the most gas a transaction can use."""

    base_fee: int | None
    tip: int
    gas_limit: int


def is_filler(row: Row) -> bool:
    """Return whether the row only fills a nonce that was lost."""
    return row.key.startswith(OWN_KEYS)


class OutboxSigner:
    """Signs rows of one account on one chain."""

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

    def market(self) -> Market:
        """Return what the newest block and the node say of prices."""
        head = self._node.block("latest")
        tip = self._node.gas_price() if head.base_fee is None else self._node.tip_suggestion()
        return Market(head.base_fee, tip, head.gas_limit)

    def offer(self, market: Market) -> Fees:
        """Return the first offer at these prices; raises Unavailable "fees.over_budget"."""
        return first_fees(market.base_fee, market.tip, self._policy.budget)

    def sign_drafted(self) -> list[Row]:
        """Sign every drafted row that the chain would accept now, and fail those that it never will.

        raises  Unavailable when the node does not answer or asks for more than the budget allows
        """
        chain_id, sender = self._node.chain_id, self._account.address
        room = OUTBOX_IN_FLIGHT_MAX - self._store.count(chain_id, sender, IN_FLIGHT)
        drafted = self._store.rows(chain_id, sender, (DRAFTED,), room) if room > 0 else []
        if not drafted:
            return []
        # A refusal counts only on a state that holds all that was asked for before. Until then the row stays drafted.
        is_settled = not self._store.count(chain_id, sender, UNMINED)
        accepted = self._simulated(drafted, is_settled=is_settled)
        ready = self._affordable(accepted, is_settled=is_settled) if accepted else []
        if not ready:
            return []
        floor = self._node.nonce(sender)
        now_s = self._clock.now_s()
        self._faults("sign.before")
        signed: list[Row] = []
        with self._store.together():
            for row, gas, fees in ready:
                nonce = self._store.take_nonce(chain_id, sender, floor)
                transaction = self._sign(row.call, nonce, gas, fees)
                signed.append(self._store.sign(row, nonce, transaction, gas, fees, "simulated and signed", now_s))
                self._faults("sign.within")
        self._faults("sign.after")
        return signed

    def bump(self, row: Row, market: Market) -> Row | None:
        """Record a better offer for what the row last sent, with the same nonce; None when the budget allows none."""
        last = _newest(row)
        fees = bumped_fees(last.fees, market.base_fee, market.tip, self._policy.budget)
        if fees is None:
            return None
        bumped = self._replace(row, fees, last.gas, "offered more", is_cancel=last.is_cancel)
        self._faults("bump.after")
        return bumped

    def cancel(self, row: Row, budget: FeeBudget) -> Row:
        """Record a transfer of nothing to ourselves in place of the row's call, with its nonce and better paid.

        raises  Rejected "outbox.cancel_budget", "chain.insufficient_funds"; Unavailable when the node does not answer
        """
        market, last = self.market(), _newest(row)
        fees = bumped_fees(last.fees, market.base_fee, market.tip, budget)
        if fees is None:
            raise Rejected(
                "outbox.cancel_budget",
                "nodes take another transaction for this nonce only at an eighth more than the last, beyond the budget",
                expected=f"at most {budget.cap_max} and a tip of {budget.tip_max} wei per gas",
                got=f"{last.fees.cap} and a tip of {last.fees.tip} offered already",
                hint="cancel with a larger budget, or wait",
            )
        gas = min(last.gas, _NOTHING_GAS)  # what suffices for a call suffices for nothing
        cost, balance = gas * fees.cap, self._node.balance(self._account.address)
        if cost > balance:
            raise _too_poor(self._account.address, cost, balance)
        self._faults("cancel.before")
        cancelling = self._replace(row, fees, gas, "cancelled by its owner", is_cancel=True)
        self._faults("cancel.after")
        return cancelling

    def fill(self, nonces: Iterable[int]) -> list[Row]:
        """Sign transfers of nothing to ourselves at nonces that the chain waits for and no row has."""
        fees = self.offer(self.market())
        sender, now_s = self._account.address, self._clock.now_s()
        filled: list[Row] = []
        with self._store.together():
            for nonce in nonces:
                if self._store.is_taken(self._node.chain_id, sender, nonce):
                    continue  # mined since the nonces were looked at
                call = replace(_nothing(sender), function="fill", arguments={"nonce": nonce})
                key = f"{OWN_KEYS}fill nonce {nonce} of {sender}"
                row = self._store.draft(self._node.chain_id, sender, key, call, _NOTHING_GAS, now_s)
                if row.state == DRAFTED:
                    transaction = self._sign(row.call, nonce, _NOTHING_GAS, fees)
                    filled.append(self._store.sign(row, nonce, transaction, _NOTHING_GAS, fees, "filled a gap", now_s))
            self._faults("fill.within")
        return filled

    def _simulated(self, rows: Sequence[Row], *, is_settled: bool) -> list[tuple[Row, int]]:
        calls, limits = [row.call for row in rows], [row.gas for row in rows]
        answers = self._node.simulate(calls, sender=self._account.address, at="pending", gas=limits)
        accepted: list[tuple[Row, int]] = []
        for row, answer in zip(rows, answers, strict=True):
            problem = answer if isinstance(answer, TallystickError) else self._missing_contract(row.call)
            if problem is None and isinstance(answer, int):
                accepted.append((row, row.gas or answer + answer * GAS_MARGIN_PERCENT // 100))
            elif not isinstance(problem, Rejected | InvalidInput) or problem.code == "rpc.answer":
                raise problem or Broken("outbox.simulation", "a simulation gave neither gas nor a reason")
            elif is_settled and not accepted:
                self._store.move(row, FAILED, "refused in simulation", self._clock.now_s(), error=problem)
        return accepted

    def _missing_contract(self, call: Call) -> TallystickError | None:
        if call.to is None or not call.data:
            return None
        try:
            self._node.check_contract(call.to)
        except (InvalidInput, Unavailable) as error:
            return error
        return None

    def _affordable(self, accepted: Sequence[tuple[Row, int]], *, is_settled: bool) -> list[tuple[Row, int, Fees]]:
        market = self.market()
        fees = self.offer(market)
        left = self._node.balance(self._account.address)
        kept: list[tuple[Row, int, Fees]] = []
        for row, wanted in accepted:
            gas = min(wanted, market.gas_limit)
            cost = row.call.value + gas * fees.cap
            if cost <= left:
                left -= cost
                kept.append((row, gas, fees))
            elif is_settled and not kept:
                error = _too_poor(self._account.address, cost, left)
                self._store.move(row, FAILED, "too little money", self._clock.now_s(), error=error)
        return kept

    def _replace(self, row: Row, fees: Fees, gas: int, why: str, *, is_cancel: bool) -> Row:
        """Record a transaction that takes the place of the row's last one: its call again, or nothing."""
        nonce = _newest(row).nonce
        call = _nothing(self._account.address) if is_cancel else row.call
        with self._store.together():
            transaction = self._sign(call, nonce, gas, fees)
            now_s = self._clock.now_s()
            return self._store.sign(row, nonce, transaction, gas, fees, why, now_s, is_cancel=is_cancel)

    def _sign(self, call: Call, nonce: int, gas: int, fees: Fees) -> SignedTransaction:
        return self._account.sign_transaction(
            TransactionFields(self._node.chain_id, nonce, call.to, call.value, call.data, gas, fees)
        )


def _newest(row: Row) -> Attempt:
    if row.current is None:
        raise Broken("outbox.no_attempt", f"row {row.id} was to be replaced without an attempt")
    return row.current


def _nothing(sender: str) -> Call:
    return Call(sender, b"", 0, "outbox", "nothing")


def _too_poor(address: str, cost: int, balance: int) -> Rejected:
    return Rejected(
        "chain.insufficient_funds",
        f"account {address} cannot pay for this",
        expected=f"{cost} wei",
        got=f"{balance} wei",
        hint="fund the account and ask again",
    )
