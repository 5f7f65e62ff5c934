"""The scheme `exact` on the EVM: the payer signs one transfer (EIP-3009), anybody may bring it to the token.

A signature of 65 bytes is a key's; the token then wants v, r and s. Any other is an account's and goes to the form that
ends in bytes (x402's own rule, so ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tallystick.agents.payments.outcomes import Claimable
from tallystick.agents.payments.wire import Members, Payment, Requirements
from tallystick.chain.bindings.token import Token
from tallystick.chain.calls import Call, Caller
from tallystick.core import documents
from tallystick.core.authorization import Authorization, split_signature
from tallystick.core.digest import keccak
from tallystick.core.eip712 import Domain
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address
from tallystick.core.limits import PAYMENT_SIGNATURE_BYTES_MAX

METHOD: Final = "eip3009"  # extra.assetTransferMethod; also where none is named
KEY_BYTES: Final = 65  # of a key's signature

_WRAPPED: Final = bytes.fromhex("6492" * 16)  # ERC-6492: the signature of an account that is not there yet


@dataclass(frozen=True)
class ExactPayment:
    """An authorization with its signature."""

    authorization: Authorization
    signature: bytes

    @classmethod
    def read(cls, payload: Members) -> ExactPayment:
        """Read the payload of a payment; raises InvalidInput "document.…", "address.…", "authorization.…"."""
        authorization = Authorization.from_dict(payload.get("authorization"))
        text = documents.text(payload.get("signature"), "signature", 2 + 2 * PAYMENT_SIGNATURE_BYTES_MAX)
        if not text.startswith("0x"):
            raise InvalidInput("authorization.signature", "not a signature", expected="0x and hex", got=ascii(text[:8]))
        signature = documents.hexed(text[2:].lower(), "signature", PAYMENT_SIGNATURE_BYTES_MAX)
        if len(signature) == KEY_BYTES and signature[64] < 2:
            signature = signature[:64] + bytes([27 + signature[64]])  # as some wallets count
        return cls(authorization, signature)

    def to_payload(self) -> dict[str, object]:
        """Return the members that travel."""
        return {"signature": "0x" + self.signature.hex(), "authorization": self.authorization.to_dict()}

    @property
    def is_wrapped(self) -> bool:
        """Whether it would make the payer's account first (ERC-6492), which nobody here does."""
        return self.signature.endswith(_WRAPPED)

    def claim(self, requirements: Requirements) -> Claimable:
        """Return what makes the payment one of a kind."""
        one = self.authorization
        asset = parse_address(requirements.asset)
        parts = (requirements.network.encode(), bytes.fromhex(asset[2:]), *map(str.encode, one.to_dict().values()))
        return Claimable(
            network=requirements.network,
            asset=asset,
            payer=one.payer,
            payee=one.payee,
            amount=one.amount,
            nonce=one.nonce,
            digest=keccak(b"\0".join((*parts, self.signature))),
            valid_before=one.valid_before,
        )

    def call(self, node: Caller, asset: str) -> Call:
        """Return the token's call that makes the transfer."""
        one, token = self.authorization, Token(node, asset)
        values = (one.payer, one.payee, one.amount, one.valid_after, one.valid_before, one.nonce)
        if len(self.signature) == KEY_BYTES:
            return token.transfer_with_authorization(*values, *split_signature(self.signature))
        return token.transfer_with_authorization_bytes(*values, self.signature)


def read_exact(payment: Payment) -> ExactPayment:
    """Return the authorization in a payment; raises InvalidInput as `ExactPayment.read`."""
    return ExactPayment.read(payment.payload)


def domain_of(requirements: Requirements) -> Domain:
    """Return the EIP-712 domain that requirements name; raises InvalidInput "payment.domain", "payment.network"."""
    name, version = requirements.extra.get("name"), requirements.extra.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise InvalidInput("payment.domain", "the token's name and version are not named in extra")
    return Domain(name, version, requirements.chain_id, parse_address(requirements.asset))


def is_exact(requirements: Requirements) -> bool:
    """Whether requirements ask for a transfer by EIP-3009."""
    return requirements.scheme == "exact" and requirements.extra.get("assetTransferMethod", METHOD) == METHOD
