"""What abilities cost, and how the money is taken: claimed before the work, settled before the answer leaves.

For what only looks the money moves after the work, so that a failure costs nothing; for what cannot be undone, before.
How a demand, a payment and a receipt travel is for the protocol that carries them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import rfc8785

from tallystick.agents.payments.cashier import Accepted, Answered, Cashier
from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.outcomes import Outcome, Settled, Unknown
from tallystick.agents.payments.terms import Flow, Price, Terms
from tallystick.agents.payments.wire import Payment
from tallystick.core.errors import InvalidInput, TallystickError
from tallystick.services.abilities.ability import Ability
from tallystick.tally import Tally

Work = Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Given:
    """The answer leaves; `settlement` says how it was paid."""

    answer: dict[str, Any]
    settlement: dict[str, Any]


@dataclass(frozen=True)
class Demanded:
    """The answer does not leave: `challenge` asks for a payment, and `settlement` says what came of the one before."""

    challenge: dict[str, Any]
    settlement: dict[str, Any] | None = None


@dataclass(frozen=True)
class Pending:
    """Nobody knows whether the payment moved: it is to be repeated, and nothing is asked for."""

    unknown: Unknown
    settlement: dict[str, Any]


Sale = Given | Demanded | Pending


@dataclass(frozen=True)
class Till:
    """The prices of abilities, and the cashier of a workspace.

    cashier  gives the cashier of an open workspace; it is asked in the thread that does the work
    prices   by the names of abilities; others are free
    """

    cashier: Callable[[Tally], Cashier]
    prices: Mapping[str, Price]

    def check(self, abilities: tuple[Ability, ...]) -> None:
        """Return if each that is priced is offered and may have a price; raises InvalidInput "ability.price"."""
        sold = {one.name for one in abilities if not one.needs_wallet}
        for name in self.prices:
            if name not in sold:
                raise InvalidInput(
                    "ability.price", "nothing that can have a price", expected=", ".join(sorted(sold)),
                    got=ascii(name)[:80], hint="what spends this server's own wallet is not sold",
                )  # fmt: skip

    def terms(self, ability: Ability) -> Terms | None:
        """Return what an ability costs; None where it is free."""
        price = self.prices.get(ability.name)
        flow = Flow.AFTER if ability.is_read_only else Flow.BEFORE
        return None if price is None else Terms((price,), flow, description=ability.title, mime_type="application/json")

    def shown(self, ability: Ability) -> object:
        """Return an ability's price for its listing."""
        price = self.prices.get(ability.name)
        if price is None:
            return "free"
        return {
            "scheme": price.scheme, "network": price.network, "asset": price.asset, "amount": str(price.amount),
            "payTo": price.pay_to,
        }  # fmt: skip

    def sell(self, tally: Tally, terms: Terms, operation: Operation, payment: object, work: Work) -> Sale:
        """Return what came of a call that costs something; `payment` is what was sent with it, None for nothing.

        raises  what the work raises, after the payment was given up
        """
        if payment is None:
            return Demanded(terms.challenge(operation).to_dict())
        try:
            read = Payment.read(payment)
        except InvalidInput as error:
            return Demanded(terms.challenge(operation, f"{error.code}: {error}").to_dict())
        cashier, network = self.cashier(tally), read.accepted.network
        got = cashier.accept(read, terms, operation)
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


def operation_of(method: str, resource: str, arguments: Mapping[str, Any]) -> Operation:
    """Return what a call is, for payments: its method and resource, and the RFC 8785 form of its arguments as sent.

    raises  InvalidInput "operation.resource", "ability.arguments" where they have no such form
    """
    try:
        body = rfc8785.dumps(dict(arguments))
    except (rfc8785.CanonicalizationError, RecursionError, ValueError) as error:
        raise InvalidInput(
            "ability.arguments", "arguments have no canonical form", got=ascii(str(error))[:80]
        ) from None
    return Operation.of(method, resource, body)


def _given(answer: bytes, settled: Settled) -> Given:
    return Given(orjson.loads(answer), settled.to_settlement().to_dict())


def _not_given(outcome: Outcome, terms: Terms, operation: Operation, network: str) -> Demanded | Pending:
    if isinstance(outcome, Unknown):
        return Pending(outcome, outcome.to_settlement(network).to_dict())
    assert not isinstance(outcome, Settled)
    why = f"{outcome.reason}: {outcome.message}".removesuffix(": ")
    return Demanded(terms.challenge(operation, why).to_dict(), outcome.to_settlement(network).to_dict())
