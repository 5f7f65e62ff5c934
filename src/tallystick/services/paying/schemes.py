"""A purse inside a stock client of the PyPI package x402: any program on it can pay from a policy account.

    client = x402Client()
    PurseScheme(purse).attach(client, network)

The purse signs, remembers and limits; the package carries. What the package cannot do is send the same payment again
after a crash, since it asks its scheme anew; so for a request whose payment is undecided it is given that payment.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from tallystick.agents.payments.operation import Operation
from tallystick.agents.payments.purse import Purse
from tallystick.agents.payments.purse_book import Booked
from tallystick.agents.payments.terms import OPERATION
from tallystick.agents.payments.wire import EXACT, Challenge, Requirements, Settlement
from tallystick.core.errors import Broken
from tallystick.services.extra import agents_extra

with agents_extra():
    from x402 import x402Client, x402ClientSync
    from x402.mechanisms.evm.default_assets import find_default_asset
    from x402.schemas import PaymentRequirements

_METHOD: Final = "x402"


class PurseScheme:
    """The client's side of `exact`, as the package's clients ask for it.

    payee  whom the payer means to pay; without it, whoever was named first for the same terms
    """

    scheme: Final = EXACT
    find_default_asset = staticmethod(find_default_asset)

    def __init__(self, purse: Purse, payee: str | None = None) -> None:
        self._purse = purse
        self._payee = payee
        self._sent: dict[str, Booked] = {}  # by signature, until somebody says what came of it

    def attach(self, client: x402Client | x402ClientSync, network: str) -> None:
        """Let a client pay with the purse on a network, and tell the purse what came of it."""
        client.register(network, self)
        client.on_payment_response(self._learn)

    def create_payment_payload(self, requirements: PaymentRequirements) -> dict[str, Any]:
        """Return the signed members; raises as `Purse.pay`."""
        asked = Requirements.read(requirements.model_dump(by_alias=True, exclude_none=True))
        named = asked.extra.get(OPERATION)
        operation = Operation.of(_METHOD, f"x402:{named if isinstance(named, str) else secrets.token_hex(32)}")
        booked = self._purse.pay(Challenge((asked,)), operation, f"x402:{asked.pay_to}", self._payee)
        if booked.payment is None:
            raise Broken("payment.unsigned", "a payment was to be sent that is not signed", got=booked.id)
        self._sent[str(booked.payment.payload["signature"])] = booked
        return dict(booked.payment.payload)

    def _learn(self, context: Any) -> None:
        """Tell the purse; never claim to have recovered, since the package would sign anew."""
        booked = self._sent.pop(str(context.payment_payload.payload.get("signature")), None)
        if booked is None:
            return
        told = context.settle_response
        settlement = None if told is None else Settlement.read(told.model_dump(by_alias=True, exclude_none=True))
        self._purse.learn(booked, settlement, "no word of a settlement")
