"""The intent records of a workspace: kept for good, found again by the hash that is on chain.

A record is a blob under its own hash (`store.blobs`), so a changed one is no longer found. Its signature lies beside it
under a name; the first one stays. An EIP-3009 authorization carries no hash, so its record is found by the nonce that
it spends. Nothing is ever taken out or replaced.
"""

from __future__ import annotations

from tallystick.agents.intents import Intent
from tallystick.agents.intents_signed import SignedIntent
from tallystick.core.digest import check_digest
from tallystick.core.errors import Unavailable, VerificationFailed
from tallystick.core.ids import parse_address
from tallystick.core.limits import INTENT_BYTES_MAX
from tallystick.store.blobs import BlobStore

_SIGNATURE_BYTES_MAX = 256  # of its file; a signature is 65
_HASH_BYTES = 32


class IntentStore:
    """The records in a blob store."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def keep(self, signed: SignedIntent) -> bytes:
        """Keep a record and its signature; return the intent hash. Kept again, nothing changes.

        raises  VerificationFailed "intent.signer" for one that its session did not sign; as `BlobStore.put`
        """
        signer = signed.signer()
        if signer != signed.intent.session:
            raise VerificationFailed(
                "intent.signer", "the session did not sign this record", expected=signed.intent.session, got=signer
            )
        digest = self._blobs.put(signed.intent.to_bytes())
        name = _signature_name(digest)
        if not self._blobs.has_named(name):
            self._blobs.write_named(name, signed.signature)
        return digest

    def find(self, intent_hash: bytes) -> SignedIntent:
        """Return the record of this hash with its signature, which is checked again.

        raises  Unavailable "intent.unknown"; VerificationFailed "blobs.digest", "intent.signer", "eip712.signature";
                InvalidInput where the bytes under the hash are no record
        """
        digest = check_digest(intent_hash, "intent hash")
        if not self.has(digest):
            raise Unavailable(
                "intent.unknown",
                "no record of this intent is here",
                got=digest.hex(),
                hint="ask who operates the agent",
            )
        intent = Intent.from_bytes(self._blobs.get(digest, INTENT_BYTES_MAX))
        signed = SignedIntent(intent, self._blobs.read_named(_signature_name(digest), _SIGNATURE_BYTES_MAX))
        if signed.signer() != intent.session:
            raise VerificationFailed(
                "intent.signer", "the session did not sign this record", expected=intent.session, got=signed.signer()
            )
        return signed

    def keep_for(self, signed: SignedIntent, token: str, nonce: bytes) -> bytes:
        """Keep a record as `keep`, and that an authorization of this nonce is what it is for; the first one stays."""
        digest, name = self.keep(signed), _nonce_name(token, nonce)
        if not self._blobs.has_named(name):
            self._blobs.write_named(name, digest)
        return digest

    def find_for(self, token: str, nonce: bytes) -> SignedIntent:
        """Return the record that an authorization is for; raises as `find`."""
        name = _nonce_name(token, nonce)
        if not self._blobs.has_named(name):
            raise Unavailable("intent.unknown", "no record of this authorization is here", got=nonce.hex())
        return self.find(self._blobs.read_named(name, _HASH_BYTES))

    def has(self, intent_hash: bytes) -> bool:
        """Return whether there is a record of this hash."""
        return self._blobs.has(intent_hash) and self._blobs.has_named(_signature_name(intent_hash))


def _signature_name(digest: bytes) -> str:
    return f"intents/{digest.hex()[:2]}/{digest.hex()}"


def _nonce_name(token: str, nonce: bytes) -> str:
    return f"intents/paid/{parse_address(token)[2:].lower()}/{check_digest(nonce, 'nonce').hex()}"
