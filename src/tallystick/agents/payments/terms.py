"""What a seller asks for: price, token, payee, and when in the course of a request it is paid.

Terms make the challenge for one operation and say whether what a payer accepted is still what is asked. The operation's
hash goes out in each way to pay and comes back with the payment, because payers send what they accepted back as it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from tallystick.agents.payments.operation import BINDING, Operation
from tallystick.agents.payments.wire import EXACT, Challenge, Requirements
from tallystick.chain.node import Node
from tallystick.chain.signing_domain import read_signing_domain
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_TIMEOUT_S

OPERATION: Final = "operation"  # in a requirement's extra: the operation's hash
PAYMENT_IDENTIFIER: Final = "payment-identifier"  # x402's extension of this name

_IDENTIFIER_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "required": {"type": "boolean"},
        "id": {"type": "string", "minLength": 16, "maxLength": 128, "pattern": "^[a-zA-Z0-9_-]+$"},
    },
    "required": ["required"],
}

_BINDING_SCHEMA: Final = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"operation": {"type": "string"}, "salt": {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}},
    "required": ["operation"],
}


class Flow(Enum):
    """When the money moves: after the work, so that failed work is free; or before it, for what cannot be withheld."""

    AFTER = "authorization"
    BEFORE = "upfront"


@dataclass(frozen=True)
class Price:
    """One way to pay: so many smallest units of a token on a network, to a payee.

    extra  what the scheme needs beside: of `exact` the token's EIP-712 name and version
    """

    network: str
    asset: str
    amount: int
    pay_to: str
    extra: tuple[tuple[str, Any], ...] = ()
    scheme: str = EXACT

    @classmethod
    def of_token(cls, node: Node, token: str, amount: int, pay_to: str) -> Price:
        """Return the price in a token of the node's chain that takes authorizations (EIP-3009).

        raises  as `chain.signing_domain.read_signing_domain`; InvalidInput "payment.price"
        """
        if amount <= 0:
            raise InvalidInput("payment.price", "a price is more than nothing", expected="≥ 1", got=amount)
        domain = read_signing_domain(node, token)
        extra = (("name", domain.name), ("version", domain.version))
        return cls(f"eip155:{node.chain_id}", domain.verifying_contract, amount, parse_address(pay_to), extra)


@dataclass(frozen=True)
class Terms:
    """What one operation costs. The first of `prices` is the one that the seller likes best.

    description  what is sold, for people
    mime_type    of the answer
    """

    prices: tuple[Price, ...]
    flow: Flow = Flow.AFTER
    timeout_s: int = PAYMENT_TIMEOUT_S
    description: str = ""
    mime_type: str = ""

    def requirements(self, operation: Operation) -> tuple[Requirements, ...]:
        """Return the ways to pay for an operation."""
        bound: dict[str, Any] = {OPERATION: "0x" + operation.hash().hex()}
        if self.flow is not Flow.AFTER:
            bound["paymentFlow"] = self.flow.value
        return tuple(
            Requirements.make(
                one.network, one.asset, one.amount, one.pay_to, self.timeout_s, dict(one.extra) | bound, one.scheme
            )
            for one in self.prices
        )

    def challenge(self, operation: Operation, error: str = "") -> Challenge:
        """Return what is asked for an operation."""
        named = (("description", self.description), ("mimeType", self.mime_type))
        resource = {"url": operation.resource} | {name: value for name, value in named if value}
        extensions = {
            PAYMENT_IDENTIFIER: {"info": {"required": False}, "schema": _IDENTIFIER_SCHEMA},
            BINDING: {"info": {"operation": "0x" + operation.hash().hex()}, "schema": _BINDING_SCHEMA},
        }
        return Challenge(self.requirements(operation), resource, error or "payment required", extensions)

    def match(self, accepted: Requirements, operation: Operation) -> Requirements | None:
        """Return the way to pay that a payer accepted, None where it is not asked for (any more), or not for this.

        Addresses are compared, not their spelling; what a payer adds to `extra` changes nothing.
        """
        for wanted in self.requirements(operation):
            told = replace(accepted, extra={name: accepted.extra.get(name) for name in wanted.extra})
            if _spelled(told) == _spelled(wanted):
                return wanted
        return None

    def is_for_another(self, accepted: Requirements, operation: Operation) -> bool:
        """Whether a payer accepted these terms for another operation."""
        told = accepted.extra.get(OPERATION)
        return isinstance(told, str) and told.lower() != "0x" + operation.hash().hex()


def _spelled(one: Requirements) -> tuple[Any, ...]:
    return (
        one.scheme, one.network, one.asset.lower(), one.amount, one.pay_to.lower(), one.timeout_s,
        {name: value.lower() if name == OPERATION and isinstance(value, str) else value
         for name, value in one.extra.items()},
    )  # fmt: skip
