"""The desk of the room `agents` in an open workspace: wallets of agents on this workspace's chain.

system   the contracts that serve all wallets: found, or put there
senders  whose key sends: the workspace's account, or another key of its keystore by name
desk     which wallets there are, and new ones
wallet   one wallet: set up, seal, change, freeze, sweep
acting   what a session does: pay, call, propose, with an intent record
queue    what waits for approval
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tallystick.tally.agents.desk import Agents

if TYPE_CHECKING:
    from tallystick.tally.workspace import Tally

__all__ = ["Agents", "open_desk"]


def open_desk(tally: Tally) -> Agents:
    """Return the desk of `agents` in this workspace."""
    return Agents(tally)
