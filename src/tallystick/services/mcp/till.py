"""What tools cost, and how the money is taken: claimed before the work, settled before the answer leaves.

For what only looks the money moves after the work, so that a failure costs nothing; for what cannot be undone, before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from mcp.types import CallToolResult

from tallystick.agents.payments.cashier import Accepted, Answered, Cashier
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Outcome, Settled, Unknown
from tallystick.agents.payments.terms import Flow, Price, Terms
from tallystick.agents.payments.wire import Payment
from tallystick.core.errors import InvalidInput, TallystickError, Unavailable
from tallystick.services.mcp import outcomes
from tallystick.services.mcp.ability import Ability
from tallystick.services.mcp.payment import PAYMENT, RESPONSE
from tallystick.tally import Tally

Work = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Till:
    """The prices of tools, and the cashier of a workspace.

    cashier  gives the cashier of an open workspace; it is asked in the thread that does the work
    prices   by the names of tools; others are free
    """

    cashier: Callable[[Tally], Cashier]
    prices: Mapping[str, Price]

    def check(self, abilities: tuple[Ability, ...]) -> None:
        """Return if each priced tool is offered and may have a price; raises InvalidInput "mcp.price"."""
        sold = {one.name for one in abilities if not one.needs_wallet}
        for name in self.prices:
            if name not in sold:
                raise InvalidInput(
                    "mcp.price", "no tool that can have a price", expected=", ".join(sorted(sold)),
                    got=ascii(name)[:80], hint="tools that spend this server's own wallet are not sold",
                )  # fmt: skip

    def terms(self, ability: Ability) -> Terms | None:
        """Return what a tool costs; None where it is free."""
        price = self.prices.get(ability.name)
        flow = Flow.AFTER if ability.is_read_only else Flow.BEFORE
        return None if price is None else Terms((price,), flow, description=ability.title, mime_type="application/json")

    def shown(self, ability: Ability) -> object:
        """Return a tool's price for its listing."""
        price = self.prices.get(ability.name)
        if price is None:
            return "free"
        return {
            "scheme": price.scheme, "network": price.network, "asset": price.asset, "amount": str(price.amount),
            "payTo": price.pay_to,
        }  # fmt: skip

    def sell(
        self, tally: Tally, terms: Terms, operation: Operation, meta: Mapping[str, Any], work: Work
    ) -> CallToolResult:
        """Return the result of work that is paid for, the demand of a payment, or that nobody knows yet.

        raises  what the work raises, after the payment was given up
        """
        if PAYMENT not in meta:
            return outcomes.challenged(terms.challenge(operation).to_dict())
        try:
            payment = Payment.read(meta[PAYMENT])
        except InvalidInput as error:
            return outcomes.challenged(terms.challenge(operation, f"{error.code}: {error}").to_dict())
        cashier, network = self.cashier(tally), payment.accepted.network
        got = cashier.accept(payment, terms, operation)
        if isinstance(got, Answered):
            return _given(got.answer, got.settled)
        if not isinstance(got, Accepted):
            return _not_given(got, terms, operation, network)
        try:
            answer = orjson.dumps(work())
        except BaseException as error:
            cashier.release(got, error.code if isinstance(error, TallystickError) else "internal error")
            raise
        outcome = cashier.settle(got, answer)
        if isinstance(outcome, Settled):
            return _given(answer, outcome)
        return _not_given(outcome, terms, operation, network)


def _given(answer: bytes, settled: Settled) -> CallToolResult:
    return outcomes.given(orjson.loads(answer), {RESPONSE: settled.to_settlement().to_dict()})


def _not_given(outcome: Outcome, terms: Terms, operation: Operation, network: str) -> CallToolResult:
    if isinstance(outcome, Unknown):
        error = Unavailable(
            "payment.unknown", "nobody knows yet whether this payment moved", got=outcome.reason,
            hint=f"repeat the same payment in {outcome.retry_after_s} s; do not make another",
        )  # fmt: skip
        return outcomes.refused(error, meta={RESPONSE: outcome.to_settlement(network).to_dict()})
    assert not isinstance(outcome, Settled)
    demand = terms.challenge(operation, f"{outcome.reason}: {outcome.message}".removesuffix(": ")).to_dict()
    return outcomes.challenged(demand, {RESPONSE: outcome.to_settlement(network).to_dict()})
