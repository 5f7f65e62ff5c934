"""Receipts and tickets: made and verified, on one core."""

from __future__ import annotations

import itertools
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benches import per_second, scratch
from tallystick.chain.accounts import Account
from tallystick.core import merkle
from tallystick.core.note import VerifierKey
from tallystick.core.ticket import ticket_domain
from tallystick.inference.log import Batch, Log, Pending
from tallystick.inference.receipts import ReceiptVerifier, build_receipt
from tallystick.inference.tickets import TicketOffice

QUESTION = "How many receipts and tickets a second can be made and verified on one core?"

ORIGIN = "example.com/bench"


def run(quick: bool) -> dict[str, Any]:
    """Measure receipts and tickets per second, made and verified."""
    size = 50_000 if quick else 1_000_000
    key = Ed25519PrivateKey.generate()
    vkey = VerifierKey(ORIGIN, key.public_key().public_bytes_raw())
    with scratch() as folder, Log.open(folder / "log", ORIGIN, key=key) as log:
        entries = [b"entry %d" % n + bytes(160) for n in range(4_096)]
        while log.size < size:
            log.append_many(entries)[-1].result()
        log.checkpoint()
        size = log.size
        receipts = [build_receipt(log.reader, index) for index in range(0, size, size // 1_000)]
        wires = [receipt.to_bytes() for receipt in receipts]
        places = itertools.cycle(range(0, size, size // 997))
        made = per_second(lambda: len([build_receipt(log.reader, next(places)) for _ in range(50)]), quick)
    verifier = ReceiptVerifier([vkey])

    def once() -> int:
        for receipt in receipts:
            verifier.verify(receipt)
        return len(receipts)

    def each() -> int:
        for receipt in receipts[:100]:
            receipt.verify([vkey])
        return 100

    def from_wire() -> int:
        for wire in wires[:200]:
            verifier.verify(type(receipts[0]).from_bytes(wire))
        return 200

    figures = {
        "receipts_built_per_s": round(made),
        "receipts_verified_signature_once_per_s": round(per_second(once, quick)),
        "receipts_verified_signature_each_per_s": round(per_second(each, quick)),
        "receipts_parsed_and_verified_per_s": round(per_second(from_wire, quick)),
        **_tickets(quick),
    }
    notes = [
        f"{size:,} entries, paths of {len(receipts[0].path)} nodes, one checkpoint",
        "tickets: of batches of 1,000 entries, one EIP-712 signature per batch",
    ]
    return {"figures": figures, "peer": {}, "notes": notes}


def _tickets(quick: bool) -> dict[str, float]:
    domain, secret = ticket_domain(1337, "0x" + "11" * 20), b"\x07" * 32
    office = TicketOffice(secret, domain, 1, lambda: 1_700_000_000_000)
    signer = Account(secret).address
    leaves = merkle.leaf_hashes([b"%d" % n for n in range(1_000)])

    def issue() -> int:
        batch = Batch()
        batch.resolve(0, leaves)
        for offset in range(1_000):
            office.ticket(Pending(batch, offset))
        return 1_000

    batch = Batch()
    batch.resolve(0, leaves)
    tickets = [office.ticket(Pending(batch, offset)) for offset in range(50)]

    def verify() -> int:
        for leaf, ticket in zip(leaves, tickets, strict=False):
            ticket.verify(leaf, domain, signer)
        return len(tickets)

    return {
        "tickets_issued_per_s": round(per_second(issue, quick)),
        "tickets_verified_per_s": round(per_second(verify, quick)),
    }
