"""Anchoring: a log's signed checkpoints on the `LogAnchor` contract, which checks that the log only ever grew.

`registration` binds a log to its keys on chain, `Anchorer` moves its anchored head forward, `records` is its journal.
"""

from tallystick.inference.anchoring.anchorer import Anchorer
from tallystick.inference.anchoring.records import AnchorRecord, AnchorState, read_anchor_file, read_anchors
from tallystick.inference.anchoring.registration import open_log, retire_log, rotate_key, rotate_ticket_signer

__all__ = [
    "AnchorRecord",
    "AnchorState",
    "Anchorer",
    "open_log",
    "read_anchor_file",
    "read_anchors",
    "retire_log",
    "rotate_key",
    "rotate_ticket_signer",
]
