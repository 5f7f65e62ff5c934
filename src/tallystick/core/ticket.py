"""A ticket: the operator's signed promise, given at once, that an entry is at an index of the log.

One EIP-712 signature covers a batch; a ticket is that signature and the path of its entry in the batch. An operator
whose anchored log lacks the entry at that index has broken a promise that a contract can read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tallystick.core import documents, eip712, merkle
from tallystick.core.errors import VerificationFailed
from tallystick.core.limits import PROOF_NODES_MAX, TREE_SIZE_MAX

DOMAIN_NAME = "Tallystick Log"
DOMAIN_VERSION = "1"
BATCH_TYPE = "TicketBatch(uint256 logId,uint64 firstIndex,uint32 count,bytes32 batchRoot,uint64 timeMs)"


def ticket_domain(chain_id: int, log_anchor: str) -> eip712.Domain:
    """Return the EIP-712 domain of tickets for logs that this LogAnchor contract keeps."""
    return eip712.Domain(DOMAIN_NAME, DOMAIN_VERSION, chain_id, log_anchor)


@dataclass(frozen=True)
class BatchPromise:
    """Entries first_index … first_index + count - 1 of the log have these leaf hashes under batch_root."""

    log_id: int
    first_index: int
    count: int
    batch_root: bytes
    time_ms: int
    signature: bytes = b""

    def digest(self, domain: eip712.Domain) -> bytes:
        """Return the EIP-712 digest that is signed."""
        values = (self.log_id, self.first_index, self.count, self.batch_root, self.time_ms)
        return eip712.typed_digest(domain, BATCH_TYPE, values)

    def signed(self, secret: bytes, domain: eip712.Domain) -> BatchPromise:
        """Return the promise with its signature by the secp256k1 key `secret`."""
        signature = eip712.sign_digest(secret, self.digest(domain))
        return BatchPromise(self.log_id, self.first_index, self.count, self.batch_root, self.time_ms, signature)


@dataclass(frozen=True)
class Ticket:
    """A batch promise and the path of the entry at `index` in it."""

    promise: BatchPromise
    index: int
    path: tuple[bytes, ...]

    def verify(self, leaf: bytes, domain: eip712.Domain, signer: str) -> None:
        """Return if `signer` promised the entry with leaf hash `leaf` at `index`.

        raises  VerificationFailed "ticket.index", "merkle.inclusion", "eip712.signature" or "ticket.signer"
        """
        promise = self.promise
        offset = self.index - promise.first_index
        if not 0 <= offset < promise.count:
            raise VerificationFailed("ticket.index", "index lies outside the promised batch", got=self.index)
        merkle.verify_inclusion(offset, promise.count, leaf, self.path, promise.batch_root)
        got = eip712.recover(promise.digest(domain), promise.signature)
        if got != signer:
            raise VerificationFailed("ticket.signer", "ticket was signed by another key", expected=signer, got=got)

    def to_dict(self) -> dict[str, object]:
        """Return the ticket as JSON members, bytes in hex."""
        promise = self.promise
        return {
            "batch_root": promise.batch_root.hex(),
            "count": promise.count,
            "first_index": promise.first_index,
            "index": self.index,
            "log_id": str(promise.log_id),
            "path": [node.hex() for node in self.path],
            "signature": promise.signature.hex(),
            "time_ms": promise.time_ms,
        }

    @classmethod
    def from_dict(cls, value: object) -> Ticket:
        """Read a ticket without checking it.

        raises  InvalidInput when malformed
        """
        names = ("batch_root", "count", "first_index", "index", "log_id", "path", "signature", "time_ms")
        found = documents.members(value, "ticket", names)
        promise = BatchPromise(
            documents.decimal(found["log_id"], "log_id"),
            documents.integer(found["first_index"], "first_index", 0, TREE_SIZE_MAX),
            documents.integer(found["count"], "count", 1, 2**32 - 1),
            documents.digest(found["batch_root"], "batch_root"),
            documents.integer(found["time_ms"], "time_ms"),
            documents.hexed(found["signature"], "signature", 65),
        )
        return cls(promise, documents.integer(found["index"], "index", 0, TREE_SIZE_MAX), read_path(found["path"]))


def read_path(value: object) -> tuple[bytes, ...]:
    """Return a proof path from a list of hex digests."""
    nodes: Sequence[object] = documents.listed(value, "path", PROOF_NODES_MAX)
    return tuple(documents.digest(node, "path node") for node in nodes)
