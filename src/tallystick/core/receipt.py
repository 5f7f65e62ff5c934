"""A receipt: an entry, its audit path and a signed checkpoint; enough to check it offline, years later.

Two spellings: our JSON, which carries the entry, and C2SP's `.tlog-proof`, which any tlog tool reads and which does
not. Both reveal the size of the log when they were made.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from tallystick.core import canonical, documents, merkle
from tallystick.core.checkpoint import Checkpoint, open_checkpoint
from tallystick.core.digest import check_digest
from tallystick.core.errors import InvalidInput
from tallystick.core.limits import ENTRY_BYTES_MAX, NOTE_BYTES_MAX, PROOF_NODES_MAX, TREE_SIZE_MAX
from tallystick.core.note import VerifierKey
from tallystick.core.ticket import read_path

RECEIPT_KIND = "tallystick/receipt/v1"
TLOG_PROOF = "c2sp.org/tlog-proof@v1"

_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})\Z", re.ASCII)


@dataclass(frozen=True)
class Receipt:
    """The entry at `index`, and the proof that it is in the log whose head is `checkpoint` (a signed note)."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def verify(self, keys: Iterable[VerifierKey]) -> Checkpoint:
        """Return the signed checkpoint that contains the entry.

        raises  InvalidInput or VerificationFailed of `open_checkpoint`, VerificationFailed "merkle.inclusion"
        """
        head = open_checkpoint(self.checkpoint, keys)
        self.verify_in(head)
        return head

    def verify_in(self, head: Checkpoint) -> None:
        """Return if the entry is in the tree of `head`, a checkpoint whose signature was checked before."""
        merkle.verify_inclusion(self.index, head.size, merkle.leaf_hash(self.entry), self.path, head.root)

    def to_bytes(self) -> bytes:
        """Return our JSON spelling, canonical.

        raises  InvalidInput "receipt.checkpoint" when the checkpoint is not UTF-8, so no signed note
        """
        return canonical.encode(
            {
                "checkpoint": _check_utf8(self.checkpoint).decode("utf-8"),
                "entry": base64.b64encode(self.entry).decode(),
                "index": self.index,
                "kind": RECEIPT_KIND,
                "path": [node.hex() for node in self.path],
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Receipt:
        """Read our JSON spelling; nothing is verified yet.

        raises  InvalidInput when malformed
        """
        names = ("checkpoint", "entry", "index", "kind", "path")
        found = documents.members(canonical.parse(data, "receipt"), "receipt", names)
        if found["kind"] != RECEIPT_KIND:
            raise InvalidInput("receipt.kind", "not a receipt", expected=RECEIPT_KIND, got=str(found["kind"])[:80])
        return cls(
            documents.unbase64(found["entry"], "entry", ENTRY_BYTES_MAX),
            documents.integer(found["index"], "index", 0, TREE_SIZE_MAX),
            read_path(found["path"]),
            documents.text(found["checkpoint"], "checkpoint", NOTE_BYTES_MAX).encode("utf-8"),
        )

    def to_tlog_proof(self) -> bytes:
        """Return the C2SP `.tlog-proof` spelling, which leaves the entry out."""
        hashes = "".join(f"{base64.b64encode(node).decode()}\n" for node in self.path)
        return f"{TLOG_PROOF}\nindex {self.index}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def from_tlog_proof(cls, data: bytes, entry: bytes) -> Receipt:
        """Read a `.tlog-proof` for an entry that the caller has; an `extra` line is skipped, as nothing signs it.

        raises  InvalidInput "receipt.proof" when malformed
        """
        if len(data) > NOTE_BYTES_MAX + 64 * PROOF_NODES_MAX:
            raise InvalidInput("receipt.proof", "proof is too large", got=len(data))
        head, blank, checkpoint = data.partition(b"\n\n")
        try:
            lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError:
            raise InvalidInput("receipt.proof", "proof is not ASCII before its checkpoint") from None
        if not blank or lines[0] != TLOG_PROOF:
            raise InvalidInput("receipt.proof", "not a tlog-proof", expected=TLOG_PROOF, got=lines[0][:80])
        rest = lines[2:] if len(lines) > 1 and lines[1].startswith("extra ") else lines[1:]
        index = _INDEX.match(rest[0]) if rest else None
        if index is None or len(rest) - 1 > PROOF_NODES_MAX:
            raise InvalidInput("receipt.proof", "proof has no index or too many nodes", expected="index <n>")
        path = tuple(check_digest(documents.unbase64(line, "path node", 32), "path node") for line in rest[1:])
        found = documents.integer(int(index[1]), "index", 0, TREE_SIZE_MAX)
        return cls(entry, found, path, _check_utf8(checkpoint))


def _check_utf8(checkpoint: bytes) -> bytes:
    try:
        checkpoint.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidInput("receipt.checkpoint", "checkpoint is not UTF-8") from None
    return checkpoint
