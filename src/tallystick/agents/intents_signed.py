"""An intent record with its session's signature: EIP-712, for one account on one chain.

The signature says that the session's key stood behind the record; that the act followed it the chain says, whose link
carries the record's hash. `check_signed` looks at both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tallystick.agents.intents import Intent
from tallystick.core import canonical, documents, eip712
from tallystick.core.checks import Check, Report
from tallystick.core.digest import sha256
from tallystick.core.errors import InvalidInput, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import INTENT_BYTES_MAX

INTENT_TYPE: Final = "Intent(address session,bytes32 record)"
_DOMAIN_NAME: Final = "Tallystick Intent"
_DOMAIN_VERSION: Final = "1"
_SIGNATURE_BYTES: Final = 65


def intent_domain(chain_id: int, account: str) -> eip712.Domain:
    """Return the EIP-712 domain of an account's intents."""
    return eip712.Domain(_DOMAIN_NAME, _DOMAIN_VERSION, chain_id, account)


def signing_digest(intent: Intent) -> bytes:
    """Return what the session's key signs."""
    return eip712.typed_digest(
        intent_domain(intent.chain_id, intent.account), INTENT_TYPE, (intent.session, intent.hash())
    )


@dataclass(frozen=True)
class SignedIntent:
    """A record and a signature of 65 bytes; reading one says nothing about whose it is, `check_signed` does."""

    intent: Intent
    signature: bytes

    @classmethod
    def sign(cls, intent: Intent, secret: bytes) -> SignedIntent:
        """Return the record signed with its session's key.

        raises  InvalidInput "intent.key" for another key
        """
        signed = cls(intent, eip712.sign_digest(secret, signing_digest(intent)))
        if signed.signer() != intent.session:
            raise InvalidInput(
                "intent.key", "the key is not the session's", expected=intent.session, got=signed.signer()
            )
        return signed

    def signer(self) -> str:
        """Return whose key signed; raises VerificationFailed "eip712.signature"."""
        return eip712.recover(signing_digest(self.intent), self.signature)

    def to_bytes(self) -> bytes:
        """Return record and signature as canonical JSON, which `from_bytes` reads back the same."""
        return canonical.encode({"record": self.intent.to_dict(), "signature": self.signature.hex()})

    @classmethod
    def from_bytes(cls, data: bytes) -> SignedIntent:
        """Read a signed record without checking it; raises InvalidInput as `Intent.from_bytes`."""
        if len(data) > 2 * INTENT_BYTES_MAX:
            raise InvalidInput("intent.size", "signed intent is too large", expected=f"≤ {2 * INTENT_BYTES_MAX}")
        found = documents.members(canonical.decode(data, "signed intent"), "signed intent", ("record", "signature"))
        signature = documents.hexed(found["signature"], "signature", _SIGNATURE_BYTES)
        if len(signature) != _SIGNATURE_BYTES:
            raise InvalidInput("intent.signature", "not a signature", expected=f"{_SIGNATURE_BYTES} bytes")
        return cls(Intent.from_bytes(canonical.encode(found["record"])), signature)


@dataclass(frozen=True)
class Act:
    """What a link of the audit chain says about an act, as far as an intent speaks of it.

    token, amount  what it spent, where it is known
    """

    account: str
    chain_id: int
    session: str
    intent_hash: bytes
    token: str | None = None
    amount: int | None = None


def check_signed(signed: SignedIntent, act: Act) -> Report:
    """Return the checks of a signed record against the act that names it.

    1  its hash is the one on chain       2  account and chain are the act's      3  the session is the act's
    4  the session's key signed it        5  what was spent is what it speaks of, and no more
    """
    return Report.of(_checks(signed, act))


def _checks(signed: SignedIntent, act: Act) -> Iterator[Check]:
    intent = signed.intent
    yield Check.equal("intent hash", act.intent_hash, sha256(intent.to_bytes()))
    place = f"{parse_address(act.account)} on {act.chain_id}"
    yield Check.equal("account", place, f"{intent.account} on {intent.chain_id}")
    yield Check.equal("session", parse_address(act.session), intent.session)
    try:
        yield Check.equal("signature", intent.session, signed.signer())
    except VerificationFailed as error:
        yield Check.failed("signature", error)
    if act.amount is not None:
        yield _spent(intent, act, act.amount)


def _spent(intent: Intent, act: Act, amount: int) -> Check:
    paid = intent.payment
    if paid is None:
        return Check.equal("spending", 0, amount, "the record speaks of no payment")
    is_within = amount == 0 or (act.token == paid.token and amount <= paid.amount)
    said = f"{paid.amount} of {paid.token}"
    return Check("spending", is_within, "no more than the record says", said, f"{amount} of {act.token}")
