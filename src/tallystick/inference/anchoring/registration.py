"""Binding a log to its keys on chain: its owner, the key of its checkpoints, its ticket signer and its anchorer."""

from __future__ import annotations

from tallystick.chain.bindings.log_anchor import LogAnchor, LogKeyRotated, LogOpened, TicketSignerSet
from tallystick.chain.outbox import Outbox
from tallystick.core.errors import Rejected, VerificationFailed
from tallystick.core.ids import parse_address

NOBODY = "0x" + "00" * 20


def open_log(
    outbox: Outbox, contract: str, origin: str, public_key: bytes, ticket_signer: str, anchorer: str = NOBODY
) -> int:
    """Return the id of the log of this origin that the outbox's account owns, opening it if there is none.

    public_key     32 bytes, Ed25519, of the checkpoints' key
    ticket_signer  address of the key that signs tickets
    anchorer       address that may anchor beside the owner
    raises         VerificationFailed "log.binding" when the log exists and is bound to other keys; Rejected
    """
    log_anchor = LogAnchor(outbox.node, contract)
    owner = outbox.account.address
    log_id = log_anchor.log_of(owner, origin)
    if log_id == 0:
        call = log_anchor.open_log(origin, public_key, ticket_signer, anchorer)
        receipt = outbox.send_and_wait(call, key=f"open log {contract} {origin}")
        events = [LogOpened.decode(log) for log in receipt.logs if log.topics[:1] == (LogOpened.topic,)]
        if len(events) != 1 or events[0].origin != origin:
            raise VerificationFailed("log.opened", "the transaction opened no such log", expected=origin, got=events)
        log_id = events[0].log_id
    state = log_anchor.log_at(log_id)
    bound = (state.origin, state.vkey, state.ticket_signer)
    wanted = (origin, public_key, parse_address(ticket_signer))
    if bound != wanted:
        raise VerificationFailed(
            "log.binding",
            f"log {log_id} is bound to other keys on chain",
            expected=f"{wanted[1].hex()} {wanted[2]}",
            got=f"{bound[1].hex()} {bound[2]}",
            hint="rotate the key on chain, or use the key that is there",
        )
    return log_id


def rotate_key(outbox: Outbox, contract: str, log_id: int, public_key: bytes) -> int:
    """Let another Ed25519 key sign the log's checkpoints from here on; return its index.

    Sign and anchor a checkpoint with the new key next: what the old key signed beyond the anchored size no longer
    counts.

    raises  Rejected "vkeys: unchanged", "logs: not the owner", "logs: retired"
    """
    log_anchor = LogAnchor(outbox.node, contract)
    index = log_anchor.log_at(log_id).key_count
    call = log_anchor.rotate_key(log_id, public_key)
    receipt = outbox.send_and_wait(call, key=f"rotate key {contract} {log_id} {index}")
    events = [LogKeyRotated.decode(log) for log in receipt.logs if log.topics[:1] == (LogKeyRotated.topic,)]
    if len(events) != 1:
        raise Rejected("log.rotated", "the transaction rotated no key", got=len(events))
    return events[0].index


def rotate_ticket_signer(outbox: Outbox, contract: str, log_id: int, signer: str) -> int:
    """Let another account sign the log's tickets from here on; return the index of its term.

    raises  Rejected "tickets: signer already used", "tickets: unchanged", "logs: not the owner", "logs: retired"
    """
    log_anchor = LogAnchor(outbox.node, contract)
    index = log_anchor.log_at(log_id).signer_count
    call = log_anchor.set_ticket_signer(log_id, signer)
    receipt = outbox.send_and_wait(call, key=f"rotate ticket signer {contract} {log_id} {index}")
    events = [TicketSignerSet.decode(log) for log in receipt.logs if log.topics[:1] == (TicketSignerSet.topic,)]
    if len(events) != 1:
        raise Rejected("log.rotated", "the transaction replaced no ticket signer", got=len(events))
    return events[0].index


def retire_log(outbox: Outbox, contract: str, log_id: int, successor: int = 0) -> None:
    """End a log on chain for good: no anchor, no change, and no ticket dated later.

    successor  id of the log that goes on in its place; 0 for none
    raises     Rejected "logs: bad successor", "logs: not the owner", "logs: retired"
    """
    call = LogAnchor(outbox.node, contract).retire(log_id, successor)
    outbox.send_and_wait(call, key=f"retire log {contract} {log_id} {successor}")
