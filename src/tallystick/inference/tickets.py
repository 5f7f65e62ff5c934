"""Tickets: a signed promise for every entry, at one signature per durable batch.

The batch that the log wrote together has a Merkle tree of its own. Its root is signed once, when the first ticket of
the batch is asked for; every ticket is that signature and a path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tallystick.core import merkle
from tallystick.core.eip712 import Domain
from tallystick.core.ticket import BatchPromise, Ticket
from tallystick.inference.log.pending import Batch, Pending


class TicketOffice:
    """Issues tickets for one log. Safe in many threads.

    secret    the secp256k1 key of the log's ticket signer on chain
    domain    `ticket_domain(chain id, LogAnchor address)`
    log_id    the log's id in that contract
    clock_ms  milliseconds since 1970; it dates the promises
    """

    def __init__(self, secret: bytes, domain: Domain, log_id: int, clock_ms: Callable[[], int]) -> None:
        self._secret = secret
        self._domain = domain
        self._log_id = log_id
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self.signatures = 0  # made so far: one per batch

    def ticket(self, pending: Pending) -> Ticket:
        """Return the ticket of an entry, once it is durable; waits as `pending.result()` does.

        raises  what `pending.result()` raises: nothing is promised that is not on the disk
        """
        index = pending.result()
        signed = self._signed(pending.batch)
        return Ticket(signed.promise, index, signed.path(pending.offset))

    def _signed(self, batch: Batch) -> _SignedBatch:
        found = batch.shared.get(self)
        if found is None:
            with self._lock:
                found = batch.shared.get(self)
                if found is None:
                    found = batch.shared[self] = self._sign(batch)
        assert isinstance(found, _SignedBatch)
        return found

    def _sign(self, batch: Batch) -> _SignedBatch:
        rows = _rows(batch.leaves)
        promise = BatchPromise(self._log_id, batch.first, len(batch.leaves), rows[-1][0], self._clock_ms())
        self.signatures += 1
        return _SignedBatch(promise.signed(self._secret, self._domain), rows)


@dataclass(frozen=True)
class _SignedBatch:
    """A batch's promise and the rows of its tree, leaves first."""

    promise: BatchPromise
    rows: list[Sequence[bytes]]

    def path(self, offset: int) -> tuple[bytes, ...]:
        """Return the audit path of the entry at `offset`; an odd last node has no sibling and is promoted."""
        path = []
        for row in self.rows[:-1]:
            sibling = offset ^ 1
            if sibling < len(row):
                path.append(row[sibling])
            offset >>= 1
        return tuple(path)


def _rows(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    rows: list[Sequence[bytes]] = [leaves]
    while len(rows[-1]) > 1:
        above = merkle.parents(rows[-1])
        if len(rows[-1]) % 2:
            above.append(rows[-1][-1])
        rows.append(above)
    return rows
