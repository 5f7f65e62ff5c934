"""Signed readings of features: what a registered source says that the input of a model is, about whom, and when.

A kernel proves f(x), not x. A contract that must not be told its own features by the one they are about demands a
source by its id, and the contract `SignedFeeds` checks the signature, the subject and the age.
"""

from __future__ import annotations

from dataclasses import dataclass

from tallystick.core import eip712

DOMAIN_NAME = "Tallystick Feeds"
DOMAIN_VERSION = "1"
READING_TYPE = "FeedReading(uint256 sourceId,bytes32 subject,bytes features,uint64 observedAt)"


def feeds_domain(chain_id: int, contract: str) -> eip712.Domain:
    """Return the EIP-712 domain of readings for sources that this SignedFeeds contract lists."""
    return eip712.Domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, contract)


@dataclass(frozen=True)
class FeedReading:
    """The features of `subject`, byte for byte the input of a model, at `observed_at` in seconds."""

    source_id: int
    subject: bytes
    features: bytes
    observed_at: int

    def digest(self, domain: eip712.Domain) -> bytes:
        """Return the EIP-712 digest that is signed."""
        values = (self.source_id, self.subject, self.features, self.observed_at)
        return eip712.typed_digest(domain, READING_TYPE, values)

    def signature(self, secret: bytes, domain: eip712.Domain) -> bytes:
        """Return the 65-byte signature by the source's key: the proof that `check_features` takes."""
        return eip712.sign_digest(secret, self.digest(domain))
