"""Facts from the chain in one SQLite file: reorg-safe, rebuildable, and never the last word.

    projection.py   what a room declares: tables, views, where its events come from, and a pure reducer
    source.py       what a chain must answer; `chain.node.Node` does
    index.py        `Index`: sync, query, verify, rebuild
    follow.py       the algorithm that keeps the file on one chain, whatever the chain does
    ledger.py       what is written: one transaction per block, everything under the block's hash
    database.py     the file itself; schema.py its tables, verify.py two of them compared

The index answers quickly what a node would answer slowly. It proves nothing: a verifier reads the chain.
"""

from tallystick.index.follow import SyncReport
from tallystick.index.index import Index, IndexStatus, discard
from tallystick.index.projection import Emitted, Projection, Row
from tallystick.index.source import Place, Source

__all__ = ["Emitted", "Index", "IndexStatus", "Place", "Projection", "Row", "Source", "SyncReport", "discard"]
