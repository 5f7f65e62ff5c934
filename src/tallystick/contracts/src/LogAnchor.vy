# pragma version 0.4.3
"""
@title   LogAnchor
@license Apache-2.0
@notice  Append-only logs of whatever must not be rewritten, anchored. The interface ILogAnchor.vyi teaches the
         contract; this shell composes its modules.
@custom:invariant A log's anchored size only grows, and every anchor but the first was checked, here, to extend the one
                  before. Keys, ticket signers and their terms are never edited.
@custom:kill      There is none: no administrator, no pause, no upgrade. An owner ends its log with `retire`, replaces
                  a stolen key with `rotate_key`, `set_anchorer` or `set_ticket_signer`.
@custom:security  A root does not bind its size and a first anchor is a claim: see the modules. Two logs may share an
                  origin under two owners; trust the id. No money is held here; ether sent here is refused.
"""

from ..interfaces import ILogAnchor
from .logs import anchors
from .logs import logs
from .logs import tickets
from .logs import vkeys

implements: ILogAnchor

initializes: logs
initializes: anchors[logs := logs]
initializes: vkeys[logs := logs, anchors := anchors]
initializes: tickets[logs := logs]

exports: (
    logs.log_count,
    logs.log_of,
    logs.offer_log,
    logs.accept_log,
    vkeys.rotate_key,
    vkeys.key_at,
    anchors.set_anchorer,
    anchors.anchor,
    anchors.latest,
    anchors.verify_inclusion,
    anchors.consistent,
    tickets.set_ticket_signer,
    tickets.ticket_signer_at,
    tickets.is_ticket,
    tickets.recover_ticket,
    tickets.ticket_digest,
    tickets.eip712Domain,
)


@external
def open_log(origin: String[128], vkey: bytes32, ticket_signer: address, anchorer: address) -> uint256:
    log_id: uint256 = logs._open(origin)
    vkeys._store(log_id, 0, vkey, 0)
    tickets._store(log_id, 0, ticket_signer)
    anchors._set_anchorer(log_id, anchorer)
    log ILogAnchor.LogOpened(
        log_id=log_id, owner=msg.sender, origin=origin, vkey=vkey, ticket_signer=ticket_signer, anchorer=anchorer
    )
    return log_id


@external
def retire(log_id: uint256, successor: uint256):
    logs._check_owner(log_id)
    if tickets._signer(log_id, logs._signers_in(logs._words[log_id]) - 1) != empty(address):
        tickets._replace(log_id, empty(address))
    anchors._set_anchorer(log_id, empty(address))
    logs._retire(log_id, successor)
    log ILogAnchor.LogRetired(log_id=log_id, successor=successor, size=anchors._size_in(anchors._heads[log_id]))


@view
@external
def log_at(log_id: uint256) -> ILogAnchor.LogState:
    word: uint256 = logs._existing(log_id)
    head: uint256 = anchors._heads[log_id]
    keys: uint256 = logs._keys_in(word)
    signers: uint256 = logs._signers_in(word)
    return ILogAnchor.LogState(
        owner=logs._owner_in(word),
        pending_owner=logs._pending[log_id],
        anchorer=anchors._anchorer_in(head),
        ticket_signer=tickets._signer(log_id, signers - 1),
        origin=logs._origins[log_id],
        vkey=vkeys._vkeys[log_id][keys - 1],
        key_count=convert(keys, uint32),
        signer_count=convert(signers, uint32),
        size=anchors._size_in(head),
        root=anchors._root(log_id, head),
        anchored_at=convert(head >> anchors._TIME_SHIFT, uint64),
        retired=word & logs._RETIRED != 0,
        successor=logs._successors[log_id],
    )
