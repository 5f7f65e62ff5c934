"""What holders of a token sign instead of sending a transaction: permits (EIP-2612) and authorizations (EIP-3009).

Values and their digests, for our `Token` and for any other that keeps the standards: the domain is the token's own and
must be read from it (`chain.signing_domain`), since names and versions differ. Pure: no clock, no chance, no node. The
caller chooses times and nonces; whoever receives one recovers its signer (`eip712.recover`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from tallystick.core import documents, eip712
from tallystick.core.errors import InvalidInput
from tallystick.core.ids import parse_address

PERMIT_TYPE = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
CANCEL_TYPE = "CancelAuthorization(address authorizer,bytes32 nonce)"
_MEMBERS = "(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
_NAMES = ("from", "to", "value", "validAfter", "validBefore", "nonce")


class Bringer(Enum):
    """Who may bring an authorization to the token: the value is the struct's EIP-712 type."""

    ANYBODY = "TransferWithAuthorization" + _MEMBERS
    PAYEE = "ReceiveWithAuthorization" + _MEMBERS


@dataclass(frozen=True)
class Authorization:
    """One transfer that a payer signs; it counts in blocks later than `valid_after` and earlier than `valid_before`.

    nonce  32 bytes of the payer's choice, spent once; at random, unless they mean something to the payer's account
    """

    payer: str
    payee: str
    amount: int
    valid_after: int
    valid_before: int
    nonce: bytes

    def digest(self, domain: eip712.Domain, bringer: Bringer = Bringer.ANYBODY) -> bytes:
        """Return the EIP-712 digest that the payer signs."""
        values = (self.payer, self.payee, self.amount, self.valid_after, self.valid_before, self.nonce)
        return eip712.typed_digest(domain, bringer.value, values)

    def signature(self, secret: bytes, domain: eip712.Domain, bringer: Bringer = Bringer.ANYBODY) -> bytes:
        """Return the 65-byte signature by the payer's key."""
        return eip712.sign_digest(secret, self.digest(domain, bringer))

    def is_valid_at(self, time: int) -> bool:
        """Return whether a block of this time takes it, as far as its times go."""
        return self.valid_after < time < self.valid_before

    def to_dict(self) -> dict[str, str]:
        """Return the members as x402 carries them: numbers in decimal, the nonce in hex with its prefix."""
        nonce = "0x" + self.nonce.hex()
        numbers = (str(self.amount), str(self.valid_after), str(self.valid_before))
        return dict(zip(_NAMES, (self.payer, self.payee, *numbers, nonce), strict=True))

    @classmethod
    def from_dict(cls, value: object) -> Authorization:
        """Return the authorization that parsed JSON from outside holds.

        raises  InvalidInput "document.…", "address.…", "authorization.nonce"
        """
        found = documents.members(value, "authorization", _NAMES)
        nonce = documents.text(found["nonce"], "nonce", 66)
        if len(nonce) != 66 or not nonce.startswith("0x"):
            raise InvalidInput("authorization.nonce", "not a nonce", expected="0x and 64 hex digits", got=ascii(nonce))
        return cls(
            payer=parse_address(found["from"]),
            payee=parse_address(found["to"]),
            amount=documents.decimal(found["value"], "value"),
            valid_after=documents.decimal(found["validAfter"], "validAfter"),
            valid_before=documents.decimal(found["validBefore"], "validBefore"),
            nonce=documents.digest(nonce[2:].lower(), "nonce"),
        )


@dataclass(frozen=True)
class Permit:
    """An allowance that an owner signs: it replaces the spender's, until and including the second `deadline`."""

    owner: str
    spender: str
    amount: int
    nonce: int
    deadline: int

    def digest(self, domain: eip712.Domain) -> bytes:
        """Return the EIP-712 digest that the owner signs."""
        values = (self.owner, self.spender, self.amount, self.nonce, self.deadline)
        return eip712.typed_digest(domain, PERMIT_TYPE, values)

    def signature(self, secret: bytes, domain: eip712.Domain) -> bytes:
        """Return the 65-byte signature by the owner's key."""
        return eip712.sign_digest(secret, self.digest(domain))


def cancel_digest(payer: str, nonce: bytes, domain: eip712.Domain) -> bytes:
    """Return the digest by whose signature a payer takes a nonce back that was not used yet."""
    return eip712.typed_digest(domain, CANCEL_TYPE, (payer, nonce))


def split_signature(signature: bytes) -> tuple[int, bytes, bytes]:
    """Return (v, r, s) of a 65-byte signature r ‖ s ‖ v, as the first forms of signed calls take it.

    raises  InvalidInput "authorization.signature" for any other length: an account's signature fits the second forms
    """
    if len(signature) != 65:
        raise InvalidInput(
            "authorization.signature", "not a signature by a key", expected="65 bytes", got=f"{len(signature)} bytes"
        )
    return signature[64], signature[:32], signature[32:64]
