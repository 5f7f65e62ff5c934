"""Our settlement inside the PyPI package x402: for its facilitator, and so for its middlewares in the same process.

facilitator = x402Facilitator()
facilitator.register([network], StockScheme(scheme, signer))
"""

from __future__ import annotations

from typing import Any, Final

from tallystick.agents.payments.outcomes import Scheme, Settled, Unknown
from tallystick.agents.payments.wire import Payment, Requirements
from tallystick.services.extra import agents_extra

with agents_extra():
    from x402.schemas import PaymentPayload, PaymentRequirements, SettleResponse, VerifyResponse


class StockScheme:
    """The facilitator's side of a scheme of ours, as the package asks for it."""

    caip_family: Final = "eip155:*"

    def __init__(self, scheme: Scheme, signer: str) -> None:
        self.scheme: Final = scheme.name
        self._scheme = scheme
        self._signer = signer

    def get_extra(self, network: str) -> dict[str, Any] | None:
        """Return what a payer must know beside: nothing."""
        return None

    def get_signers(self, network: str) -> list[str]:
        """Return who brings the payments."""
        return [self._signer]

    def verify(
        self, payload: PaymentPayload, requirements: PaymentRequirements, context: object = None
    ) -> VerifyResponse:
        """Return whether a payment could be settled now."""
        found = self._scheme.verify(*_read(payload, requirements))
        if isinstance(found, Unknown):
            return VerifyResponse(is_valid=False, invalid_reason=found.reason, invalid_message=found.message)
        told: dict[str, Any] = {"invalid_reason": found.reason or None, "invalid_message": found.message or None}
        return VerifyResponse(is_valid=found.is_valid, payer=found.payer or None, **told)

    def settle(
        self, payload: PaymentPayload, requirements: PaymentRequirements, context: object = None
    ) -> SettleResponse:
        """Have the money moved, once; an outcome that is not known is `settlement_pending`."""
        outcome = self._scheme.settle(*_read(payload, requirements))
        network = str(requirements.network)
        told = outcome.to_settlement() if isinstance(outcome, Settled) else outcome.to_settlement(network)
        return SettleResponse.model_validate(told.to_dict())


def _read(payload: PaymentPayload, requirements: PaymentRequirements) -> tuple[Payment, Requirements]:
    return (
        Payment.read(payload.model_dump(by_alias=True, exclude_none=True)),
        Requirements.read(requirements.model_dump(by_alias=True, exclude_none=True)),
    )
